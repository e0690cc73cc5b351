package ftp_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

// handles counts the descriptors of this process that are of a directory.
func handles(t *testing.T, dir string) (n int) {
	t.Helper()
	found, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range found {
		if target, err := os.Readlink(fd); err == nil && target == dir {
			n++
		}
	}
	return n
}

// awaitHandles waits until there are so many.
func awaitHandles(t *testing.T, dir string, want int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if handles(t, dir) == want {
			return
		}
	}
	t.Fatalf("%d descriptors of %s, want %d", handles(t, dir), dir, want)
}

// TestSharedRoots says that sessions share the directories that they have, and that the last one closes them.
func TestSharedRoots(t *testing.T) {
	dir := directory(t, map[string]string{"main/": "", "alice/": "", "next/": ""})
	main, alice, next, link := filepath.Join(dir, "main"), filepath.Join(dir, "alice"), filepath.Join(dir, "next"), filepath.Join(dir, "link")
	if err := os.Symlink("main", link); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "users.toml")
	write(t, file, "[users.alice]\nroot = \""+alice+"\"\n")
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", link, "--users", file, "--auth", passwords(t, "alice"))
	guests, members := []*raw{anonymous(t, srv), anonymous(t, srv)}, []*raw{enter(t, srv, "alice", password, "230"), enter(t, srv, "alice", password, "230")}
	for _, of := range []string{main, alice} {
		if n := handles(t, of); n != 1 {
			t.Errorf("%d descriptors of %s, want 1", n, of)
		}
	}
	leave := func(c *raw) {
		c.do("QUIT", "221")
		c.gone()
	}
	leave(members[0])
	members[1].get("NLST")
	leave(members[1])
	awaitHandles(t, alice, 0)

	// A name may be that of another directory, for whoever comes next.
	if err := os.Rename(alice, alice+".old"); err != nil {
		t.Fatal(err)
	}
	write(t, file, "[users.alice]\nroot = \""+next+"\"\n")
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("next", link); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := reload(t, srv); err != nil {
			t.Fatal(err)
		}
	}
	if n, m := handles(t, main), handles(t, next); n != 1 || m != 1 {
		t.Errorf("%d and %d descriptors of the old and the new root, want 1 and 1", n, m)
	}
	for _, c := range guests {
		c.get("NLST")
		leave(c)
	}
	awaitHandles(t, main, 0)
	if err := srv.Stop(); err != nil {
		t.Error(err)
	}
	awaitHandles(t, next, 0)
}

// TestRootIsAnother says that whoever logs in has the directory that has the name now, while somebody else still has the one before.
func TestRootIsAnother(t *testing.T) {
	dir := directory(t, map[string]string{"alice/one": ""})
	file := filepath.Join(t.TempDir(), "users.toml")
	write(t, file, "[users.alice]\nroot = \""+filepath.Join(dir, "alice")+"\"\n")
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--users", file, "--auth", passwords(t, "alice"))
	before := enter(t, srv, "alice", password, "230")
	if err := os.Rename(filepath.Join(dir, "alice"), filepath.Join(dir, "old")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "alice"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "alice", "two"), "")
	after := enter(t, srv, "alice", password, "230")
	if one, two := before.get("NLST"), after.get("NLST"); one != "one\r\n" || two != "two\r\n" {
		t.Errorf("NLST = %q and %q, want one and two", one, two)
	}
}
