package ftp_test

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

// listenAt waits for connections, for a minute at most.
func listenAt(t testing.TB, host string) (ln *net.TCPListener, port int) {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	ln = l.(*net.TCPListener)
	_ = ln.SetDeadline(time.Now().Add(time.Minute))
	return ln, l.Addr().(*net.TCPAddr).Port
}

// port writes an IPv4 address as PORT has it.
func port(host string, n int) string {
	return fmt.Sprintf("%s,%d,%d", strings.ReplaceAll(host, ".", ","), n>>8, n&0xff)
}

// TestActive says where data connections go to and come from.
func TestActive(t *testing.T) {
	dir := directory(t, map[string]string{"a.txt": "0123456789"})
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--listen", `tcp6:0:interface=\:\:1`, "--root", dir)
	four, six := dial(t, srv.Addrs()[0]), dial(t, srv.Addrs()[1])
	tests := []struct {
		name   string
		client *raw
		host   string // where the client listens
		line   string // %p and %d stand for the port, as PORT and EPRT have it
	}{
		{"PORT", four, "127.0.0.1", "PORT 127,0,0,1,%p"},
		{"PORT with blanks", four, "127.0.0.1", "PORT 127, 0, 0, 1,%p"},
		{"PORT in small letters", four, "127.0.0.1", "port 127,0,0,1,%p"},
		{"PORT of any address", four, "127.0.0.1", "PORT 0,0,0,0,%p"},
		{"EPRT", four, "127.0.0.1", "EPRT |1|127.0.0.1|%d|"},
		{"EPRT with other bars", four, "127.0.0.1", "EPRT !1!127.0.0.1!%d!"},
		{"EPRT of any address", four, "127.0.0.1", "EPRT |1|0.0.0.0|%d|"},
		{"EPRT in the clothes of IPv6", four, "127.0.0.1", "EPRT |2|::ffff:127.0.0.1|%d|"},
		{"EPRT over IPv6", six, "::1", "EPRT |2|::1|%d|"},
		{"EPRT over IPv6, at length", six, "::1", "EPRT |2|0:0:0:0:0:0:0:1|%d|"},
		{"EPRT over IPv6 of any address", six, "::1", "EPRT |2|::|%d|"},
	}
	four.enterAnonymous()
	six.enterAnonymous()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &raw{t, tt.client.conn, tt.client.r}
			ln, n := listenAt(t, tt.host)
			line := strings.NewReplacer("%p", fmt.Sprintf("%d,%d", n>>8, n&0xff), "%d", fmt.Sprint(n)).Replace(tt.line)
			c.do(line, "200")
			c.send("RETR a.txt")
			data, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer data.Close()
			c.want("150")
			if got, err := io.ReadAll(data); string(got) != "0123456789" || err != nil {
				t.Errorf("RETR = %q, %v", got, err)
			}
			c.want("226")
			from, control := data.RemoteAddr().(*net.TCPAddr).IP, c.conn.RemoteAddr().(*net.TCPAddr).IP
			if !from.Equal(control) {
				t.Errorf("the data came from %v, want %v, which the client knows", from, control)
			}
			c.do("RETR a.txt", "425") // an address is for one transfer
		})
	}
}

// TestActiveFrom says that a server with several addresses connects from the one that the client came to.
func TestActiveFrom(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("this system has no second loopback address")
	}
	dir := directory(t, map[string]string{"a.txt": "0123456789"})
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", "tcp:0", "--root", dir)
	c := anonymousFrom(t, "127.0.0.6", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 5), Port: srv.Addrs()[0].(*net.TCPAddr).Port})
	ln, n := listenAt(t, "127.0.0.6")
	c.do("PORT "+port("127.0.0.6", n), "200")
	c.send("RETR a.txt")
	data, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	if from := data.RemoteAddr().(*net.TCPAddr).IP; !from.Equal(net.IPv4(127, 0, 0, 5)) {
		t.Errorf("the data came from %v, want 127.0.0.5", from)
	}
	c.want("150")
	c.want("226")
}

