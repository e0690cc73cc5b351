package accounts

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func guest(name string) bool { return name == "guest" || strings.EqualFold(name, "ftp") }

func alices() []string { return []string{"alice", "bob b", "anonymous", "off"} }

func TestTablesAboutNobody(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string // none for no error
		hint       string
	}{
		{"those there are", "[users.alice]\n[users.\"bob b\"]\n[users.anonymous]", nil, ""},
		{"a guest", "[users.guest]\npermissions = \"none\"", []string{":1:8: users.guest: whoever gives this name is anonymous"}, "did you mean [anonymous]?"},
		{"another name of theirs", "[users]\nFTP = {}", []string{":2:1: users.FTP: whoever gives"}, "did you mean [anonymous]?"},
		{"a slip", "[users.alice]\n[users.ailce]\nenabled = false", []string{":2:8: users.ailce: no such user in the password file"}, "did you mean [users.alice]?"},
		{"a slip in two words", "[users.\"bob  b\"]", []string{`:1:8: users."bob  b": no such user`}, `did you mean [users."bob b"]?`},
		{"nobody like that", "[users.mallory]", []string{":1:8: users.mallory: no such user"}, "gtwistd hash-password NAME"},
		{"two", "[users.x.paths]\n[users.guest]", []string{":1:8: users.x: no such", ":2:8: users.guest: whoever"}, "hash-password"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, tt.text)
			_, err := Open(Options{Path: path, Guest: guest, Names: alices})
			var bad *Error
			if !errors.As(err, &bad) {
				if err != nil || tt.want != nil {
					t.Errorf("Open() = %v, want %q", err, tt.want)
				}
				return
			}
			lines := strings.Split(bad.Error(), "\n")
			for i, want := range tt.want {
				if len(lines) != len(tt.want) || !strings.HasPrefix(lines[i], path+want) {
					t.Errorf("Open() = %v, want %q", err, tt.want)
				}
			}
			if !strings.Contains(bad.Hint(), tt.hint) {
				t.Errorf("hint %q, want %q", bad.Hint(), tt.hint)
			}
		})
	}
	if _, err := Open(Options{Path: write(t, "[users.anonymous]\n[users.mallory]")}); err != nil {
		t.Errorf("Open() without a password file = %v", err)
	}
}

// TestNamesAreReadAnew says that a reload goes by the users that there are then.
func TestNamesAreReadAnew(t *testing.T) {
	names := []string{"alice"}
	b := book(t, "[users.alice]\nquota = 1", Options{Names: func() []string { return names }})
	names = []string{"carol"}
	var bad *Error
	if err := b.Reload(t.Context()); !errors.As(err, &bad) {
		t.Errorf("Reload() = %v, want an error about alice", err)
	}
	if got := b.account("alice").Quota; got != 1 {
		t.Errorf("a quota of %d after a reload that failed", got)
	}
}

// TestWhoIsGone says that a user who has left the password file has no rights, also if the users file is wrong then, and that
// one who has come before the reload is let in.
func TestWhoIsGone(t *testing.T) {
	names := []string{"alice", "mal"}
	all := Account{Root: "/srv", Permissions: All}
	b := book(t, "[users.mal]\nquota = 1", Options{Names: func() []string { return names }, Users: all})
	mal, err := b.Login("mal", netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	defer mal.Close()
	names = []string{"alice", "carol"}
	carol, err := b.Login("carol", netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	defer carol.Close()
	if err := b.Reload(t.Context()); err == nil {
		t.Error("Reload() of a table about nobody = nil")
	}
	if mal.MayList("/") || mal.MayUpload("/a", false) || !carol.MayList("/") {
		t.Error("mal has rights, or carol none")
	}
	if _, err := b.Login("mal", netip.Addr{}); !errors.Is(err, ErrDisabled) {
		t.Errorf("Login() = %v, want %v", err, ErrDisabled)
	}
}

func TestHomes(t *testing.T) {
	b := book(t, `[defaults]
root = "homes/%u"
[anonymous]
root = "pub"
[users.alice]
root = "/srv/alice"
[users.off]
enabled = false
[users.anonymous]
quota = 1
`, Options{Names: alices})
	dir := filepath.Dir(b.opts.Path)
	want := []string{
		`"":4:8: anonymous: root: "` + dir + `/pub"`,
		`"alice":6:8: users.alice: root: "/srv/alice"`,
		`"anonymous" named:2:8: defaults: root: "` + dir + `/homes/anonymous"`,
		`"bob b" named:2:8: defaults: root: "` + dir + `/homes/bob b"`,
	}
	if got := homes(b); !reflect.DeepEqual(got, want) {
		t.Errorf("Homes() = %q, want %q", got, want)
	}
	b = book(t, "[defaults]\nroot = \"/srv/all\"\n[users.alice]\n[anonymous]\nenabled = false\nroot = \"/x\"", Options{Names: alices})
	if got, want := homes(b), []string{`"":2:8: defaults: root: "/srv/all"`}; !reflect.DeepEqual(got, want) {
		t.Errorf("Homes() = %q, want %q", got, want)
	}
	b, err := Open(Options{Names: alices})
	if err != nil || len(b.Homes()) > 0 {
		t.Errorf("Homes() without a file = %v, %v", b.Homes(), err)
	}
}

func homes(b *Book) (list []string) {
	for _, h := range b.Homes() {
		named := ""
		if h.Named {
			named = " named"
		}
		_, at, _ := strings.Cut(h.Error(errors.New("x")).Error(), b.opts.Path)
		list = append(list, fmt.Sprintf("%q%s%s", h.User, named, strings.TrimSuffix(at, ": x")))
	}
	return list
}

// TestZeroIsNoLimit says that a user may have none of the limits that [defaults] gives to all.
func TestZeroIsNoLimit(t *testing.T) {
	const limits = "quota = %[1]d\nmax-files = %[1]d\nmax-file-size = %[1]d\nupload-bandwidth = %[1]d\ndownload-bandwidth = %[1]d\nmax-sessions = %[1]d\n"
	b := book(t, "[defaults]\n"+fmt.Sprintf(limits, 1)+"[users.alice]\n"+fmt.Sprintf(limits, 0), Options{Users: Account{Root: t.TempDir(), Permissions: All}})
	for _, name := range []string{"alice", "bob"} {
		limited := name == "bob"
		s := login(t, b, name)
		other, err := b.Login(name, home)
		if (err != nil) != limited {
			t.Errorf("%s: the second session: %v", name, err)
		}
		if err == nil {
			other.Close()
		}
		if n := s.Chunk(true, 1<<20); (n < 1<<20) != limited {
			t.Errorf("%s: %d bytes are received at once", name, n)
		}
		if n := s.Chunk(false, 1<<20); (n < 1<<20) != limited {
			t.Errorf("%s: %d bytes are sent at once", name, n)
		}
		if err := s.Count(t.Context()); err != nil {
			t.Error(err)
		}
		for range 2 {
			u, err := s.Upload(-1)
			if err != nil {
				if !limited {
					t.Errorf("%s: %v", name, err)
				}
				continue
			}
			n, err := u.Reserve(0, 1000)
			if (n < 1000) != limited {
				t.Errorf("%s: room for %d bytes, %v", name, n, err)
			}
			u.Close(n)
		}
	}
}
