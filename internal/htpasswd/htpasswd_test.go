package htpasswd_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gtwistd/gtwistd/internal/htpasswd"
)

// Each is the hash of "öpen sesame", made by openssl, by Python or by Hash.
var hashes = map[string]string{
	"apr1":           "$apr1$saltsalt$Jiic7tkJIwRof1y5Bf1pr/",
	"md5":            "$1$saltsalt$H0sUDLP9vrP/95yt.4/lb.",
	"sha256":         "$5$saltstring$5KWIvmiuyIAJLWvDzTQvKzKryofzqO4ziLXNbCRbvY9",
	"sha256 rounds":  "$5$rounds=1000$x$wt3Ob6NBiOVj0rNJvmiA7yNZJJ3K.hZgOq3r0Wh3X0B",
	"sha512":         "$6$saltstring$azmavIbT6JzPGqN.fSqMmLdrtPeMByuZEkx8AntjgrSv6WMNVc.ZUC4D1lH.Gwb9ivsio9.ApcXMrsgZ8cbuw1",
	"sha512 rounds":  "$6$rounds=1234$anotherlongsalts$uETWLLWyK.IGn.yUSIruiqXCF7KFMLsKHE.v2FoldI2LUNQa7azptpWFWVjjJyDitGmOQv2TEYP59GYhXch1V.",
	"bcrypt":         "$2b$04$abcdefghijklmnopqrstuuqTNLAzDgGqm5fa0zsZLYF1agK7zFplO",
	"bcrypt, apache": "$2y$04$abcdefghijklmnopqrstuuqTNLAzDgGqm5fa0zsZLYF1agK7zFplO",
	"bcrypt, old":    "$2a$04$abcdefghijklmnopqrstuuqTNLAzDgGqm5fa0zsZLYF1agK7zFplO",
	"SHA":            "{SHA}YjB59TBV+QGh05RE5XcKaVRol6s=",
	"SSHA":           "{SSHA}Dovj/AS0qqBsYV4L5By1gqap9T5zYWx0",
	"SSHA, no salt":  "{SSHA}YjB59TBV+QGh05RE5XcKaVRol6s=",
}

const password = "öpen sesame"

// direct hashes at once.
func direct(ctx context.Context, fn func() error) error { return fn() }

