package ftp_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

// breakOff begins an upload to a directory and resets its connection when all of it is there.
func breakOff(t *testing.T, c *raw, dir, line, content string) {
	t.Helper()
	data := begin(t, c, line, content)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		for _, part := range parts(t, dir) {
			if got, err := os.ReadFile(part); err == nil && string(got) == content {
				_ = data.SetLinger(0)
				end(c, data, "426")
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: nothing arrives", line)
		}
	}
}

// parts are the unfinished uploads in a directory.
func parts(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, ".gtwistd-*.part"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestNoOverwrite says that a name belongs to the first who ends an upload, if the others may only create.
func TestNoOverwrite(t *testing.T) {
	srv, dir, _ := withAlice(t, "permissions = [\"list\", \"create\"]\n[users.bob]\npermissions = \"all\"\n")
	alice, bob := enter(t, srv, "alice", password, "230"), enter(t, srv, "bob", password, "230")
	data := begin(t, alice, "STOR report.pdf", "alice's")
	bob.put("STOR report.pdf", "bob's")
	end(alice, data, "553 Somebody else has uploaded a file of that name meanwhile.")
	holds(t, "bob's", dir, "report.pdf")

	first, second := begin(t, alice, "STOR new", "first"), begin(t, bob, "STOR new", "second")
	end(alice, first, "226")
	end(bob, second, "226") // who may
	holds(t, "second", dir, "new")
	if left := parts(t, dir); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if got := alice.get("NLST"); got != "new\r\nreport.pdf\r\n" {
		t.Errorf("NLST = %q", got)
	}
}

// TestPartsHaveOwners says that nobody finds the unfinished uploads of others, nor one of another file.
func TestPartsHaveOwners(t *testing.T) {
	srv, dir, _ := withAlice(t, "")
	alice, bob := enter(t, srv, "alice", password, "230"), enter(t, srv, "bob", password, "230")
	long := strings.Repeat("L", 250)
	sum := sha256.Sum256([]byte(long))
	for _, name := range []string{"x", long} {
		breakOff(t, alice, dir, "STOR "+name, "alice's half")
		for _, c := range []*raw{bob, anonymous(t, srv)} {
			c.do("SIZE "+name, "550")
			c.do("DELE "+name, "550")
		}
		bob.do("REST 12", "350")
		_ = bob.pasv()
		bob.do("STOR "+name, "554")
		alice.do("SIZE "+hex.EncodeToString(sum[:]), "550")
		bob.put("STOR "+name, "bob's")
		bob.do("DELE "+name, "250")
		again := enter(t, srv, "alice", password, "230")
		again.do("SIZE "+name, "213 12")
		again.do("REST 12", "350")
		again.put("STOR "+name, ", and the rest")
		holds(t, "alice's half, and the rest", dir, name)
	}
	if left := parts(t, dir); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestDirectoriesSwapped says that an upload does not become what is in a directory that took the place of its own.
func TestDirectoriesSwapped(t *testing.T) {
	srv, dir, _ := withAlice(t, "")
	a, b := enter(t, srv, "alice", password, "230"), enter(t, srv, "alice", password, "230")
	swap := func() {
		for _, names := range [][2]string{{"d1", "d2"}, {"d3", "d1"}} {
			b.do("RNFR "+names[0], "350")
			b.do("RNTO "+names[1], "250")
		}
	}
	a.do("MKD d1", "257")
	a.do("MKD d3", "257")
	breakOff(t, b, filepath.Join(dir, "d3"), "STOR d3/x", "evil")
	data := begin(t, a, "STOR d1/x", "good")
	swap()
	end(a, data, "451 The directory was moved or removed meanwhile.")
	if _, err := os.Lstat(filepath.Join(dir, "d1", "x")); err == nil {
		t.Error("the other's part has the name")
	}
	a.do("SIZE d2/x", "213 4") // it can be taken up there
	a.do("SIZE d1/x", "213 4")

	// What comes to nothing does not take another's part with it.
	b.do("RNFR d2", "350")
	b.do("RNTO d3", "250")
	a.do("DELE d3/x", "250")
	data = begin(t, a, "STOR d3/x", "")
	for _, names := range [][2]string{{"d3", "d4"}, {"d1", "d3"}} {
		b.do("RNFR "+names[0], "350")
		b.do("RNTO "+names[1], "250")
	}
	_ = data.SetLinger(0)
	end(a, data, "426")
	a.do("SIZE d3/x", "213 4")
}

// TestRightsEnd says that an upload comes to nothing if its user may not any more.
func TestRightsEnd(t *testing.T) {
	for _, tt := range []struct{ name, line, mode, table string }{
		{"disabled", "STOR new", "atomic", "enabled = false\n"},
		{"read-only", "STOR new", "atomic", "permissions = \"read-only\"\n"},
		{"no overwriting", "STOR old", "atomic", "permissions = [\"create\"]\n"},
		{"no overwriting in place", "APPE old", "atomic", "permissions = [\"create\"]\n"},
		{"directly", "STOR new", "direct", "permissions = \"read-only\"\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, more := range []string{"", "more"} {
				srv, dir, file := withAlice(t, "", "--upload", tt.mode)
				c := enter(t, srv, "alice", password, "230")
				c.put("STOR old", "old")
				if more == "" && tt.mode+tt.line != "atomicSTOR new" {
					continue // there is nothing to be kept from
				}
				data := begin(t, c, tt.line, "")
				write(t, file, "[users.alice]\n"+tt.table)
				if err := srv.Service.(plugins.Reloader).Reload(t.Context()); err != nil {
					t.Fatal(err)
				}
				_, _ = data.Write([]byte(more))
				end(c, data, "550 Permission denied.")
				holds(t, "old", dir, "old")
				if info, err := os.Stat(filepath.Join(dir, "new")); err == nil && (tt.mode == "atomic" || info.Size() > 0) {
					t.Errorf("the upload has its name and %d bytes", info.Size())
				}
			}
		})
	}
}

