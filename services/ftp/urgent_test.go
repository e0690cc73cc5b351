//go:build linux

package ftp_test

import (
	"net"
	"syscall"
	"testing"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

// urgently sends bytes of which the last is urgent, as send(2) with MSG_OOB has it.
func (c *raw) urgently(p string) {
	c.t.Helper()
	rc, err := c.conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		c.t.Fatal(err)
	}
	if ctlErr := rc.Control(func(fd uintptr) { err = syscall.Sendto(int(fd), []byte(p), syscall.MSG_OOB, nil) }); ctlErr != nil || err != nil {
		c.t.Fatal(ctlErr, err)
	}
}

// TestUrgentABOR sends ABOR in the ways that clients have: all of it urgent, as ftplib; Telnet's signals urgent, as BSD's ftp; or
// each by itself.
func TestUrgentABOR(t *testing.T) {
	dir := t.TempDir()
	sparse(t, dir, "large")
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir)
	tests := []struct {
		name   string
		pieces []string // every other one urgent, from the first on
	}{
		{"the whole line", []string{"ABOR\r\n"}},
		{"signals", []string{"\xff\xf4\xff", "\xf2ABOR\r\n"}},
		{"signals, both", []string{"\xff\xf4\xff\xf2", "ABOR\r\n"}},
		{"one by one", []string{"\xff\xf4", "\xff", "\xf2", "ABOR", "\r\n"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := anonymous(t, srv)
			data := c.pasv()
			c.do("RETR large", "150")
			for i, piece := range tt.pieces {
				if i%2 == 0 {
					c.urgently(piece)
				} else if _, err := c.conn.Write([]byte(piece)); err != nil {
					t.Fatal(err)
				}
			}
			c.want("426")
			c.want("226")
			_ = data.Close()
			c.do("NOOP", "200")
		})
	}
	for _, record := range transferRecords(t, srv.Log()) {
		if record["path"] != "/large" || record["result"] != "Transfer aborted" {
			t.Errorf("%v", record)
		}
	}
}