// TestBounce says that the server connects to nobody but its client, and to none of the system's services there (RFC 2577
// section 3).
func TestBounce(t *testing.T) {
	dir := directory(t, map[string]string{"a.txt": "0123456789"})
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--listen", `tcp6:0:interface=\:\:1`, "--root", dir, "--writable")
	four, six := dial(t, srv.Addrs()[0]), dial(t, srv.Addrs()[1])
	four.enterAnonymous()
	six.enterAnonymous()
	host := "127.0.0.1"
	if runtime.GOOS == "linux" {
		host = "127.0.0.2"
	}
	victim, n := listenAt(t, host)
	tests := []struct {
		name   string
		client *raw
		line   string
	}{
		{"PORT of another", four, "PORT " + port("127.0.0.2", n)},
		{"PORT far away", four, "PORT " + port("192.0.2.1", n)},
		{"PORT to all", four, "PORT " + port("255.255.255.255", n)},
		{"PORT of a service", four, "PORT " + port("127.0.0.1", 25)},
		{"PORT of the last service", four, "PORT " + port("127.0.0.1", 1023)},
		{"PORT 0", four, "PORT " + port("127.0.0.1", 0)},
		{"PORT of a service of any address", four, "PORT " + port("0.0.0.0", 25)},
		{"PORT too short", four, "PORT 127,0,0,1,200"},
		{"PORT too long", four, "PORT 127,0,0,1,200,1,1"},
		{"PORT of too much", four, "PORT 127,0,0,1,256,1"},
		{"PORT of less than nothing", four, "PORT 127,0,0,1,-1,1"},
		{"PORT of letters", four, "PORT a,b,c,d,e,f"},
		{"PORT of nothing", four, "PORT"},
		{"PORT over IPv6", six, "PORT " + port("127.0.0.1", n)},
		{"EPRT of another", four, fmt.Sprintf("EPRT |1|127.0.0.2|%d|", n)},
		{"EPRT of another in the clothes of IPv6", four, fmt.Sprintf("EPRT |2|::ffff:127.0.0.2|%d|", n)},
		{"EPRT in the clothes of IPv4", four, fmt.Sprintf("EPRT |1|::ffff:127.0.0.1|%d|", n)},
		{"EPRT of a service", four, "EPRT |1|127.0.0.1|25|"},
		{"EPRT 0", four, "EPRT |1|127.0.0.1|0|"},
		{"EPRT of too much", four, "EPRT |1|127.0.0.1|65536|"},
		{"EPRT of another kind", four, fmt.Sprintf("EPRT |3|127.0.0.1|%d|", n)},
		{"EPRT of a name", four, fmt.Sprintf("EPRT |1|localhost|%d|", n)},
		{"EPRT of IPv6 over IPv4", four, fmt.Sprintf("EPRT |2|::1|%d|", n)},
		{"EPRT without bars", four, "EPRT 127.0.0.1"},
		{"EPRT with more behind it", four, fmt.Sprintf("EPRT |1|127.0.0.1|%d|x", n)},
		{"EPRT of nothing", four, "EPRT"},
		{"EPRT of IPv4 over IPv6", six, fmt.Sprintf("EPRT |1|127.0.0.1|%d|", n)},
		{"EPRT of mapped IPv4 over IPv6", six, fmt.Sprintf("EPRT |2|::ffff:127.0.0.2|%d|", n)},
		{"EPRT of another over IPv6", six, fmt.Sprintf("EPRT |2|2001:db8::1|%d|", n)},
		{"EPRT with a zone", six, fmt.Sprintf("EPRT |2|::1%%lo|%d|", n)},
		{"EPRT with a zone of link-local", six, fmt.Sprintf("EPRT |2|fe80::1%%lo|%d|", n)},
		{"EPRT of a service over IPv6", six, "EPRT |2|::1|80|"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &raw{t, tt.client.conn, tt.client.r}
			c.do(tt.line, "501")
			c.do("RETR a.txt", "425")
			c.do("STOR new", "425")
		})
	}
	// Had anybody connected to the victim, it would be before this.
	probe := connectFrom(t, "127.0.0.1", victim.Addr().String())
	first, err := victim.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if first.RemoteAddr().String() != probe.LocalAddr().String() {
		t.Errorf("the server connected to somebody else: %v", first.RemoteAddr())
	}
}

// TestLastAddressCounts mixes the ways to a data connection.
func TestLastAddressCounts(t *testing.T) {
	dir := directory(t, map[string]string{"a.txt": "0123456789"})
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir)
	c := anonymous(t, srv)
	_, n := listenAt(t, "127.0.0.1")
	c.do("PORT "+port("127.0.0.1", n), "200")
	if got := c.get("RETR a.txt"); got != "0123456789" { // with PASV
		t.Errorf("RETR = %q", got)
	}
	_ = c.passivePort("PASV")
	ln, n := listenAt(t, "127.0.0.1")
	c.do("PORT "+port("127.0.0.1", n), "200")
	if got := receive(c, ln); got != "0123456789" {
		t.Errorf("RETR = %q", got)
	}
}