// TestKilledBetweenNames says that a part that is the file already, as a kill left it, is not written any more.
func TestKilledBetweenNames(t *testing.T) {
	srv, dir, _ := withAlice(t, "quota = 1000\n")
	c := enter(t, srv, "alice", password, "230")
	breakOff(t, c, dir, "STOR x", strings.Repeat("o", 300))
	if err := os.Link(parts(t, dir)[0], filepath.Join(dir, "x")); err != nil {
		t.Skip(err)
	}
	data := begin(t, c, "STOR x", "new")
	holds(t, strings.Repeat("o", 300), dir, "x")
	end(c, data, "226")
	holds(t, "new", dir, "x")
}

// TestSweep says that what a kill leaves does not stay for ever, and that nothing else goes.
func TestSweep(t *testing.T) {
	srv, dir, _ := withAlice(t, "quota = 1000\n[users.bob]\npermissions = \"read-only\"\n")
	random := ".gtwistd-" + strings.Repeat("AB", 13) + ".part"
	old, young := ".gtwistd-old-0123.part", ".gtwistd-young-0123.part"
	for _, name := range []string{random, old, young} {
		write(t, filepath.Join(dir, name), strings.Repeat("x", 300))
	}
	long := time.Now().Add(-8 * 24 * time.Hour)
	if err := os.Chtimes(filepath.Join(dir, old), long, long); err != nil {
		t.Fatal(err)
	}
	a, b, c := enter(t, srv, "alice", password, "230"), enter(t, srv, "alice", password, "230"), enter(t, srv, "alice", password, "230")
	refused(t, c, "STOR rest", strings.Repeat("x", 200), "552")
	first, second := begin(t, a, "STOR x", "1"), begin(t, b, "STOR x", "2")
	if got := enter(t, srv, "bob", password, "230").get("NLST"); got != "" || len(parts(t, dir)) != 5 {
		t.Errorf("NLST = %q, then %q: who only reads removes nothing", got, parts(t, dir))
	}
	if got := c.get("MLSD"); got != "" {
		t.Errorf("MLSD = %q", got)
	}
	for name, want := range map[string]bool{random: false, old: false, young: true} {
		if _, err := os.Lstat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s: %v, want it there: %v", name, err, want)
		}
	}
	if log := srv.Log(); strings.Count(log, `msg="unfinished upload removed"`) != 2 {
		t.Errorf("not a record of each part:\n%s", log)
	}
	end(a, first, "226")
	end(b, second, "226")
	c.put("STOR rest", strings.Repeat("x", 699)) // and no more counts
	write(t, filepath.Join(dir, random), "x")
	c.do("SIZE x", "213 1")
	_ = c.get("MLSD")
	if _, err := os.Lstat(filepath.Join(dir, random)); err != nil {
		t.Errorf("the directory is looked at more than once an hour: %v", err)
	}
}

