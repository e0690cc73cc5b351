package accounts

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// whole has every key.
const whole = `# all there is
[defaults]
root = "homes/%u"
permissions = "read-only"
max-sessions = 2
quota = "1KiB"

[anonymous]
root = "/srv/pub"
permissions = ["list", "download"]
upload-bandwidth = 100

[users.alice]
root = "/srv/x/../alice/"
enabled = true
permissions = ["read", "write", "delete", "rename", "mkdir"]
quota = "10GiB"
max-files = 7
max-file-size = 1024
upload-bandwidth = "1M"
download-bandwidth = "2MiB"
max-sessions = 4
allow-from = ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::ffff:192.0.2.2"]

[users.alice.paths]
"/incoming" = ["create"]
"/" = "none"
"/incoming/done" = []

[users."bob b"]
enabled = false
`

func prefixes(list ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(list))
	for i, s := range list {
		all[i] = netip.MustParsePrefix(s)
	}
	return all
}

func book(t testing.TB, text string, opts Options) *Book {
	t.Helper()
	opts.Path = write(t, text)
	b, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	f, bad := parse([]byte(whole), dir, false)
	if bad != nil {
		t.Fatal(bad)
	}
	base := Account{Root: "/base", Permissions: All, MaxFiles: 99}
	b := &Book{opts: Options{Users: base, Anonymous: Account{Root: "/base", MaxFiles: 5}}}
	b.file.Store(f)
	tests := []struct {
		name string
		got  Account
		want Account
	}{
		{"alice", *b.account("alice"), Account{
			Root: "/srv/alice", Permissions: All, Quota: 10 << 30, MaxFiles: 7, MaxFileSize: 1024,
			UploadBandwidth: 1 << 20, DownloadBandwidth: 2 << 20, MaxSessions: 4,
			AllowFrom: prefixes("10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32", "192.0.2.2/32"),
			rules:     []rule{{"/incoming/done", None}, {"/incoming", Create}, {"/", None}},
		}},
		{"bob b", *b.account("bob b"), Account{
			Root: filepath.Join(dir, "homes/bob b"), named: true, Disabled: true, Permissions: Read, Quota: 1024, MaxFiles: 99, MaxSessions: 2,
		}},
		{"in no table", *b.account("carol"), Account{
			Root: filepath.Join(dir, "homes/carol"), named: true, Permissions: Read, Quota: 1024, MaxFiles: 99, MaxSessions: 2,
		}},
		{"anonymous", b.Anonymous(), Account{Root: "/srv/pub", Permissions: Read, MaxFiles: 5, UploadBandwidth: 100}},
	}
	for _, tt := range tests {
		if !reflect.DeepEqual(tt.got, tt.want) {
			t.Errorf("%s: %+v, want %+v", tt.name, tt.got, tt.want)
		}
	}
	if !b.HasUsers() {
		t.Error("HasUsers() = false")
	}
}

