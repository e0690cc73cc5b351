package accounts

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"sync"
	"testing"
)

var home = netip.MustParseAddr("10.1.2.3")

func login(t testing.TB, b *Book, name string) *Session {
	t.Helper()
	s, err := b.Login(name, home)
	if err != nil {
		t.Fatalf("Login(%q) = %v", name, err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestLogin(t *testing.T) {
	b := book(t, `
[defaults]
root = "/srv/%u"
[users.off]
enabled = false
[users.near]
allow-from = ["10.0.0.0/8", "2001:db8::/32"]
[users.nowhere]
allow-from = []
[anonymous]
allow-from = ["192.0.2.0/24"]
`, Options{Anonymous: Account{Root: "/pub"}})
	tests := []struct {
		name, user, from string
		err              error
	}{
		{"listed in no table", "carol", "192.0.2.1", nil},
		{"disabled", "off", "192.0.2.1", ErrDisabled},
		{"inside", "near", "10.255.0.1", nil},
		{"inside as ipv6", "near", "::ffff:10.255.0.1", nil},
		{"inside ipv6", "near", "2001:db8::1", nil},
		{"outside", "near", "11.0.0.1", ErrNetwork},
		{"outside ipv6", "near", "fe80::1%eth0", ErrNetwork},
		{"unix socket", "near", "", nil},
		{"nowhere", "nowhere", "10.0.0.1", ErrNetwork},
		{"empty name", "", "192.0.2.1", ErrDisabled},
		{"a path", "../etc", "192.0.2.1", ErrName},
		{"a path of Windows", `..\etc`, "192.0.2.1", ErrName},
		{"dots", "..", "192.0.2.1", ErrName},
		{"dot", ".", "192.0.2.1", ErrName},
		{"mark", "%u", "192.0.2.1", ErrName},
		{"the name of a table", "anonymous", "10.0.0.1", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var from netip.Addr
			if tt.from != "" {
				from = netip.MustParseAddr(tt.from)
			}
			s, err := b.Login(tt.user, from)
			if !errors.Is(err, tt.err) || (s == nil) != (err != nil) {
				t.Fatalf("Login(%q, %s) = %v, %v, want %v", tt.user, tt.from, s, err, tt.err)
			}
			if s == nil {
				return
			}
			defer s.Close()
			if s.user.name != tt.user || s.Root() == "" {
				t.Errorf("session of %q in %q", s.user.name, s.Root())
			}
		})
	}
	if _, err := b.LoginAnonymous(home); !errors.Is(err, ErrNetwork) {
		t.Errorf("LoginAnonymous(%v) = %v, want %v", home, err, ErrNetwork)
	}
	s, err := b.LoginAnonymous(netip.MustParseAddr("192.0.2.7"))
	if err != nil || s.user.name != "" || s.Root() != "/pub" {
		t.Fatalf("LoginAnonymous() = %v, %v", s, err)
	}
	s.Close()
	if len(b.users) != 0 || len(b.usage.roots) != 0 {
		t.Errorf("%d users and %d roots are left without a session", len(b.users), len(b.usage.roots))
	}
}

func TestWithoutFile(t *testing.T) {
	b, err := Open(Options{Users: Account{Root: "/srv", Permissions: All}, Anonymous: Account{Root: "/pub", Permissions: Read}})
	if err != nil {
		t.Fatal(err)
	}
	s := login(t, b, "%u")
	if s.Root() != "/srv" || !s.MayDelete("/x") {
		t.Errorf("session in %q with %v", s.Root(), s.user.account.Load().Permissions)
	}
	if err := b.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	if roots := b.WritableRoots(); len(roots) != 1 || roots[0] != "/srv" {
		t.Errorf("WritableRoots() = %q", roots)
	}
}

func TestMaxSessions(t *testing.T) {
	b := book(t, "[users.alice]\nmax-sessions = 3\n", Options{})
	var mu sync.Mutex
	var open []*Session
	var work sync.WaitGroup
	for range 20 {
		work.Go(func() {
			s, err := b.Login("alice", home)
			if err != nil {
				if !errors.Is(err, ErrSessions) {
					t.Errorf("Login() = %v", err)
				}
				return
			}
			mu.Lock()
			defer mu.Unlock()
			open = append(open, s)
		})
	}
	work.Wait()
	if len(open) != 3 {
		t.Fatalf("%d sessions, want 3", len(open))
	}
	login(t, b, "bob")
	open[0].Close()
	open[0].Close()
	login(t, b, "alice")
	if _, err := b.Login("alice", home); !errors.Is(err, ErrSessions) {
		t.Errorf("Login() after a session was closed twice = %v, want %v", err, ErrSessions)
	}
	open[1].Close()
	open[2].Close()
}

func TestReload(t *testing.T) {
	b := book(t, "[users.alice]\nroot = \"/one\"\npermissions = \"all\"\nupload-bandwidth = 10\n", Options{})
	s := login(t, b, "alice")
	change := func(text string) error {
		t.Helper()
		if err := os.WriteFile(b.opts.Path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return b.Reload(t.Context())
	}
	if err := change("[users.alice]\npermissions = \"al\"\n"); err == nil || !s.MayDelete("/x") || s.user.up.rate.Load() != 10 {
		t.Errorf("Reload() = %v, want an error and the rights as they were", err)
	}
	if err := change("[users.alice]\nroot = \"/two\"\npermissions = \"read-only\"\nupload-bandwidth = 20\n"); err != nil {
		t.Fatal(err)
	}
	if s.MayDelete("/x") || !s.MayDownload("/x") || s.user.up.rate.Load() != 20 || s.user.down.rate.Load() != 0 || s.Root() != "/one" {
		t.Errorf("after Reload(): %+v in %q", s.user.account.Load(), s.Root())
	}
	if s := login(t, b, "alice"); s.Root() != "/two" {
		t.Errorf("a new session is in %q, want /two", s.Root())
	}
	if err := change("[users.alice]\nenabled = false\npermissions = \"all\"\n[users.alice.paths]\n\"/x\" = \"all\"\n"); err != nil {
		t.Fatal(err)
	}
	if s.MayDelete("/y") || s.MayList("/x") || s.MayStat("/x/y") || s.MayRename("/a", "/b", false) {
		t.Error("a disabled user has rights still")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Reload(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Reload() with an ended context = %v", err)
	}
}

func TestRights(t *testing.T) {
	b := book(t, `
[users.alice]
permissions = "all"
[users.alice.paths]
"/archive" = "read-only"
"/incoming" = ["create", "rename"]
"/incoming/mine" = ["overwrite", "delete", "mkdir"]
"/in" = "none"
[users.bob]
permissions = ["download"]
[users.carol]
permissions = ["rename"]
`, Options{})
	alice, bob, carol := login(t, b, "alice"), login(t, b, "bob"), login(t, b, "carol")
	tests := []struct {
		name string
		got  bool
		want bool
	}{
		{"list the root", alice.MayList("/"), true},
		{"list nothing", alice.MayList(""), true},
		{"list a directory that has a rule", alice.MayList("/incoming"), false},
		{"list below", alice.MayList("/incoming/a/b"), false},
		{"list another that begins alike", alice.MayList("/incoming2"), true},
		{"list one whose name is the beginning", alice.MayList("/in"), false},
		{"list with dots", alice.MayList("/x/../incoming/./"), false},
		{"list without a slash", alice.MayList("incoming"), false},
		{"list above the root", alice.MayList("/../../incoming"), false},
		{"see the directory itself", alice.MayStat("/incoming"), true},
		{"see what is in it", alice.MayStat("/incoming/x"), false},
		{"see what may be resumed", alice.MayStat("/incoming/mine/x"), true},
		{"see what may be fetched", bob.MayStat("/x"), true},
		{"see what may be renamed only", carol.MayStat("/x"), false},
		{"fetch", alice.MayDownload("/archive/x"), true},
		{"fetch what was dropped", alice.MayDownload("/incoming/x"), false},
		{"fetch without listing", bob.MayDownload("/x") && !bob.MayList("/"), true},
		{"drop", alice.MayUpload("/incoming/x", false), true},
		{"overwrite what was dropped", alice.MayUpload("/incoming/x", true), false},
		{"overwrite only", alice.MayUpload("/incoming/mine/x", true) && !alice.MayUpload("/incoming/mine/x", false), true},
		{"upload to the archive", alice.MayUpload("/archive/x", false), false},
		{"upload a file of the directory's name", alice.MayUpload("/archive", false), true},
		{"time", alice.MaySetTime("/x"), true},
		{"time in the archive", alice.MaySetTime("/archive/x"), false},
		{"delete", alice.MayDelete("/x"), true},
		{"delete in the archive", alice.MayDelete("/archive/x"), false},
		{"delete below the archive", alice.MayDelete("/archive/a/b/c"), false},
		{"mkdir", alice.MayMkdir("/x"), true},
		{"mkdir in the archive", alice.MayMkdir("/archive/x"), false},
		{"mkdir in a deeper one", alice.MayMkdir("/incoming/mine/x/y"), true},
		{"rename", alice.MayRename("/x", "/y", false), true},
		{"rename over a file", alice.MayRename("/x", "/y", true), true},
		{"rename over a file without overwrite", carol.MayRename("/x", "/y", false) && !carol.MayRename("/x", "/y", true), true},
		{"rename out of the archive", alice.MayRename("/archive/x", "/x", false), false},
		{"rename into the archive", alice.MayRename("/x", "/archive/x", false), false},
		{"rename the archive", alice.MayRename("/archive", "/x", false), false},
		{"rename something to the archive", alice.MayRename("/x", "/archive/", false), false},
		{"rename what has a rule below", alice.MayRename("/incoming", "/x", false), false},
		{"rename the root", alice.MayRename("/", "/x", false), false},
		{"rename a neighbour", alice.MayRename("/archive2", "/x", false), true},
		{"rename into a directory with that right", alice.MayRename("/x", "/incoming/x", false), true},
		{"rename what has a rule", alice.MayRename("/incoming/mine", "/incoming/yours", false), false},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, tt.got, tt.want)
		}
	}
}

func TestPermissionsString(t *testing.T) {
	for p, want := range map[Permissions]string{
		None: "none", Read: "read-only", All: "all", Download: "download", Write: "create,overwrite",
		Read | Write | Mkdir: "list,download,create,overwrite,mkdir",
	} {
		if got := p.String(); got != want {
			t.Errorf("String() of %b = %q, want %q", uint8(p), got, want)
		}
	}
}