// TestAppendAfterDelete says that a part is forgotten with its end.
func TestAppendAfterDelete(t *testing.T) {
	dir := t.TempDir()
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable")
	c := anonymous(t, srv)
	breakOff(t, c, dir, "STOR new", "half")
	c.do("SIZE new", "213 4")
	c.do("DELE new", "250")
	c.put("APPE new", "whole")
	holds(t, "whole", dir, "new")
	c.do("DELE new", "250")
	breakOff(t, c, dir, "STOR new", "half")
	c.do("SIZE new", "213 4")
	c.put("STOR new", "another")
	c.do("DELE new", "250")
	c.put("APPE new", "whole")
	holds(t, "whole", dir, "new")
}

// TestReadOnlyReplaced says that an upload in the place of a file that its owner may not write can be taken up, too.
func TestReadOnlyReplaced(t *testing.T) {
	dir := directory(t, map[string]string{"f": "old"})
	if err := os.Chmod(filepath.Join(dir, "f"), 0o444); err != nil {
		t.Fatal(err)
	}
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable")
	c := anonymous(t, srv)
	breakOff(t, c, dir, "STOR f", "half")
	c.do("REST 4", "350")
	c.put("STOR f", " and half")
	holds(t, "half and half", dir, "f")
	if info, err := os.Stat(filepath.Join(dir, "f")); err != nil || info.Mode() != 0o444 {
		t.Errorf("%v, %v, want the mode of the old file", info.Mode(), err)
	}
}

// narrow is a pool with one slot, whose calls it counts.
type narrow struct {
	slot  chan struct{}
	calls atomic.Int64
	hold  atomic.Int64 // that call waits for the end of its client
}

func (n *narrow) Do(ctx context.Context, fn func() error) error {
	select {
	case n.slot <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-n.slot }()
	if n.calls.Add(1) == n.hold.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	return fn()
}

// TestOneSlot says that work that takes long keeps no slot of the pool for as long, and waits for none while it has one.
func TestOneSlot(t *testing.T) {
	const many = 2000
	dir := t.TempDir()
	sparse(t, dir, "large")
	for i := range many {
		write(t, filepath.Join(dir, fmt.Sprint(i)), "")
	}
	file := filepath.Join(t.TempDir(), "users.toml")
	write(t, file, "[anonymous]\nquota = \"1GiB\"\nmax-files = 100000\n")
	host, pool := plugintest.NewHost(t, "ftp"), &narrow{slot: make(chan struct{}, 1)}
	host.Env.Pool = pool
	addr := start(t, host, "--listen", anyPort, "--root", dir, "--writable", "--users", file)
	c := dial(t, addr)
	c.want("220")
	c.do("USER anonymous", "331")
	c.do("PASS x", "230")
	calls := func(fn func()) int64 {
		before := pool.calls.Load()
		fn()
		return pool.calls.Load() - before
	}
	if n := calls(func() { c.do("MKD d", "257") }); n < many/512 {
		t.Errorf("%d files were counted in %d calls", many, n)
	}
	n := calls(func() {
		c.do(fmt.Sprintf("REST %d", large-1), "350")
		c.put("STOR large", "the end")
	})
	if n < large/(16<<20) {
		t.Errorf("%d bytes were copied in %d calls", large, n)
	}
	if info, err := os.Stat(filepath.Join(dir, "large")); err != nil || info.Size() != large-1+int64(len("the end")) {
		t.Errorf("%v, %v", info.Size(), err)
	}
}

// TestCopyBrokenOff says that nothing is left of a copy whose client has gone.
func TestCopyBrokenOff(t *testing.T) {
	dir := t.TempDir()
	sparse(t, dir, "large")
	t.Cleanup(func() { // when the server has ended
		if left := parts(t, dir); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	})
	host, pool := plugintest.NewHost(t, "ftp"), &narrow{slot: make(chan struct{}, 1)}
	host.Env.Pool = pool
	c := dial(t, start(t, host, "--listen", anyPort, "--root", dir, "--writable"))
	c.want("220")
	c.do("USER anonymous", "331")
	c.do("PASS x", "230")
	c.do(fmt.Sprintf("REST %d", large-1), "350")
	_ = c.pasv()
	pool.hold.Store(pool.calls.Load() + 3) // the second piece
	c.send("STOR large")
	for pool.calls.Load() < pool.hold.Load() {
		time.Sleep(time.Millisecond)
	}
	_ = c.conn.Close()
}
