//go:build unix

package ftp_test

import (
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

// urgent sends text whose last byte is urgent data.
func (c *raw) urgent(text string) {
	c.t.Helper()
	socket, err := c.conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		c.t.Fatal(err)
	}
	var failed error
	if err := socket.Write(func(fd uintptr) bool {
		failed = syscall.Sendto(int(fd), []byte(text), syscall.MSG_OOB, nil)
		return true
	}); err != nil || failed != nil {
		c.t.Fatal(err, failed)
	}
}

// plainly sends text as it is.
func (c *raw) plainly(text string) {
	c.t.Helper()
	if _, err := c.conn.Write([]byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

// TestUrgentAbort ends a transfer in all the ways in which clients say that it is urgent.
func TestUrgentAbort(t *testing.T) {
	dir := t.TempDir()
	sparse(t, dir, "large")
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir)
	tests := []struct {
		name string
		send func(c *raw)
	}{
		{"plain", func(c *raw) { c.plainly("ABOR\r\n") }},
		{"all urgent, as ftplib", func(c *raw) { c.urgent("ABOR\r\n") }},
		{"signals in front", func(c *raw) { c.plainly("\xff\xf4\xff\xf2ABOR\r\n") }},
		{"urgent up to the IAC, as BSD", func(c *raw) { c.urgent("\xff\xf4\xff"); c.plainly("\xf2ABOR\r\n") }},
		{"urgent signals", func(c *raw) { c.urgent("\xff\xf4\xff\xf2"); c.plainly("ABOR\r\n") }},
		{"urgent data mark", func(c *raw) { c.plainly("\xff\xf4"); c.urgent("\xff\xf2"); c.plainly("ABOR\r\n") }},
		{"all of it urgent", func(c *raw) { c.urgent("\xff\xf4\xff\xf2ABOR\r\n") }},
		{"without an interrupt", func(c *raw) { c.urgent("\xff"); c.plainly("\xf2ABOR\r\n") }},
		{"the IAC lost", func(c *raw) { c.plainly("\xff\xf4\xf2ABOR\r\n") }},
		{"one by one", func(c *raw) {
			c.urgent("\xff\xf4")
			c.plainly("\xff")
			c.urgent("\xf2")
			c.plainly("ABOR")
			c.urgent("\r\n")
		}},
		{"both lost", func(c *raw) { c.plainly("\xf2ABOR\r\n") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := anonymous(t, srv)
			data := c.pasv()
			c.do("RETR large", "150")
			tt.send(c)
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

// TestPythonAbort is what ftplib's own method does.
func TestPythonAbort(t *testing.T) {
	plugintest.NeedTool(t, "python3", "python3")
	dir := t.TempDir()
	sparse(t, dir, "large")
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir)
	const script = `
import ftplib, sys
f = ftplib.FTP()
f.connect("127.0.0.1", int(sys.argv[1]), timeout=30)
f.login()
c = f.transfercmd("RETR large")
c.recv(1000)
print(f.abort()[:3], f.getresp()[:3])
c.close()
print(f.voidcmd("NOOP")[:3])
`
	_, port, err := net.SplitHostPort(srv.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "python3", "-c", script, port).CombinedOutput()
	if got := strings.TrimSpace(string(out)); got != "426 226\n200" || err != nil {
		t.Errorf("%s, %v", got, err)
	}
}
