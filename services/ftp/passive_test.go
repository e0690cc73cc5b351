package ftp_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"regexp"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

// connectFrom connects from another address of this machine. Only Linux has more than one of loopback without being asked.
func connectFrom(t testing.TB, local, addr string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}}).Dial("tcp", addr)
	switch {
	case err != nil && runtime.GOOS != "linux":
		t.Skipf("this system has no second loopback address: %v", err)
	case err != nil:
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// anonymousFrom logs in from another address of this machine.
func anonymousFrom(t testing.TB, local string, addr net.Addr) *raw {
	t.Helper()
	conn := connectFrom(t, local, addr.String())
	c := &raw{t, conn, bufio.NewReader(conn)}
	c.enterAnonymous()
	return c
}

// enterAnonymous reads the greeting and logs in.
func (c *raw) enterAnonymous() {
	c.t.Helper()
	c.want("220")
	c.do("USER anonymous", "331")
	c.do("PASS me@example.org", "230")
}

var (
	passiveAnswer  = regexp.MustCompile(`^227 .*\((\d+),(\d+),(\d+),(\d+),(\d+),(\d+)\)\.$`)
	extendedAnswer = regexp.MustCompile(`^229 .*\(\|\|\|(\d+)\|\)$`)
)

// passivePort asks for a port without a connection to it.
func (c *raw) passivePort(verb string) int {
	c.t.Helper()
	if verb == "EPSV" {
		n := extendedAnswer.FindStringSubmatch(c.do(verb, "229"))
		if n == nil {
			c.t.Fatal("no port")
		}
		port, _ := strconv.Atoi(n[1])
		return port
	}
	n := passiveAnswer.FindStringSubmatch(c.do(verb, "227"))
	if n == nil {
		c.t.Fatal("no port")
	}
	high, _ := strconv.Atoi(n[5])
	low, _ := strconv.Atoi(n[6])
	return high<<8 | low
}

// TestPassiveRange asks for far more ports than there are, over IPv4 and IPv6, and says that none is kept.
func TestPassiveRange(t *testing.T) {
	ports := rangeOf(t, 4)
	var low, high int
	if _, err := fmt.Sscanf(ports, "%d-%d", &low, &high); err != nil {
		t.Fatal(err)
	}
	dir := directory(t, map[string]string{"a.txt": "0123456789"})
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--listen", `tcp6:0:interface=\:\:1`, "--root", dir,
		"--passive-ports", ports)
	for _, tt := range []struct {
		name  string
		addr  net.Addr
		verbs []string
	}{
		{"IPv4", srv.Addrs()[0], []string{"PASV", "EPSV"}},
		{"IPv6", srv.Addrs()[1], []string{"EPSV"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, tt.addr)
			c.enterAnonymous()
			for i := range 60 {
				if tt.name == "IPv6" {
					c.do("PASV", "425")
				}
				verb := tt.verbs[i%len(tt.verbs)]
				port := c.passivePort(verb)
				if port < low || port > high {
					t.Fatalf("%s: port %d, want %d-%d", verb, port, low, high)
				}
				if i%3 > 0 {
					continue // the next takes its place
				}
				host, _, _ := net.SplitHostPort(tt.addr.String())
				if got := fetch(c, c.connect(net.JoinHostPort(host, strconv.Itoa(port)))); got != "0123456789" {
					t.Errorf("RETR = %q", got)
				}
			}
			c.do("QUIT", "221")
		})
	}
	srv.Drain()
	if err := srv.Wait(); err != nil {
		t.Fatal(err)
	}
	for port := low; port <= high; port++ {
		ln, err := net.Listen("tcp", ":"+strconv.Itoa(port))
		if err != nil {
			t.Errorf("port %d is kept: %v", port, err)
			continue
		}
		_ = ln.Close()
	}
}

// TestPublicIPRules says that of the networks that a client belongs to the narrowest counts, in whatever order they were given.
func TestPublicIPRules(t *testing.T) {
	tests := []struct{ name, client, want string }{
		{"an address", "127.0.0.3", "198,51,100,3"},
		{"a narrow network", "127.0.1.9", "198,51,100,2"},
		{"a wide network", "127.0.0.1", "198,51,100,1"},
		{"a network of all", "127.200.0.1", "203,0,113,7"},
	}
	rules := [][]string{
		{"203.0.113.7", "127.0.0.0/16=198.51.100.1", "127.0.1.0/24=198.51.100.2", "127.0.0.3=198.51.100.3", "10.0.0.0/8=10.0.0.1", "2001:db8::/32=10.0.0.2"},
		{"10.0.0.0/8=10.0.0.1", "127.0.0.3=198.51.100.3", "127.0.1.0/24=198.51.100.2", "127.0.0.0/16=198.51.100.1", "203.0.113.7"},
	}
	for i, list := range rules {
		for _, listen := range []string{anyPort, "tcp:0"} { // on the second, IPv4 may come in the clothes of IPv6
			args := []string{"--listen", listen, "--root", t.TempDir()}
			for _, rule := range list {
				args = append(args, "--public-ip", rule)
			}
			srv := plugintest.Start(t, ftp.Plugin(), args...)
			port := srv.Addrs()[0].(*net.TCPAddr).Port
			for _, tt := range tests {
				t.Run(fmt.Sprintf("%s, list %d at %s", tt.name, i, listen), func(t *testing.T) {
					c := anonymousFrom(t, tt.client, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
					c.do("PASV", "227 Entering Passive Mode ("+tt.want+",")
				})
			}
		}
	}
}

// TestPublicIPOfNobody says that clients of no network are told where they came to.
func TestPublicIPOfNobody(t *testing.T) {
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", "tcp:0", "--root", t.TempDir(), "--public-ip", "10.0.0.0/8=10.0.0.1")
	port := srv.Addrs()[0].(*net.TCPAddr).Port
	c := dial(t, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	c.enterAnonymous()
	c.do("PASV", "227 Entering Passive Mode (127,0,0,1,")
	if runtime.GOOS == "linux" {
		c = dial(t, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 5), Port: port})
		c.enterAnonymous()
		c.do("PASV", "227 Entering Passive Mode (127,0,0,5,")
	}
}

// TestForeignPeers says that whoever connects from elsewhere gets nothing and can give nothing, and does not keep the client
// from its data.
func TestForeignPeers(t *testing.T) {
	dir := directory(t, map[string]string{"a.txt": "0123456789"})
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable")
	c := anonymous(t, srv)
	foreigners := func(port int) (list []net.Conn) {
		for _, local := range []string{"127.0.0.2", "127.0.0.3", "127.1.2.3"} {
			list = append(list, connectFrom(t, local, fmt.Sprintf("127.0.0.1:%d", port)))
		}
		return list
	}
	port := c.passivePort("PASV")
	thieves := foreigners(port)
	if got := fetch(c, c.connect(fmt.Sprintf("127.0.0.1:%d", port))); got != "0123456789" {
		t.Errorf("RETR = %q", got)
	}
	for _, thief := range thieves {
		if got, _ := io.ReadAll(thief); len(got) > 0 {
			t.Errorf("%v got %q", thief.LocalAddr(), got)
		}
	}
	port = c.passivePort("EPSV")
	for _, giver := range foreigners(port) {
		_, _ = io.WriteString(giver, "theirs") // perhaps to nobody
	}
	data := c.connect(fmt.Sprintf("127.0.0.1:%d", port))
	c.do("STOR new", "150")
	if _, err := io.WriteString(data, "mine"); err != nil {
		t.Error(err)
	}
	_ = data.Close()
	c.want("226")
	holds(t, "mine", dir, "new")
}
