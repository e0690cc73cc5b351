package ftp_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

// patience is how long these tests wait for what must come.
const patience = 30 * time.Second

// hooked is a pool that calls before and after each call of the service; nil is nothing.
type hooked struct {
	plugins.Pool
	before func(context.Context) error
	after  func()
}

func (h *hooked) Do(ctx context.Context, fn func() error) error {
	if h.before != nil {
		if err := h.before(ctx); err != nil {
			return err
		}
	}
	err := h.Pool.Do(ctx, fn)
	if h.after != nil {
		h.after()
	}
	return err
}

// launch is start for a test that stops the service itself.
func launch(t *testing.T, host *plugintest.Host, args ...string) (svc plugins.Service, stop func(), wait func()) {
	t.Helper()
	svc, err := makeService(t, host, append([]string{"--listen", anyPort}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	done := make(chan error, 1)
	go func() { done <- svc.Serve(ctx) }()
	return svc, stop, func() {
		t.Helper()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Serve() = %v", err)
			}
		case <-time.After(patience):
			t.Errorf("Serve does not return; the log is\n%s", host.Log())
		}
	}
}

// enterAt logs in anonymously.
func enterAt(t *testing.T, addr net.Addr) *raw {
	t.Helper()
	c := dial(t, addr)
	c.want("220")
	c.do("USER ftp", "331")
	c.do("PASS x", "230")
	return c
}

// until waits for a condition that nobody tells of.
func until(t *testing.T, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !met(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after %v", what, patience)
		}
	}
}

// TestSessionLeavesOnce lets a client go while its file is opened: the library's goroutine comes back to a session that has
// ended. Once, it left a second time, and the server could not stop.
func TestSessionLeavesOnce(t *testing.T) {
	for _, line := range []string{"STOR new", "RETR a.txt", "LIST"} {
		t.Run(line, func(t *testing.T) {
			host := plugintest.NewHost(t, "ftp")
			var slow atomic.Bool
			opened, goOn := make(chan struct{}), make(chan struct{})
			host.Env.Pool = &hooked{Pool: host.Env.Pool, after: func() {
				if slow.CompareAndSwap(true, false) {
					close(opened)
					<-goOn
				}
			}}
			_, stop, wait := launch(t, host, "--root", directory(t, map[string]string{"a.txt": "a"}), "--writable")
			c := enterAt(t, host.Addrs()[0])
			c.do("EPSV", "229")
			slow.Store(true)
			c.send(line)
			<-opened
			_ = c.conn.Close()
			until(t, "the session ends", func() bool { return strings.Contains(host.Log(), "client gone") })
			passed := time.NewTimer(100 * time.Millisecond) // for what must not happen
			<-passed.C
			close(goOn)
			stop()
			wait()
			if log := host.Log(); strings.Contains(log, "negative") || strings.Contains(log, "internal error") {
				t.Errorf("the log has\n%s", log)
			}
		})
	}
}

// huge makes a file whose sum takes longer than any test.
func huge(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "huge"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(1 << 40); err != nil {
		t.Skip(err)
	}
	return dir
}

