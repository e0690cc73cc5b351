package cmd

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/gtwistd/gtwistd/internal/certs"
	"github.com/gtwistd/gtwistd/plugins"
)

const joe = "joe:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n" // secret

func testRunner() *runner {
	return &runner{certs: certs.New(certs.Options{}), hashing: newHashing(), logs: &logs{}, opts: newOptions()}
}

// TestUsersAreNotHandedOut says that a password file is private under the names by which a service may find it, also when
// a link leads to another one after a reload.
func TestUsersAreNotHandedOut(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	for _, name := range []string{"one", "two"} {
		if err := os.WriteFile(name, []byte(joe), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := func(name string) {
		_ = os.Remove("users")
		if err := os.Symlink(name, "users"); err != nil {
			t.Skip(err)
		}
	}
	link("one")
	r := testRunner()
	users, err := r.users("users")
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := users.Verify(t.Context(), "joe", "secret"); !ok || err != nil {
		t.Errorf("Verify() = %v, %v, want joe to be let in", ok, err)
	}
	for name, want := range map[string]bool{"users": true, "one": true, "two": false} {
		if got := r.private(filepath.Join(dir, name)); got != want {
			t.Errorf("private(%s) = %v, want %v", name, got, want)
		}
	}
	link("two")
	if err := users.Reload(t.Context()); err != nil || !r.private(filepath.Join(dir, "two")) {
		t.Errorf("after Reload() = %v, two is not private", err)
	}
}

// TestPrivateBelow says where the program's own files may be, also as seen from behind a chroot.
func TestPrivateBelow(t *testing.T) {
	r := testRunner()
	r.ownFiles = []string{"/srv/run/gtwistd.pid"}
	r.secrets.Add("/srv/etc/pw")
	for path, want := range map[string]string{
		"/": "/srv/etc/pw", "/srv/etc": "/srv/etc/pw", "/srv/etc/pw": "/srv/etc/pw", "/srv/run": "/srv/run/gtwistd.pid", "/etc": "", "/srv/pub": "",
	} {
		if got := r.privateBelow(path); got != want {
			t.Errorf("privateBelow(%s) = %q, want %q", path, got, want)
		}
	}
	r.jail = "/srv"
	r.secrets.Add("/inside/pw")
	for path, want := range map[string]bool{
		"/etc": true, "/etc/pw": true, "/srv/etc/pw": true, "/srv/inside/pw": true, "/inside": true, "/pub": false, "/srv/pub": false,
	} {
		if got := r.privateBelow(path) != ""; got != want {
			t.Errorf("chrooted, privateBelow(%s) = %v, want %v", path, got, want)
		}
		if filepath.Base(path) == "pw" && !r.private(path) {
			t.Errorf("chrooted, private(%s) = false", path)
		}
	}
}

// TestUsersBehindChroot says what may be the matter with a file that was there.
func TestUsersBehindChroot(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, chroot := range []string{"", "/"} {
		if err := os.WriteFile("users", []byte(joe), 0o600); err != nil {
			t.Fatal(err)
		}
		r := testRunner()
		r.opts.chroot = chroot
		users, err := r.users("users")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove("users"); err != nil {
			t.Fatal(err)
		}
		err = users.Reload(t.Context())
		if !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "after --chroot") != (chroot != "") {
			t.Errorf("--chroot %q: Reload() = %v", chroot, err)
		}
		if ok, err := users.Verify(t.Context(), "joe", "secret"); !ok || err != nil {
			t.Errorf("Verify() = %v, %v, want joe as before", ok, err)
		}
	}
}

func TestUsersErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("users", []byte("joe:secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	users, err := testRunner().users("users")
	if users != nil || err == nil || !strings.Contains(err.Error(), `users:1: the password of "joe" is plain text`) ||
		!strings.Contains(hintOf(err), "gtwistd hash-password") {
		t.Errorf("users() = %v, %v (%s), want an error and a hint", users, err, hintOf(err))
	}
}

// TestGuessersWaitForEachOther says that processors are left over, and that a queue that is full is ErrFull.
func TestGuessersWaitForEachOther(t *testing.T) {
	hashing := newHashing()
	slots := max(runtime.GOMAXPROCS(0)/2, 1)
	do := servicePool{hashing}.Do
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	var guessers sync.WaitGroup
	for range slots {
		running := make(chan struct{})
		guessers.Go(func() {
			_ = do(ctx, func() error { close(running); <-release; return nil })
		})
		<-running
	}
	refused := make(chan error, 1)
	for range slots*32 + 1 { // the last one in finds no place
		guessers.Go(func() {
			if err := do(ctx, func() error { return nil }); errors.Is(err, plugins.ErrFull) {
				refused <- err
			}
		})
	}
	<-refused
	cancel()
	close(release)
	guessers.Wait()
}
