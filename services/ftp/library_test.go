package ftp_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

// What follows are defects of the library alone, each of which is cured from outside.

// TestKeepAlive sends NOOP during a transfer that takes longer than a session may be idle. With the library alone, nothing is
// answered any more afterwards.
func TestKeepAlive(t *testing.T) {
	dir := t.TempDir()
	sparse(t, dir, "large")
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--tls", "allow", "--writable", "--idle-timeout", "300ms")
	everyWay(t, srv, func(c *traveller) {
		name := "new-" + strings.ReplaceAll(c.String(), ", ", "-")
		for _, line := range []string{"RETR large", "STOR " + name} {
			data := c.begin(line)
			c.send("NOOP\r\nNOOP")
			idle := anonymous(t, srv) // from later on, and for too long
			idle.want("421 No command for 300ms.")
			conn := c.over(data)
			if strings.HasPrefix(line, "STOR") {
				if _, err := io.WriteString(conn, "content"); err != nil {
					c.t.Error(err)
				}
				_ = conn.Close()
			} else if n, err := io.Copy(io.Discard, conn); n != large || err != nil {
				c.t.Errorf("%s: %d bytes, %v", line, n, err)
			}
			for _, want := range []string{"226", "200 OK", "200 OK"} {
				c.want(want)
			}
		}
		c.do("SIZE "+name, "213 7")
	})
}

// TestStalledEveryWay says that a transfer that does not move ends. The library would wait for ever.
func TestStalledEveryWay(t *testing.T) {
	dir := t.TempDir()
	sparse(t, dir, "large")
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--tls", "allow", "--writable", "--stall-timeout", "200ms")
	everyWay(t, srv, func(c *traveller) {
		for _, line := range []string{"RETR large", "STOR new"} {
			data := c.begin(line)
			if conn, ok := c.over(data).(*tls.Conn); ok {
				if err := conn.Handshake(); err != nil {
					c.t.Fatal(err)
				}
			}
			c.want("426 Nothing moved for 200ms, transfer aborted.")
			_ = data.Close()
		}
		c.do("SIZE new", "550")
	})
}

// TestListings says that a listing comes whole, and many of its lines at once. The library sends each by itself, and under TLS
// as a record; what it gathers it would lose when it closes the connection.
func TestListings(t *testing.T) {
	const entries = 3000 // more than one buffer of each kind of listing
	dir := t.TempDir()
	many := filepath.Join(dir, "many")
	if err := os.Mkdir(many, 0o755); err != nil {
		t.Fatal(err)
	}
	last := strings.Repeat("z", 100)
	for i := range entries - 1 {
		write(t, filepath.Join(many, fmt.Sprintf("%05d-%s", i, strings.Repeat("x", i%50))), "")
	}
	write(t, filepath.Join(many, last), "")
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--tls", "allow")
	everyWay(t, srv, func(c *traveller) {
		for _, line := range []string{"LIST many", "NLST many", "MLSD many", "LIST many/*z", "NLST many/0000?-*", "LIST -a many", "LIST many/" + last} {
			data := &records{Conn: c.begin(line)}
			got, err := io.ReadAll(c.over(data))
			if err != nil {
				c.t.Errorf("%s: %v", line, err)
			}
			c.want("226")
			want := entries
			switch {
			case strings.HasPrefix(line, "NLST many/"):
				want = 10
			case strings.HasPrefix(line, "LIST many/"):
				want = 1
			}
			lines := strings.SplitAfter(string(got), "\r\n")
			if n := len(lines) - 1; n != want || lines[n] != "" {
				c.t.Errorf("%s: %d lines, the last %q, want %d", line, n, lines[n], want)
			} else if want != 10 && !strings.HasSuffix(lines[n-1], last+"\r\n") {
				c.t.Errorf("%s ends with %q", line, lines[n-1])
			}
			// Beside the listing: the server's part of the handshake, and the notice of the end.
			if most := len(got)/(8<<10) + 12; c.private && (data.count > most || data.count == 0) {
				c.t.Errorf("%s: %v for %d lines of %d bytes, want %d at most", line, data, want, len(got), most)
			}
		}
	})
}