func write(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, text string, do htpasswd.Do) *htpasswd.File {
	t.Helper()
	f, err := htpasswd.Open(write(t, text), do)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func verify(t testing.TB, f *htpasswd.File, name, password string) bool {
	t.Helper()
	ok, err := f.Verify(t.Context(), name, password)
	if err != nil {
		t.Errorf("Verify(%q, %q) = %v", name, password, err)
	}
	return ok
}

func TestMethods(t *testing.T) {
	for name, hash := range hashes {
		t.Run(name, func(t *testing.T) {
			f := open(t, "joe:"+hash+"\n", direct)
			for range 2 { // the second time from memory
				if !verify(t, f, "joe", password) {
					t.Errorf("%q is not the password of %s", password, hash)
				}
			}
			for _, wrong := range []string{"", password + "x", strings.ToUpper(password), password + "\x00", hash, strings.Repeat("x", 5000)} {
				if verify(t, f, "joe", wrong) {
					t.Errorf("%.20q is taken for the password of %s", wrong, hash)
				}
			}
		})
	}
}

func TestFile(t *testing.T) {
	f := open(t, "\ufeff# people\n\n  \njoe:"+hashes["SHA"]+"\r\nanna maria:"+hashes["apr1"]+":Anna's comment\nüser:"+hashes["SHA"]+" \n-:"+hashes["SHA"], direct)
	for _, name := range []string{"joe", "anna maria", "üser", "-"} {
		if !verify(t, f, name, password) {
			t.Errorf("%q is not let in", name)
		}
	}
	for _, name := range []string{"", "Joe", "joe ", "joe\x00", "# people", "anna", "joe:", "joe\n"} {
		if verify(t, f, name, password) {
			t.Errorf("%q is let in", name)
		}
	}
}

func TestBadFiles(t *testing.T) {
	sha := hashes["SHA"]
	tests := []struct{ name, text, want, hint string }{
		{"empty", "", `: no user in it`, "gtwistd hash-password"},
		{"comments", "# joe:" + sha + "\n", `: no user in it`, "gtwistd hash-password"},
		{"plain text", "joe:" + sha + "\nanna:secret\n", `:2: the password of "anna" is plain text`, "hash it: gtwistd hash-password"},
		{"no password", "joe:\n", `:1: "joe" has no password`, "gtwistd hash-password"},
		{"no colon", "joe\n", `:1: not of the form NAME:HASH`, "gtwistd hash-password"},
		{"no name", ":" + sha, `:1: the name of the user is empty`, ""},
		{"long name", strings.Repeat("x", 256) + ":" + sha, `:1: the name of the user is longer than 255 bytes`, ""},
		{"control character", "joe\x1b[31m:" + sha, `:1: user "joe\x1b[31m": a control character in the name`, ""},
		{"carriage return", "joe\r:" + sha, `:1: user "joe\r": a control character in the name`, ""},
		{"not UTF-8", "j\xf6e:" + sha, `:1: user "j\xf6e": not UTF-8`, ""},
		{"space before", " joe:" + sha, `:1: user " joe": space around the name`, ""},
		{"space after", "joe :" + sha, `:1: user "joe ": space around the name`, ""},
		{"twice", "joe:" + sha + "\n\njoe:" + sha, `:3: "joe" is in line 1 already`, ""},
		{"more", "joe\nanna\n", `:1: not of the form NAME:HASH (and one more bad line)`, ""},
		{"many more", "joe\nanna\nx:" + sha + "\nben\n", `:1: not of the form NAME:HASH (and 2 more bad lines)`, ""},
		{"digest file", "joe:realm:0123456789abcdef0123456789abcdef", `:1: the password of "joe" is plain text`, ""},
		{"unknown method", "joe:$argon2id$v=19$m=65536,t=3$c2FsdA$aGFzaA", `:1: the password of "joe" is not hashed by a method that is known here`, "bcrypt, apr1"},
		{"unknown braces", "joe:{SSHA512}xxxx", `:1: the password of "joe" is not hashed by a method that is known here`, ""},
		{"short bcrypt", "joe:$2y$10$abc", `:1: the bcrypt hash of "joe" is damaged`, ""},
		{"broken bcrypt", "joe:$2x$04$abcdefghijklmnopqrstuuqTNLAzDgGqm5fa0zsZLYF1agK7zFplO", `:1: the password of "joe" is not hashed by`, ""},
		{"bcrypt for ever", "joe:$2y$31$abcdefghijklmnopqrstuuqTNLAzDgGqm5fa0zsZLYF1agK7zFplO", `:1: the bcrypt hash of "joe" takes too long: its cost is 31, the most is 16`, ""},
		{"rounds for ever", "joe:$5$rounds=999999999$x$wt3Ob6NBiOVj0rNJvmiA7yNZJJ3K.hZgOq3r0Wh3X0B", `takes too long: its cost is 999999999, the most is 1000000`, ""},
		{"too few rounds", "joe:$5$rounds=999$x$wt3Ob6NBiOVj0rNJvmiA7yNZJJ3K.hZgOq3r0Wh3X0B", `:1: the SHA-256 hash of "joe" is damaged`, ""},
		{"rounds are no number", "joe:$6$rounds=x$salt$" + strings.Repeat("x", 86), `:1: the SHA-512 hash of "joe" is damaged`, ""},
		{"short SHA", "joe:{SHA}YjB59TBV", `:1: the {SHA} hash of "joe" is damaged`, ""},
		{"short SSHA", "joe:{SSHA}" + strings.Repeat("A", 29), `:1: the {SSHA} hash of "joe" is damaged`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, tt.text)
			f, err := htpasswd.Open(path, direct)
			var bad *htpasswd.Error
			if f != nil || !errors.As(err, &bad) {
				t.Fatalf("Open(%q) = %v, %v, want an error about the file", tt.text, f, err)
			}
			if !strings.HasPrefix(err.Error(), path+":") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Open(%q) = %v, want %s%s", tt.text, err, path, tt.want)
			}
			if !strings.Contains(bad.Hint(), tt.hint) {
				t.Errorf("hint %q, want %q", bad.Hint(), tt.hint)
			}
			if text := err.Error() + bad.Hint(); strings.Contains(text, "secret") || strings.Contains(text, "YjB59TBV") {
				t.Errorf("%s: says what nobody should read", text)
			}
		})
	}
}

func TestFilesThatAreNone(t *testing.T) {
	if _, err := htpasswd.Open(filepath.Join(t.TempDir(), "x"), direct); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open() of nothing = %v, want %v", err, fs.ErrNotExist)
	}
	if _, err := htpasswd.Open(t.TempDir(), direct); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("Open() of a directory = %v", err)
	}
}