func TestFileMistakes(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string // of each problem, in order
		hint       string
	}{
		{"no TOML", "[users.alice]\nroot = alice\nquota = x", []string{`:2:8: `}, ""},
		{"not closed", "[users.alice]\nroot = \"x\n", []string{":2:"}, ""},
		{"key twice", "[users.alice]\nquota = 1\nquota = 2", []string{":3:1: key quota is already defined"}, ""},
		{"table twice", "[users.alice]\n[users.alice]", []string{":2:2: table alice already exists"}, ""},
		{"all at once", "[users.alice]\nrot = \"x\"\nquota = \"much\"\n[user.bob]\nroot = \"x\"\n[users.carol]\nmax-sessions = \"3\"\nallow-from = [\"10.0.0.0/8\", \"10.0.0.1/8\"]\n", []string{
			`:2:1: users.alice: unknown key "rot"`,
			`:3:9: users.alice: quota: "much": not a size`,
			`:4:2: unknown key "user"`,
			`:7:16: users.carol: max-sessions: "3": not a number from 0 to 2147483647`,
			`:8:29: users.carol: allow-from: "10.0.0.1/8": not the first address of a network: did you mean 10.0.0.0/8, or 10.0.0.1 alone?`,
		}, "the keys are root, enabled, permissions,"},
		{"password", "[users.alice]\npassword = \"hunter2\"", []string{`:2:1: users.alice: unknown key "password"`}, "gtwistd hash-password NAME"},
		{"in no table", "quota = \"1G\"", []string{`:1:1: unknown key "quota"`}, "below [defaults]"},
		{"capitals", "[users.alice]\nQuota = 1", []string{`:2:1: users.alice: unknown key "Quota"`}, "the keys are"},
		{"users", "users = 3", []string{":1:9: users: not a table"}, ""},
		{"list of users", "[[users]]\nname = \"alice\"", []string{":1:3: users: not a table"}, ""},
		{"user", "users.alice = true", []string{":1:15: users.alice: not a table such as [users.alice]"}, ""},
		{"list of tables", "[[users.alice]]", []string{":1:9: users.alice: not a table"}, ""},
		{"table below", "[users.alice.quota]\nbytes = 3", []string{`:1:14: users.alice: quota: a table: not a size`}, ""},
		{"inline", "users = { alice = { quota = -1 } }", []string{`:1:29: users.alice: quota: -1: not a size`}, ""},
		{"dotted", "[users]\nalice.max-files = 1.5", []string{":2:19: users.alice: max-files: 1.5: not a number"}, ""},
		{"size too large", "[users.a]\nquota = \"99999999T\"", []string{":2:9: users.a: quota: \"99999999T\": larger than a file can be"}, ""},
		{"number too large", "[users.a]\nmax-files = 9999999999", []string{":2:13: users.a: max-files: 9999999999: not a number"}, ""},
		{"date", "[users.a]\nmax-files = 2026-01-01", []string{":2:13: users.a: max-files: a date: not a number"}, ""},
		{"enabled", "[users.a]\nenabled = \"no\"", []string{":2:11: users.a: enabled: neither true nor false"}, ""},
		{"root", "[users.a]\nroot = \"\"", []string{":2:8: users.a: root: not a directory"}, ""},
		{"root of another mark", "[users.a]\nroot = \"home/%x\"", []string{":2:8: users.a: root: unknown %x, there is %u"}, "the name of the user"},
		{"root of a capital mark", "[defaults]\nroot = \"%u/100%/%U\"", []string{":2:8: defaults: root: unknown %U, there is %u"}, "the name of the user"},
		{"root list", "[users.a]\nroot = []", []string{":2:1: users.a: root: not a directory"}, ""},
		{"level", "[users.a]\npermissions = \"everything\"", []string{`:2:15: users.a: permissions: "everything": neither "none"`}, ""},
		{"word alone", "[users.a]\npermissions = \"write\"", []string{`:2:15: users.a: permissions: "write": not a level`}, `did you mean ["write"]?`},
		{"word", "[users.a]\npermissions = [\"read\", \"wite\"]", []string{`:2:24: users.a: permissions: "wite": not a permission`}, "list, download, create, overwrite, delete, rename, mkdir, read, write"},
		{"level in a list", "[users.a]\npermissions = [\"all\"]", []string{`:2:16: users.a: permissions: "all": not a permission`}, `"all" stands alone, without brackets`},
		{"list in a list", "[users.a]\npermissions = [[]]", []string{`:2:1: users.a: permissions: a list: not a permission`}, "list, download"},
		{"networks", "[users.a]\nallow-from = \"10.0.0.0/8\"", []string{`:2:14: users.a: allow-from: "10.0.0.0/8": not a list such as`}, ""},
		{"network", "[users.a]\nallow-from = [\"localhost\"]", []string{`:2:15: users.a: allow-from: "localhost": not an address such as`}, ""},
		{"zone", "[users.a]\nallow-from = [\"fe80::1%eth0\"]", []string{`:2:15: users.a: allow-from: "fe80::1%eth0": not an address`}, ""},
		{"paths", "[users.a]\npaths = [\"/x\"]", []string{`:2:1: users.a.paths: not a table such as [users.a.paths]`}, ""},
		{"relative path", "[users.a.paths]\n\"incoming/\" = \"all\"", []string{`:2:1: users.a.paths: "incoming/": not a directory as the user sees it`}, `did you mean "/incoming"?`},
		{"path upward", "[users.a.paths]\n\"/a/../..\" = 3", []string{`:2:1: `, `:2:14: users.a.paths: "/a/../..": 3: not a list`}, `did you mean "/"?`},
		{"empty name", "[users.\"\"]", []string{`:1:8: users: the name of the user is empty`}, ""},
		{"control character", "[users.\"a\\nb\"]", []string{`:1:8: users: user "a\nb": a control character`}, ""},
		{"colon", "[users.\"a:b\"]", []string{`:1:8: users: user "a:b"`}, ""},
		{"space", "[users.\" a\"]", []string{`:1:8: users: user " a": space`}, ""},
		{"long", "[users." + strings.Repeat("a", 256) + "]", []string{`:1:8: users: the name of the user is longer than 255 bytes`}, ""},
		{"name as a path", "[users.\"../etc\"]\nroot = \"/srv/%u\"", []string{`:2:8: users."../etc": root: %u: the name of the user cannot be that of a directory`}, ""},
		{"name as a path by default", "[defaults]\nroot = \"/srv/%u\"\n[users.\"..\"]\n", []string{`:3:8: users."..": root: %u`}, ""},
		{"anonymous has no name", "[anonymous]\nroot = \"/srv/%u\"", []string{`:2:8: anonymous: root: %u stands for a name`}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, bad := parse([]byte(tt.text), "/etc", false)
			if bad == nil || len(bad.Problems) != len(tt.want) {
				t.Fatalf("parse() = %v, want %d problems", bad, len(tt.want))
			}
			bad.Path = "users.toml"
			for i, line := range strings.Split(bad.Error(), "\n") {
				if !strings.HasPrefix(line, "users.toml"+tt.want[i]) {
					t.Errorf("problem %d: %s, want %s", i, line, tt.want[i])
				}
			}
			if got := bad.Hint(); !strings.Contains(got, tt.hint) || (got == "") != (tt.hint == "") {
				t.Errorf("hint %q, want %q", got, tt.hint)
			}
			if strings.Contains(bad.Error()+bad.Hint(), "hunter2") {
				t.Errorf("the error shows a password: %v", bad)
			}
		})
	}
}