func TestSumEndsWithTheConnection(t *testing.T) {
	dir := huge(t)
	tests := []struct {
		name string
		end  func(c *raw, srv *plugintest.Server) error
	}{
		{"at the end of the grace period", func(c *raw, srv *plugintest.Server) error {
			c.send("XSHA512 huge")
			return srv.Stop()
		}},
		{"when the client goes", func(c *raw, srv *plugintest.Server) error {
			c.send("XSHA512 huge\r\nXSHA512 huge\r\nXMD5 huge")
			_ = c.conn.Close()
			srv.Drain()
			return srv.Wait()
		}},
		{"when the runner closes the connection", func(c *raw, srv *plugintest.Server) error {
			c.send("XSHA512 huge")
			srv.Drain()
			for { // no 421, as after a second signal to a service that cannot say it
				srv.CloseConns()
				if _, err := c.r.ReadByte(); err != nil {
					return srv.Wait()
				}
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir)
			c := anonymous(t, srv)
			if err := tt.end(c, srv); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestClientGoesWhileTheDiskIsBusy says that a command that waits for the pool ends with the client, and that this is no failure
// of a file.
func TestClientGoesWhileTheDiskIsBusy(t *testing.T) {
	for _, line := range []string{"MKD new", "SIZE a.txt", "RETR a.txt", "LIST", "NOOP\r\nRETR a.txt" + strings.Repeat("\r\nNOOP", 100)} {
		t.Run(line[:4], func(t *testing.T) {
			host := plugintest.NewHost(t, "ftp")
			var busy atomic.Bool
			waiting := make(chan struct{}, 100)
			host.Env.Pool = &hooked{Pool: host.Env.Pool, before: func(ctx context.Context) error {
				if busy.Load() {
					waiting <- struct{}{}
					<-ctx.Done()
				}
				return ctx.Err()
			}}
			_, stop, wait := launch(t, host, "--root", directory(t, map[string]string{"a.txt": "a"}), "--writable")
			c := enterAt(t, host.Addrs()[0])
			c.do("EPSV", "229")
			busy.Store(true)
			c.send(line)
			<-waiting
			_ = c.conn.Close()
			until(t, "the session ends", func() bool { return strings.Contains(host.Log(), "client gone") })
			stop()
			wait()
			if log := host.Log(); strings.Contains(log, "cannot be served") || strings.Contains(log, "canceled") {
				t.Errorf("the log has\n%s", log)
			}
		})
	}
}

// TestStopDoesNotWaitForAbsentClients says that a transfer for which nobody connects does not hold up a stop.
func TestStopDoesNotWaitForAbsentClients(t *testing.T) {
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", directory(t, map[string]string{"a.txt": "a"}))
	c := anonymous(t, srv)
	c.do("EPSV", "229")
	c.send("RETR a.txt\r\nNOOP")
	until(t, "the transfer", func() bool {
		return slices.ContainsFunc(srv.Service.(plugins.Reporter).Report(), func(a slog.Attr) bool { return a.Key == "transfers" })
	})
	srv.Drain()
	c.want("425 There was no data connection.")
	c.want("421 The server stops.")
	c.gone()
	if err := srv.Wait(); err != nil {
		t.Error(err)
	}
}

// TestFarewell says that each client hears 421 at the end of the grace period, whatever it does.
func TestFarewell(t *testing.T) {
	dir := t.TempDir()
	sparse(t, dir, "large")
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable", "--tls", "allow")
	var all []*raw
	for _, line := range []string{"RETR large", "STOR new", "LIST", "STOR over TLS"} {
		c := dial(t, srv.Addrs()[0])
		c.want("220")
		if strings.HasSuffix(line, "TLS") {
			c.startTLS(trusting())
		}
		c.do("USER ftp", "331")
		c.do("PASS x", "230")
		if line == "LIST" {
			c.do("EPSV", "229") // waits for a connection
			c.send(line)
		} else {
			_ = c.pasv()
			c.do(line, "150")
		}
		all = append(all, c)
	}
	if err := srv.Stop(); err != nil {
		t.Error(err)
	}
	for _, c := range all {
		c.want("421 The server stops.")
	}
	if _, err := os.Stat(filepath.Join(dir, "new")); err == nil {
		t.Error("a broken upload has its name")
	}
}

// TestProtectedFromNowOn says that PROT counts for the next data connection, whenever its port was made known.
func TestProtectedFromNowOn(t *testing.T) {
	const secret = "s3cret-c0ntent"
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", directory(t, map[string]string{"a.txt": secret}), "--tls", "require")
	config := trusting()
	in := func() *raw {
		c := dial(t, srv.Addrs()[0])
		c.want("220")
		c.startTLS(config)
		c.do("USER ftp", "331")
		c.do("PASS x", "230")
		return c
	}
	passive, active := in(), in()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	active.do(fmt.Sprintf("EPRT |1|127.0.0.1|%d|", ln.Addr().(*net.TCPAddr).Port), "200")
	data := passive.epsv()
	for _, c := range []*raw{passive, active} {
		c.do("PBSZ 0", "200")
		c.do("PROT P", "200")
		c.send("RETR a.txt")
		if c == active {
			conn, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			data = conn.(*net.TCPConn)
		}
		c.want("150")
		_ = data.CloseWrite()
		if got, _ := io.ReadAll(data); strings.Contains(string(got), secret) {
			t.Errorf("%q in clear", got)
		}
		c.want("522")
	}
	data = passive.epsv()
	passive.do("RETR a.txt", "150")
	if got, err := io.ReadAll(tls.Client(data, config)); string(got) != secret || err != nil {
		t.Errorf("RETR = %q, %v", got, err)
	}
	passive.want("226")
	if log := srv.Log(); !strings.Contains(log, "tls=true result=complete") {
		t.Errorf("no encrypted transfer in\n%s", log)
	}
}

// TestRecordSaysWhatWasEncrypted is about commands under TLS and data in clear.
func TestRecordSaysWhatWasEncrypted(t *testing.T) {
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", directory(t, map[string]string{"a.txt": "a"}), "--tls", "allow")
	c := dial(t, srv.Addrs()[0])
	c.want("220")
	c.startTLS(trusting())
	c.do("USER ftp", "331")
	c.do("PASS x", "230")
	c.do("PROT P", "200")
	data := c.epsv()
	c.do("PROT C", "200")
	c.do("RETR a.txt", "150")
	if got, err := io.ReadAll(data); string(got) != "a" || err != nil {
		t.Errorf("RETR = %q, %v", got, err)
	}
	c.want("226")
	if log := srv.Log(); !strings.Contains(log, "tls=false result=complete") {
		t.Errorf("the transfer in clear is not in\n%s", log)
	}
}

// rangeOf finds n ports that are free, one after the other, and that no system gives away by itself.
func rangeOf(t *testing.T, n int) string {
	t.Helper()
	for range 100 {
		var all []net.Listener
		low := 20_000 + rand.IntN(10_000)
		for i := range n {
			l, err := net.Listen("tcp", fmt.Sprintf(":%d", low+i))
			if err != nil {
				break
			}
			all = append(all, l)
		}
		for _, l := range all {
			_ = l.Close()
		}
		if len(all) == n {
			return fmt.Sprintf("%d-%d", low, low+n-1)
		}
	}
	t.Fatalf("no %d free ports in a row", n)
	return ""
}

// TestPortsAllTaken says what is left when each port of the range waits for a client: an answer, active mode, and transfers,
// which need no port of the range as soon as they run.
func TestPortsAllTaken(t *testing.T) {
	const all = 3
	dir := directory(t, map[string]string{"a.txt": "0123456789"})
	sparse(t, dir, "large")
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--passive-ports", rangeOf(t, all))
	var holders []*raw
	ports := map[int]bool{}
	for range all {
		c := anonymous(t, srv)
		ports[c.passivePort("EPSV")] = true
		holders = append(holders, c)
	}
	if len(ports) != all {
		t.Fatalf("ports %v, want each of the range once", ports)
	}
	c := anonymous(t, srv)
	for _, verb := range []string{"EPSV", "PASV"} {
		c.do(verb, "425 No port is free")
	}
	c.do("NOOP", "200")
	c.do("RETR a.txt", "425 Send PASV, EPSV, PORT or EPRT first.")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	port := ln.Addr().(*net.TCPAddr).Port
	for _, line := range []string{fmt.Sprintf("EPRT |1|127.0.0.1|%d|", port), fmt.Sprintf("PORT 127,0,0,1,%d,%d", port>>8, port&0xff)} {
		c.do(line, "200")
		if got := receive(c, ln); got != "0123456789" {
			t.Errorf("%s: %q", line, got)
		}
	}
	_ = holders[0].epsv() // in the place of the one before
	holders[0].do("RETR large", "150")
	if got := fetch(c, c.epsv()); got != "0123456789" {
		t.Errorf("beside a transfer: %q", got)
	}
	if got := fetch(holders[1], holders[1].epsv()); got != "0123456789" {
		t.Errorf("by one that has a port: %q", got)
	}
	if got := c.get("RETR a.txt"); got != "0123456789" {
		t.Errorf("after a transfer: %q", got)
	}
}

// TestPortsComeBack says that a passive port for which nobody comes is free again, and that its session hears why.
func TestPortsComeBack(t *testing.T) {
	srv := plugintest.Start(t, ftp.Hasty(100*time.Millisecond), "--listen", anyPort, "--root", directory(t, map[string]string{"a.txt": "0123456789"}),
		"--passive-ports", rangeOf(t, 1))
	idle, waiting, c := anonymous(t, srv), anonymous(t, srv), anonymous(t, srv)
	idle.do("EPSV", "229")
	free := func() bool {
		waiting.send("EPSV")
		return strings.HasPrefix(waiting.answer(), "229")
	}
	until(t, "the port is free", free)
	waiting.do("RETR a.txt", "425 Nobody came to the data port for 100ms, and it was closed")
	idle.do("RETR a.txt", "425 Nobody came to the data port for 100ms, and it was closed")
	if got := fetch(c, c.epsv()); got != "0123456789" {
		t.Errorf("RETR = %q", got)
	}
	idle.do("NOOP", "200")
}

// TestNoPortLeaksOverIPv6 sends PASV to where it cannot be answered. The library alone would keep a port each time.
func TestNoPortLeaksOverIPv6(t *testing.T) {
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", `tcp6:0:interface=\:\:1`, "--root", directory(t, map[string]string{"a.txt": "0123456789"}),
		"--passive-ports", rangeOf(t, 2))
	c := anonymous(t, srv)
	for range 20 {
		c.do("PASV", "425")
	}
	for range 5 {
		c.do("EPSV", "229")
	}
	if got := fetch(c, c.epsv()); got != "0123456789" {
		t.Errorf("RETR = %q", got)
	}
}

// TestDeadClientsUpload ends both connections properly, as the system of a client that was killed does. The server is not there
// to hear it: it has as many commands as it takes.
func TestDeadClientsUpload(t *testing.T) {
	dir := t.TempDir()
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable")
	c := anonymous(t, srv)
	data := c.pasv()
	c.do("STOR new", "150")
	c.send(strings.TrimSuffix(strings.Repeat("NOOP\r\n", 70), "\r\n"))
	_, _ = io.WriteString(data, "the first half")
	_ = c.conn.Close()
	_ = data.Close()
	until(t, "a record", func() bool { return strings.Contains(srv.Log(), "msg=upload") })
	if log := srv.Log(); strings.Contains(log, "result=complete") {
		t.Errorf("half a file is complete in\n%s", log)
	}
	if _, err := os.Stat(filepath.Join(dir, "new")); err == nil {
		t.Error("half a file has the name of the whole")
	}
}

// TestAllocatedUpload says that an upload that ALLO has announced is as long as that, or has come to nothing yet.
func TestAllocatedUpload(t *testing.T) {
	dir := t.TempDir()
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable")
	c := anonymous(t, srv)
	c.do("ALLO 10", "200")
	data := c.pasv()
	c.do("STOR new", "150")
	_, _ = io.WriteString(data, "01234")
	_ = data.Close()
	c.want("426 Fewer bytes came than ALLO had said.")
	if _, err := os.Stat(filepath.Join(dir, "new")); err == nil {
		t.Error("half a file has the name of the whole")
	}
	c.do("ALLO 10", "200")
	c.do("REST 5", "350")
	c.put("STOR new", "56789")
	holds(t, "0123456789", dir, "new")
	c.put("STOR new", "x") // which nobody has announced
}

// TestHungLog says that a transfer whose record cannot be written holds up nobody else.
func TestHungLog(t *testing.T) {
	host := plugintest.NewHost(t, "ftp")
	hung := &hungWriter{begun: make(chan struct{}), end: make(chan struct{})}
	host.Env.AccessLog = func(string) (io.WriteCloser, error) { return hung, nil }
	_, stop, wait := launch(t, host, "--root", directory(t, map[string]string{"a.txt": "a"}), "--xferlog", filepath.Join(t.TempDir(), "log"))
	c, idle := enterAt(t, host.Addrs()[0]), enterAt(t, host.Addrs()[0])
	_ = c.pasv()
	c.do("RETR a.txt", "150")
	<-hung.begun
	stop()
	idle.want("421")
	idle.gone()
	close(hung.end)
	c.want("226")
	c.want("421")
	wait()
}

type hungWriter struct{ begun, end chan struct{} }

func (h *hungWriter) Write(p []byte) (int, error) {
	close(h.begun)
	<-h.end
	return len(p), nil
}

func (h *hungWriter) Close() error { return nil }

// TestSilentHandshakes says nothing where TLS should begin: on a data connection, and behind AUTH TLS.
func TestSilentHandshakes(t *testing.T) {
	srv := plugintest.Start(t, ftp.Hasty(200*time.Millisecond), "--listen", anyPort, "--root", directory(t, map[string]string{"a.txt": "a"}), "--tls", "allow")
	silent := dial(t, srv.Addrs()[0])
	silent.want("220")
	silent.do("AUTH TLS", "234")
	silent.gone()

	c := dial(t, srv.Addrs()[0])
	c.want("220")
	c.startTLS(trusting())
	c.do("USER ftp", "331")
	c.do("PASS x", "230")
	c.do("PROT P", "200")
	_ = c.epsv()
	c.do("RETR a.txt", "150")
	c.want("426")
	c.do("NOOP", "200")
}

// TestStopDuringHandshake says that who is silent behind AUTH TLS does not hold up a stop.
func TestStopDuringHandshake(t *testing.T) {
	srv := plugintest.Start(t, ftp.Hasty(time.Hour), "--listen", anyPort, "--root", t.TempDir(), "--tls", "allow", "--login-timeout", "1h")
	c := dial(t, srv.Addrs()[0])
	c.want("220")
	c.do("AUTH TLS", "234")
	srv.Drain()
	c.gone()
	if err := srv.Wait(); err != nil {
		t.Error(err)
	}
}
