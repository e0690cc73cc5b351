package ftp_test

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

const large = 64 << 20 // more than the buffers between two processes hold

// sparse makes a large file that takes no room.
func sparse(t testing.TB, dir, name string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(large); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestLimits(t *testing.T) {
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", t.TempDir(), "--max-clients", "3", "--max-clients-per-ip", "2")
	one, two := anonymous(t, srv), anonymous(t, srv)
	third := dial(t, srv.Addrs()[0])
	third.want("421 Too many connections from 127.0.0.1, 2 at most.")
	third.gone()
	other := anonymousFrom(t, "127.0.0.2", srv.Addrs()[0])
	fourth := connectFrom(t, "127.0.0.2", srv.Addrs()[0].String())
	if got, err := io.ReadAll(fourth); string(got) != "421 Too many clients, 3 at most; try again later.\r\n" || err != nil {
		t.Errorf("from another address: %q, %v", got, err)
	}
	for _, c := range []*raw{one, two, other} {
		c.do("NOOP", "200")
		c.do("QUIT", "221")
		c.gone()
	}
	ftp.AwaitNoSessions(srv.Service)
	for range 2 { // their places are free
		_ = anonymous(t, srv)
	}
}

func TestIdle(t *testing.T) {
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", t.TempDir(), "--idle-timeout", "100ms", "--login-timeout", "10s")
	c := anonymous(t, srv)
	c.want("421 No command for 100ms.")
	c.gone()
}

func TestNoLogin(t *testing.T) {
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", t.TempDir(), "--login-timeout", "100ms")
	c := dial(t, srv.Addrs()[0])
	c.want("220")
	c.want("421 No login for 100ms.")
	c.gone()
}

// TestStalled says that a transfer that nobody takes or sends ends, and the session goes on.
func TestStalled(t *testing.T) {
	dir := t.TempDir()
	sparse(t, dir, "large")
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable", "--stall-timeout", "100ms")
	c := anonymous(t, srv)
	for _, line := range []string{"RETR large", "STOR new", "RETR large"} {
		_ = c.pasv()
		c.do(line, "150")
		c.want("426 Nothing moved for 100ms")
	}
	c.do("SIZE new", "550")
	c.do("NOOP", "200")
	if names := c.get("NLST"); names != "large\r\n" {
		t.Errorf("NLST = %q", names)
	}
}

// TestSlowIsNotStalled takes a little of a file now and then.
func TestSlowIsNotStalled(t *testing.T) {
	dir := t.TempDir()
	sparse(t, dir, "large")
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--stall-timeout", "500ms")
	c, other := anonymous(t, srv), anonymous(t, srv)
	data := c.pasv()
	c.do("RETR large", "150")
	_ = other.pasv()
	other.do("RETR large", "150") // stalls: its end says that the time has passed
	stalled := make(chan string, 1)
	go func() {
		line, _ := other.r.ReadString('\n')
		stalled <- line
	}()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	total := int64(0)
	for over := false; !over; {
		select {
		case line := <-stalled:
			if over = true; !strings.HasPrefix(line, "426 Nothing moved") {
				t.Errorf("the other: %q", line)
			}
			continue
		case <-tick.C:
		}
		n, err := io.CopyN(io.Discard, data, 512<<10)
		total += n
		if err != nil {
			t.Fatalf("after %d bytes: %v", total, err)
		}
	}
	if n, err := io.Copy(io.Discard, data); total+n != large || err != nil {
		t.Errorf("RETR = %d bytes, %v", total+n, err)
	}
	c.want("226")
}

func TestAbort(t *testing.T) {
	dir := t.TempDir()
	sparse(t, dir, "large")
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable")
	c := anonymous(t, srv)
	data := c.pasv()
	c.do("RETR large", "150")
	c.do("STAT", "211-")
	c.do("ABOR", "426")
	c.want("226")
	_ = data.Close()

	data = c.pasv()
	c.do("STOR new", "150")
	if _, err := data.Write(bytes.Repeat([]byte("x"), 1000)); err != nil {
		t.Fatal(err)
	}
	c.do("ABOR", "426")
	c.want("226")
	c.do("MDTM new", "550")

	c.do("EPSV", "229") // nobody connects
	c.send("RETR large\r\nABOR")
	c.want("426")
	c.want("226")
	c.do("NOOP", "200")
	if names := c.get("NLST"); names != "large\r\n" {
		t.Errorf("NLST = %q", names)
	}
}

// TestBrokenUpload resets the connection, and goes on with what has come.
func TestBrokenUpload(t *testing.T) {
	dir := t.TempDir()
	const half = 300_000
	meter := newMeter(t)
	srv := plugintest.Start(t, ftp.Watched(meter.moved), "--listen", anyPort, "--root", dir, "--writable")
	c := anonymous(t, srv)
	for _, resume := range []string{"REST", "APPE"} {
		data := c.pasv()
		c.do("STOR new", "150")
		if _, err := data.Write(bytes.Repeat([]byte("a"), half)); err != nil {
			t.Fatal(err)
		}
		arrived := meter.await()
		_ = data.SetLinger(0)
		_ = data.Close()
		c.want("426 Data connection lost, transfer aborted.")
		if _, err := os.Stat(filepath.Join(dir, "new")); err == nil {
			t.Error("half a file has the name of the whole")
		}
		if names := c.get("NLST"); names != "" {
			t.Errorf("NLST = %q", names)
		}
		size := strings.TrimPrefix(c.do("SIZE new", "213"), "213 ")
		n, err := strconv.Atoi(size)
		if err != nil || n < arrived || n > half {
			t.Errorf("SIZE = %s of what was broken off, want from %d to %d", size, arrived, half)
		}
		if resume == "REST" {
			c.do("REST "+size, "350")
			c.put("STOR new", "the rest")
		} else {
			c.put("APPE new", "the rest")
		}
		meter.await()
		got, err := os.ReadFile(filepath.Join(dir, "new"))
		if err != nil || string(got) != strings.Repeat("a", n)+"the rest" {
			t.Errorf("%s: %d bytes, %v", resume, len(got), err)
		}
		c.do("DELE new", "250")
	}
	// Without SIZE, a new file begins empty; what nobody wants any more can be deleted.
	data := c.pasv()
	c.do("STOR new", "150")
	_, _ = data.Write(bytes.Repeat([]byte("a"), half))
	meter.await()
	c.do("ABOR", "426")
	c.want("226")
	c.do("REIN", "220") // comes after all that the transfer does
	fresh := anonymous(t, srv)
	fresh.put("APPE new", "fresh")
	if got, err := os.ReadFile(filepath.Join(dir, "new")); string(got) != "fresh" || err != nil {
		t.Errorf("APPE = %q, %v", got, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".gtwistd*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// meter hears how far transfers are.
type meter struct {
	t      testing.TB
	pieces chan int
}

func newMeter(t testing.TB) *meter { return &meter{t, make(chan int, 10_000)} }

func (m *meter) moved(_ bool, n int) {
	if n > 0 {
		m.pieces <- n
	}
}

// await waits for a piece, and returns how many bytes it has.
func (m *meter) await() int {
	m.t.Helper()
	select {
	case n := <-m.pieces:
		return n
	case <-time.After(time.Minute):
		m.t.Fatal("nothing moves")
		return 0
	}
}

// forget the pieces of transfers that have ended.
func (m *meter) forget() {
	for len(m.pieces) > 0 {
		<-m.pieces
	}
}

func TestTwoUploadsOfOneName(t *testing.T) {
	dir := directory(t, map[string]string{"f": "old"})
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable")
	one, two := anonymous(t, srv), anonymous(t, srv)
	data := one.pasv()
	one.do("STOR f", "150")
	two.put("STOR f", "second")
	if got := two.get("RETR f"); got != "second" {
		t.Errorf("RETR = %q", got)
	}
	_, _ = io.WriteString(data, "first, and last to end")
	_ = data.Close()
	one.want("226")
	if got := two.get("RETR f"); got != "first, and last to end" {
		t.Errorf("RETR = %q", got)
	}
}

func TestDirectUpload(t *testing.T) {
	dir := directory(t, map[string]string{"f": "old content"})
	meter := newMeter(t)
	srv := plugintest.Start(t, ftp.Watched(meter.moved), "--listen", anyPort, "--root", dir, "--writable", "--upload", "direct")
	c := anonymous(t, srv)
	c.put("STOR f", "new")
	c.put("APPE f", "er")
	c.do("REST 1", "350")
	c.put("STOR f", "OW")
	c.do("REST 100", "350")
	_ = c.pasv()
	c.do("STOR f", "554")
	if got := c.get("RETR f"); got != "nOWer" {
		t.Errorf("RETR = %q", got)
	}
	data := c.pasv()
	c.do("STOR g", "150")
	meter.forget()
	_, _ = io.WriteString(data, "half")
	meter.await()
	c.do("ABOR", "426")
	c.want("226")
	c.do("SIZE g", "213 4")
}

// TestStopWithTransfer says that a stop lets a transfer end, tells idle clients, and lets nobody else in.
func TestStopWithTransfer(t *testing.T) {
	dir := t.TempDir()
	sparse(t, dir, "large")
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir)
	busy, idle, fresh := anonymous(t, srv), anonymous(t, srv), dial(t, srv.Addrs()[0])
	fresh.want("220")
	data := busy.pasv()
	busy.do("RETR large", "150")
	srv.Drain()
	idle.want("421 The server stops.")
	idle.gone()
	fresh.want("421")
	if n, err := io.Copy(io.Discard, data); n != large || err != nil {
		t.Errorf("RETR = %d bytes, %v", n, err)
	}
	busy.want("226")
	busy.want("421 The server stops.")
	busy.gone()
	if err := srv.Wait(); err != nil {
		t.Error(err)
	}
}

// TestGraceEnds says that what is left after the grace period does not keep the service.
func TestGraceEnds(t *testing.T) {
	dir := t.TempDir()
	sparse(t, dir, "large")
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable")
	for _, line := range []string{"RETR large", "STOR new", "LIST"} {
		c := anonymous(t, srv)
		if line == "LIST" {
			c.do("EPSV", "229") // waits for a connection
			c.send(line)
			continue
		}
		_ = c.pasv()
		c.do(line, "150")
	}
	if err := srv.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "new")); err == nil {
		t.Error("a broken upload has its name")
	}
}

// TestClientsVanish says that nothing is left of clients that go without a word.
func TestClientsVanish(t *testing.T) {
	dir := t.TempDir()
	sparse(t, dir, "large")
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable")
	var all sync.WaitGroup
	for i := range 30 {
		c := anonymous(t, srv)
		all.Go(func() {
			if i%3 > 0 {
				_ = c.pasv()
				c.do([]string{"", "RETR large", "STOR new"}[i%3], "150")
			}
			_ = c.conn.(*net.TCPConn).SetLinger(0)
			_ = c.conn.Close()
		})
	}
	all.Wait()
	srv.Drain()
	if err := srv.Wait(); err != nil {
		t.Error(err)
	}
}