func TestReload(t *testing.T) {
	path := write(t, "joe:"+hashes["SHA"])
	f, err := htpasswd.Open(path, direct)
	if err != nil {
		t.Fatal(err)
	}
	change := func(text string) error {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return f.Reload(t.Context())
	}
	if !verify(t, f, "joe", password) {
		t.Error("joe is not let in")
	}
	if err := change("joe:secret"); err == nil || !verify(t, f, "joe", password) {
		t.Errorf("Reload() of a bad file = %v, want an error and the users as before", err)
	}
	if err := change("anna:" + hashes["SHA"]); err != nil || verify(t, f, "joe", password) || !verify(t, f, "anna", password) {
		t.Errorf("Reload() = %v, want anna to have taken the place of joe", err)
	}
	if got := fmt.Sprint(f.Names()); got != "[anna]" {
		t.Errorf("Names() = %s", got)
	}
	// The password is another: what was right is forgotten.
	if err := change("anna:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk="); err != nil || verify(t, f, "anna", password) || !verify(t, f, "anna", "") {
		t.Errorf("Reload() = %v, want anna to have an empty password", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := f.Reload(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Reload() of nothing = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Reload(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Reload() = %v, want %v", err, context.Canceled)
	}
}

// TestHashingIsCounted says when a password is hashed: for each wrong guess, at a name that exists or not, and once for the
// right one.
func TestHashingIsCounted(t *testing.T) {
	calls := 0
	f := open(t, "joe:"+hashes["bcrypt"]+"\nanna:"+hashes["SHA"], func(_ context.Context, fn func() error) error { calls++; return fn() })
	tests := []struct {
		name, user, password string
		right                bool
		calls                int
	}{
		{"right", "joe", password, true, 1},
		{"right again", "joe", password, true, 0},
		{"wrong", "joe", "x", false, 1},
		{"wrong again", "joe", "x", false, 1},
		{"still right", "joe", password, true, 0},
		{"the password of another", "anna", password, true, 1},
		{"nobody", "ben", password, false, 1},
		{"nobody again", "ben", password, false, 1},
		{"no name", "", "", false, 1},
		{"enormous", "joe", strings.Repeat("x", 1<<20), false, 0},
	}
	for _, tt := range tests {
		calls = 0
		if right := verify(t, f, tt.user, tt.password); right != tt.right || calls != tt.calls {
			t.Errorf("%s: %v, hashed %d times, want %v, %d", tt.name, right, calls, tt.right, tt.calls)
		}
	}
}

// TestFull says that the error of who bounds the hashing comes back, that nobody is let in with it, and that it does not
// concern those whose password is known already.
func TestFull(t *testing.T) {
	full, errFull := false, errors.New("full")
	f := open(t, "joe:"+hashes["SHA"], func(_ context.Context, fn func() error) error {
		if full {
			return errFull
		}
		return fn()
	})
	verify(t, f, "joe", password)
	full = true
	for _, user := range []string{"joe", "anna"} {
		if ok, err := f.Verify(t.Context(), user, "wrong"); ok || !errors.Is(err, errFull) {
			t.Errorf("Verify(%s) = %v, %v, want %v", user, ok, err, errFull)
		}
	}
	if !verify(t, f, "joe", password) {
		t.Error("joe, whose password is known, is not let in")
	}
}

// TestAtOnce lets many ask at once, while the file is read anew.
func TestAtOnce(t *testing.T) {
	var hashed atomic.Int64
	slot := make(chan struct{}, 1)
	f := open(t, "joe:"+hashes["bcrypt"], func(_ context.Context, fn func() error) error {
		slot <- struct{}{}
		defer func() { <-slot }()
		hashed.Add(1)
		return fn()
	})
	var askers sync.WaitGroup
	for i := range 8 {
		askers.Go(func() {
			for j := range 20 {
				if right := (i+j)%4 != 0; right != verify(t, f, "joe", map[bool]string{true: password, false: "x"}[right]) {
					t.Errorf("right password: %v, and the other answer", right)
				}
			}
		})
	}
	for range 5 {
		if err := f.Reload(t.Context()); err != nil {
			t.Error(err)
		}
	}
	askers.Wait()
}

func TestHash(t *testing.T) {
	line, err := htpasswd.HashAt("joe", password, 4)
	if err != nil || !strings.HasPrefix(line, "joe:$2y$04$") {
		t.Fatalf("Hash() = %q, %v, want a line for joe", line, err)
	}
	if f := open(t, line, direct); !verify(t, f, "joe", password) {
		t.Errorf("%q does not let joe in", line)
	}
	tests := []struct{ name, user, password, want string }{
		{"empty", "", "", "the password is empty"},
		{"too long", "joe", strings.Repeat("ä", 37), "the password has 74 bytes, bcrypt looks at 72"},
		{"two lines", "joe", "a\nb", "a control character in the password"},
		{"NUL", "joe", "a\x00b", "a control character in the password"},
		{"not UTF-8", "joe", "\xff", "the password is not UTF-8"},
		{"colon in the name", "joe:x", "x", `user "joe:x": a colon ends the name`},
		{"comment", "#joe", "x", `user "#joe": a line that begins with # is a comment`},
		{"line break in the name", "joe\nanna", "x", `user "joe\nanna": a control character in the name`},
	}
	for _, tt := range tests {
		if line, err := htpasswd.Hash(tt.user, tt.password); line != "" || err == nil || err.Error() != tt.want {
			t.Errorf("%s: Hash() = %q, %v, want %s", tt.name, line, err, tt.want)
		}
	}
}

// TestApache lets Apache's htpasswd check what we write, and checks what it writes.
func TestApache(t *testing.T) {
	tool, err := exec.LookPath("htpasswd")
	if err != nil {
		t.Skip("htpasswd is not installed (Debian package apache2-utils)")
	}
	line, err := htpasswd.HashAt("joe", password, 4)
	if err != nil {
		t.Fatal(err)
	}
	path := write(t, line+"\n")
	if out, err := exec.Command(tool, "-vb", path, "joe", password).CombinedOutput(); err != nil {
		t.Errorf("%s does not know %s: %v\n%s", tool, line, err, out)
	}
	for name, option := range map[string]string{"bcrypt": "-bB", "apr1": "-bm", "sha": "-bs", "sha256": "-b2", "sha512": "-b5"} {
		if out, err := exec.Command(tool, option, path, name, password).CombinedOutput(); err != nil {
			t.Errorf("%s %s: %v\n%s", tool, option, err, out)
		}
	}
	f, err := htpasswd.Open(path, direct)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"joe", "bcrypt", "apr1", "sha", "sha256", "sha512"} {
		if !verify(t, f, name, password) || verify(t, f, name, "x") {
			t.Errorf("%s is not let in, or with any password", name)
		}
	}
	if out, err := exec.Command(tool, "-bp", path, "plain", password).CombinedOutput(); err != nil {
		t.Errorf("%s -bp: %v\n%s", tool, err, out)
	}
	if _, err := htpasswd.Open(path, direct); err == nil || !strings.Contains(err.Error(), `:7: the password of "plain" is plain text`) {
		t.Errorf("Open() = %v, want plain text refused", err)
	}
}

// FuzzFile says that a file that is taken does not make anybody's guess panic.
func FuzzFile(f *testing.F) {
	for _, hash := range hashes {
		if !strings.HasPrefix(hash, "$2") { // slow
			f.Add("joe:"+hash, "joe")
		}
	}
	f.Add("# x\n\njoe:$6$rounds=1000$$\nanna", "anna")
	f.Add("joe:$6$$x$y", "joe")
	path := filepath.Join(f.TempDir(), "users")
	f.Fuzz(func(t *testing.T, text, name string) {
		if strings.Contains(text, "rounds=") && strings.Contains(text, "00000") || strings.Contains(text, "$2") {
			t.Skip("takes long by intention")
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		users, err := htpasswd.Open(path, direct)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of several lines: %v", err)
			}
			return
		}
		for _, password := range []string{"x", "", name, password} {
			if _, err := users.Verify(t.Context(), name, password); err != nil {
				t.Error(err)
			}
		}
	})
}

// BenchmarkKnown is what a request costs whose credentials were right before.
func BenchmarkKnown(b *testing.B) {
	f := open(b, "joe:"+hashes["bcrypt"], direct)
	verify(b, f, "joe", password)
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := f.Verify(b.Context(), "joe", password); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

// BenchmarkGuess is what a wrong guess costs at the cost that Hash takes.
func BenchmarkGuess(b *testing.B) {
	line, err := htpasswd.Hash("joe", password)
	if err != nil {
		b.Fatal(err)
	}
	f := open(b, line, direct)
	for b.Loop() {
		if ok, err := f.Verify(b.Context(), "joe", fmt.Sprint(b.N)); ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