// TestEveryWay moves files of all sizes around those of buffers, and an empty one.
func TestEveryWay(t *testing.T) {
	dir := t.TempDir()
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--tls", "allow", "--writable")
	everyWay(t, srv, func(c *traveller) {
		for _, size := range []int{0, 1, 4095, 4097, 16 << 10, 256<<10 - 1, 256<<10 + 1, 1<<20 + 1} {
			content := strings.Repeat("0123456789abcdef", size/16+1)[:size]
			c.store("STOR f", content)
			if got := c.fetch("RETR f"); got != content {
				c.t.Errorf("RETR = %d bytes, want %d", len(got), size)
			}
			c.do(fmt.Sprintf("REST %d", size/2), "350")
			if got := c.fetch("RETR f"); got != content[size/2:] {
				c.t.Errorf("RETR of the second half = %d bytes", len(got))
			}
			c.store("APPE f", "more")
			c.do("SIZE f", fmt.Sprintf("213 %d", size+4))
		}
		if got := c.fetch("LIST f"); strings.Count(got, "\n") != 1 {
			c.t.Errorf("LIST = %q", got)
		}
		c.do("MKD d", "257")
		for _, line := range []string{"LIST d", "NLST d", "MLSD d"} {
			if got := c.fetch(line); got != "" {
				c.t.Errorf("%s = %q", line, got)
			}
		}
		c.do("RMD d", "250")
		c.do("DELE f", "250")
	})
}

// TestASCIIEveryWay says that lines change their ends, also where a CR and its LF come apart.
func TestASCIIEveryWay(t *testing.T) {
	const pieces = 30_000 // more than the buffers of the library
	unix, dos := strings.Repeat("ab\n", pieces), strings.Repeat("ab\r\n", pieces)
	dir := directory(t, map[string]string{"unix": unix, "dos": dos})
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--tls", "allow", "--writable")
	everyWay(t, srv, func(c *traveller) {
		c.do("TYPE A", "200")
		for _, name := range []string{"unix", "dos"} {
			if got := c.fetch("RETR " + name); got != dos {
				c.t.Errorf("RETR %s = %d bytes, want %d", name, len(got), len(dos))
			}
		}
		c.store("STOR new", dos)
		holds(c.t, unix, dir, "new")
		if got := c.fetch("NLST"); got != "dos\r\nnew\r\nunix\r\n" {
			c.t.Errorf("NLST = %q", got)
		}
		c.do("DELE new", "250")
	})
}

// TestAbortEveryWay says that ABOR ends a transfer of either kind, and that the next one works.
func TestAbortEveryWay(t *testing.T) {
	dir := t.TempDir()
	sparse(t, dir, "large")
	write(t, filepath.Join(dir, "small"), "small")
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--tls", "allow", "--writable")
	everyWay(t, srv, func(c *traveller) {
		for _, line := range []string{"RETR large", "STOR new"} {
			data := c.begin(line)
			conn := c.over(data)
			var err error
			if strings.HasPrefix(line, "RETR") {
				_, err = io.ReadFull(conn, make([]byte, 1000))
			} else {
				_, err = io.WriteString(conn, "a few bytes")
			}
			if err != nil {
				c.t.Fatal(err)
			}
			c.do("ABOR", "426")
			c.want("226")
			_ = data.Close()
			if got := c.fetch("RETR small"); got != "small" {
				c.t.Errorf("RETR = %q", got)
			}
		}
		if got := c.fetch("NLST"); got != "large\r\nsmall\r\n" {
			c.t.Errorf("NLST = %q", got)
		}
	})
}

// TestPanicInTransfer says that a bug breaks one transfer and is told with its stack, and that the session goes on and ends. The
// library would not close the file.
func TestPanicInTransfer(t *testing.T) {
	var bug atomic.Bool
	moved := func(bool, int) {
		if bug.Load() {
			panic("a bug")
		}
	}
	srv := plugintest.Start(t, ftp.Watched(moved), "--listen", anyPort, "--root", directory(t, map[string]string{"a.txt": "a"}), "--writable")
	c := anonymous(t, srv)
	lines := []string{"RETR a.txt", "STOR new", "LIST"}
	for i, kind := range []string{"I", "A"} {
		c.do("TYPE "+kind, "200")
		for j, line := range lines {
			data := c.pasv()
			bug.Store(true)
			c.do(line, "150")
			if line == "STOR new" {
				if _, err := io.WriteString(data, "content"); err != nil {
					t.Error(err)
				}
			}
			c.want("451 Local error.")
			bug.Store(false)
			_ = data.Close()
			if got, n := srv.Log(), i*len(lines)+j+1; strings.Count(got, "level=ERROR msg=\"panic in a transfer\"") != n || !strings.Contains(got, "TestPanicInTransfer") {
				t.Errorf("want %d panics with their stacks in\n%s", n, got)
			}
			if got := fetch(c, c.pasv()); got != "a" {
				t.Errorf("RETR after a panic = %q", got)
			}
		}
	}
	c.do("QUIT", "221")
	ftp.AwaitNoSessions(srv.Service)
}
