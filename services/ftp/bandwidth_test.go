package ftp_test

import (
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

// TestBandwidthHolds says that a transfer moves no more at once than its user's bandwidth allows. At a byte a second the first
// piece is paid for after minutes: what has moved when the client gives up is that piece.
func TestBandwidthHolds(t *testing.T) {
	const piece = 512
	dir := directory(t, map[string]string{"a": strings.Repeat("x", 20*piece)})
	file := filepath.Join(t.TempDir(), "users.toml")
	write(t, file, "[anonymous]\npermissions = \"all\"\ndownload-bandwidth = 1\nupload-bandwidth = 1\n")
	meter := newMeter(t)
	srv := plugintest.Start(t, ftp.Watched(meter.moved), "--listen", anyPort, "--root", dir, "--users", file, "--tls", "allow")
	everyWay(t, srv, func(c *traveller) {
		conn := c.over(c.begin("RETR a"))
		if _, err := io.ReadFull(conn, make([]byte, piece)); err != nil {
			c.t.Fatal(err)
		}
		if n := meter.await(); n != piece {
			c.t.Errorf("%d bytes were sent at once, want %d", n, piece)
		}
		c.do("ABOR", "426")
		c.want("226")
		if rest, _ := io.ReadAll(conn); len(rest) > 0 { // ends without a notice
			c.t.Errorf("%d bytes more came", len(rest))
		}
		// What was given up keeps nobody waiting.
		conn = c.over(c.begin("STOR new"))
		if _, err := io.WriteString(conn, strings.Repeat("y", 20*piece)); err != nil {
			c.t.Fatal(err)
		}
		if n := meter.await(); n != piece {
			c.t.Errorf("%d bytes were received at once, want %d", n, piece)
		}
		c.do("ABOR", "426")
		c.want("226")
		if n := len(meter.pieces); n > 0 {
			c.t.Errorf("%d pieces more moved", n)
		}
		c.do("PWD", "257")
	})
}

// TestNoBandwidth says that without a limit pieces are large.
func TestNoBandwidth(t *testing.T) {
	dir := directory(t, map[string]string{"a": strings.Repeat("x", 1<<20)})
	meter := newMeter(t)
	srv := plugintest.Start(t, ftp.Watched(meter.moved), "--listen", anyPort, "--root", dir, "--tls", "allow")
	everyWay(t, srv, func(c *traveller) {
		meter.forget()
		if got := c.fetch("RETR a"); len(got) != 1<<20 {
			c.t.Errorf("RETR = %d bytes", len(got))
		}
		if n := len(meter.pieces); n > 8 {
			c.t.Errorf("%d pieces of a file of a MiB", n)
		}
	})
}