// TestDocumentedFile reads the file that the package comment shows.
func TestDocumentedFile(t *testing.T) {
	source, err := os.ReadFile("accounts.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(source), "// # The users file\n")
	doc, _, _ := strings.Cut(rest, "\npackage ")
	var text strings.Builder
	for line := range strings.Lines(doc) {
		if code, ok := strings.CutPrefix(line, "//\t"); ok {
			text.WriteString(code)
		}
	}
	f, bad := parse([]byte(text.String()), "/etc", false)
	if bad != nil {
		t.Fatal(bad)
	}
	if f.users["alice"] == nil || f.defaults == nil || len(f.users["alice"].rules) != 1 {
		t.Errorf("read %+v from\n%s", f, text.String())
	}
	for _, k := range keys {
		if !strings.Contains(text.String(), "\n"+k.name+" = ") {
			t.Errorf("%s is not documented", k.name)
		}
	}
	for _, w := range words {
		if !strings.Contains(doc, w.word) {
			t.Errorf("%s is not documented", w.word)
		}
	}
}

func TestRulesWhereNamesFold(t *testing.T) {
	_, bad := parse([]byte(whole), "/", true)
	if bad == nil || len(bad.Problems) != 1 || !strings.Contains(bad.Error(), ":25:14: users.alice.paths: not on this system") {
		t.Errorf("parse() = %v, want an error about paths", bad)
	}
}

func TestFileTroubles(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(Options{Path: filepath.Join(dir, "none")}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open() of no file = %v", err)
	}
	if _, err := Open(Options{Path: dir}); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("Open() of a directory = %v", err)
	}
	var bad *Error
	path := write(t, "x = 1")
	if _, err := Open(Options{Path: path}); !errors.As(err, &bad) || !strings.HasPrefix(err.Error(), path+":1:1: unknown key") {
		t.Errorf("Open() of a bad file = %v", err)
	}
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, maxFile+1); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Path: large}); err == nil || !strings.Contains(err.Error(), "not a users file") {
		t.Errorf("Open() of a large file = %v", err)
	}
}

// FuzzFile says that no text makes the parser panic, that each problem has a line, and that what is accepted is within bounds.
func FuzzFile(f *testing.F) {
	f.Add(whole)
	f.Add("[users.alice]\nquota = \"much\"\nallow-from = [\"x\", 3]\n")
	f.Add("users = { a.b = [{}], \"\" = { paths.\"/\" = [[1], 2] } }\n[[x]]\n[[x.y]]\n[x.y.z]\nq = 1979-05-27")
	f.Add("[defaults]\nroot = \"%u%u\"\n[users.\"%u\"]\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, bad := parse([]byte(text), "/dir", false)
		if bad != nil {
			if len(bad.Problems) == 0 || bad.Error() == "" {
				t.Errorf("an error without problems: %#v", bad)
			}
			for _, p := range bad.Problems {
				if p.Line < 1 || p.Column < 1 || p.Line > strings.Count(text, "\n")+1 {
					t.Errorf("%q is at %d:%d", p.Reason, p.Line, p.Column)
				}
			}
			return
		}
		b := &Book{}
		b.file.Store(file)
		for _, name := range append(file.names(), "", "../x") {
			a := b.account(name)
			if a.Quota < 0 || a.MaxFiles < 0 || a.MaxFileSize < 0 || a.UploadBandwidth < 0 || a.DownloadBandwidth < 0 || a.MaxSessions < 0 || a.Permissions&^All != 0 {
				t.Errorf("%q: %+v", name, a)
			}
			if a.Root != "" && !filepath.IsAbs(a.Root) {
				t.Errorf("%q: root %q is relative", name, a.Root)
			}
		}
	})
}
