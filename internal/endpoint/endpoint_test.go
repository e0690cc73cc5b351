package endpoint_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/gtwistd/gtwistd/internal/endpoint"
)

const anyPort = "tcp:0:interface=127.0.0.1"

func TestConnectionsAreCounted(t *testing.T) {
	s := newSet(t, endpoint.Options{})
	web, ftp := listen(t, s, "web", anyPort), listen(t, s, "ftp", "unix:"+filepath.Join(t.TempDir(), "s"))
	a, _ := pair(t, web)
	b, _ := pair(t, web)
	c, _ := pair(t, ftp)
	expect := func(web, ftp, all int) {
		t.Helper()
		if w, f, n := s.Connections("web"), s.Connections("ftp"), s.Connections(""); w != web || f != ftp || n != all {
			t.Errorf("Connections = web %d, ftp %d, all %d, want %d, %d, %d", w, f, n, web, ftp, all)
		}
	}
	expect(2, 1, 3)
	a.Close()
	a.Close()
	expect(1, 1, 2)
	b.Close()
	c.Close()
	expect(0, 0, 0)
	if got := s.Counts("web").Accepted; got != 2 {
		t.Errorf("accepted %d, want 2", got)
	}
	if got := s.Connections("nobody"); got != 0 {
		t.Errorf("Connections(nobody) = %d", got)
	}
}

func TestCloseListenersLeavesConnections(t *testing.T) {
	s := newSet(t, endpoint.Options{})
	l := listen(t, s, "echo", anyPort)
	server, client := pair(t, l)
	accepted := make(chan error)
	go func() {
		_, err := l.Accept()
		accepted <- err
	}()
	if err := s.CloseListeners(); err != nil {
		t.Fatal(err)
	}
	err := <-accepted
	if op, ok := err.(*net.OpError); !ok || !errors.Is(err, net.ErrClosed) || op.Op != "accept" {
		t.Errorf("Accept after CloseListeners = %#v, want an *net.OpError that wraps net.ErrClosed", err)
	}
	if n := len(s.Listeners("")); n != 0 {
		t.Errorf("%d listeners left", n)
	}
	if err := l.Close(); err != nil {
		t.Errorf("second Close = %v", err)
	}
	if _, err := server.Write([]byte("x")); err != nil {
		t.Errorf("Write after CloseListeners = %v", err)
	}
	if n := s.CloseConns(); n != 1 {
		t.Errorf("CloseConns = %d, want 1", n)
	}
	if b, _ := io.ReadAll(client); string(b) != "x" {
		t.Errorf("client read %q", b)
	}
	if err := server.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Errorf("Close after CloseConns = %v", err)
	}
	if n := s.Connections(""); n != 0 {
		t.Errorf("Connections = %d", n)
	}
}

func TestConcurrentClose(t *testing.T) {
	s := newSet(t, endpoint.Options{})
	l := listen(t, s, "echo", anyPort)
	for range 20 {
		var conns []net.Conn
		for range 20 {
			c, _ := pair(t, l)
			conns = append(conns, c)
		}
		var wg sync.WaitGroup
		for _, c := range conns {
			wg.Go(func() { c.Close() })
			wg.Go(func() { c.Close() })
		}
		wg.Go(func() { s.CloseConns() })
		wg.Go(func() { s.Connections("") })
		wg.Wait()
		if n := s.Connections(""); n != 0 {
			t.Fatalf("Connections = %d after all were closed", n)
		}
	}
}

func TestClosedSet(t *testing.T) {
	s := newSet(t, endpoint.Options{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Listen(t.Context(), "x", anyPort); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Listen = %v, want net.ErrClosed", err)
	}
	if _, err := s.ListenPacket(t.Context(), "x", "udp:0"); !errors.Is(err, net.ErrClosed) {
		t.Errorf("ListenPacket = %v, want net.ErrClosed", err)
	}
}

func TestHalfClose(t *testing.T) {
	s := newSet(t, endpoint.Options{})
	for _, spec := range []string{anyPort, "unix:" + filepath.Join(t.TempDir(), "s")} {
		server, client := pair(t, listen(t, s, "echo", spec))
		if err := server.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Errorf("%s: CloseWrite = %v", spec, err)
		}
		expectEOF(t, client)
		client.Write([]byte("late"))
		client.Close()
		if b, err := io.ReadAll(server); string(b) != "late" {
			t.Errorf("%s: read %q, %v after CloseWrite", spec, b, err)
		}
	}
}

// Between any two connections, through io.Copy, io.CopyN and both at once.
func TestCopyBetweenConnections(t *testing.T) {
	s := newSet(t, endpoint.Options{})
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
	specs := []string{anyPort, "unix:" + filepath.Join(t.TempDir(), "s"), "haproxy:" + anyPort}
	listeners := map[string]net.Listener{}
	for _, spec := range specs {
		listeners[spec] = listen(t, s, "copy", spec)
	}
	open := func(spec, early string) (server, client net.Conn) {
		if !strings.HasPrefix(spec, "haproxy") {
			server, client = pair(t, listeners[spec])
			client.Write([]byte(early))
			return server, client
		}
		return proxyPair(t, listeners[spec], "PROXY TCP4 192.0.2.9 192.0.2.1 5000 80\r\n"+early)
	}
	for _, from := range specs {
		for _, to := range specs {
			in, feeder := open(from, "early")
			out, drain := open(to, "")
			var wg sync.WaitGroup
			var got []byte
			wg.Go(func() { got, _ = io.ReadAll(drain) })
			wg.Go(func() { feeder.Write(data); feeder.Close() })
			n, err := io.CopyN(out, in, 100)
			m, err2 := io.Copy(out, in)
			out.Close()
			wg.Wait()
			if n+m != int64(len(data)+5) || err != nil || err2 != nil || string(got) != "early"+string(data) {
				t.Errorf("%s to %s: copied %d+%d, %v, %v; %d arrived", from, to, n, m, err, err2, len(got))
			}
		}
	}
}

func TestInfo(t *testing.T) {
	s := newSet(t, endpoint.Options{Dir: t.TempDir()})
	l := listen(t, s, "web", anyPort)
	u := listen(t, s, "web", "haproxy:unix:sock")
	p, err := s.ListenPacket(t.Context(), "dns", "udp:0:interface=127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	infos := s.Listeners("")
	if len(infos) != 3 {
		t.Fatalf("Listeners = %v", infos)
	}
	if i := infos[0]; i.Owner != "web" || i.Spec != anyPort || i.Network != "tcp" || i.Addr != l.Addr() || i.TLS || i.Proxy {
		t.Errorf("tcp: %+v", i)
	}
	if i := infos[1]; i.Network != "unix" || !filepath.IsAbs(i.Path) || i.Path != u.Addr().String() || !i.Proxy {
		t.Errorf("unix: %+v", i)
	}
	if i := infos[2]; i.Owner != "dns" || i.Network != "udp" || i.Addr.String() != p.LocalAddr().String() {
		t.Errorf("udp: %+v", i)
	}
	p.Close()
	u.Close()
	if infos = s.Listeners(""); len(infos) != 1 || infos[0].Network != "tcp" {
		t.Errorf("after closing two: %v", infos)
	}
}

func TestUDP(t *testing.T) {
	s := newSet(t, endpoint.Options{})
	p, err := s.ListenPacket(t.Context(), "echo", "udp:localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("udp", p.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte("ping"))
	b := make([]byte, 10)
	if n, from, err := p.ReadFrom(b); string(b[:n]) != "ping" || from.String() != c.LocalAddr().String() {
		t.Errorf("ReadFrom = %q, %v, %v", b[:n], from, err)
	}
	s.CloseListeners()
	if _, _, err := p.ReadFrom(b); !errors.Is(err, net.ErrClosed) {
		t.Errorf("ReadFrom after CloseListeners = %v", err)
	}
}

func TestAddressFamilies(t *testing.T) {
	probe, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("this host has no IPv6")
	}
	probe.Close()
	tests := []struct {
		spec   string
		v4, v6 bool
	}{
		{"tcp:0", true, true},
		{"tcp:0:interface=0.0.0.0", true, false},
		{"tcp:[::]:0", false, true},
		{"tcp6:0", false, true},
		{"tcp:localhost:0", true, false},
		{"tcp6:localhost:0", false, true},
	}
	for _, tt := range tests {
		t.Run(tt.spec, func(t *testing.T) {
			l := listen(t, newSet(t, endpoint.Options{}), "x", tt.spec)
			_, port, _ := net.SplitHostPort(l.Addr().String())
			for host, want := range map[string]bool{"127.0.0.1": tt.v4, "::1": tt.v6} {
				c, err := net.Dial("tcp", net.JoinHostPort(host, port))
				if (err == nil) != want {
					t.Errorf("dial %s: %v, want reachable %v", host, err, want)
				}
				if err == nil {
					c.Close()
				}
			}
		})
	}
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "file"), nil, 0o600)
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	_, taken, _ := net.SplitHostPort(other.Addr().String())
	s := newSet(t, endpoint.Options{Dir: dir})
	ours := listen(t, s, "web", anyPort)
	_, own, _ := net.SplitHostPort(ours.Addr().String())
	tests := []struct {
		name, spec, want, hint string
		is                     error
	}{
		{"malformed", "tpc:80", `endpoint "tpc:80": unknown type`, "tcp:80", nil},
		{"port in use", "tcp:127.0.0.1:" + taken, "listen tcp:" + taken + ":interface=127.0.0.1: address already in use", "port " + taken + " is held by this process", syscall.EADDRINUSE},
		{"port in use by us", "tcp:" + own, "listen tcp:" + own + ": address already in use", "web of this process listens there already (tcp:0:interface=127.0.0.1)", syscall.EADDRINUSE},
		{"foreign address", "tcp:192.0.2.77:0", "listen tcp:0:interface=192.0.2.77: interface 192.0.2.77: not an address of this host", "this host has ", syscall.EADDRNOTAVAIL},
		{"network interface", "tcp:0:interface=lo", `interface "lo": `, "lo is a network interface; write its address", nil},
		{"datagrams", "udp:0", "udp carries datagrams", "", nil},
		{"nothing inherited", "fd:3", "listen fd:3: no descriptors were inherited", "service manager", nil},
		{"unix directory", "unix:no/x", "listen unix:no/x: no such file or directory", "no does not exist", os.ErrNotExist},
		{"unix over a file", "unix:file", "listen unix:file: a file of that name exists and is not a socket", "", nil},
		{"unix too long", "unix:" + strings.Repeat("x", 200), "bytes long, the system allows ", "shorter", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if runtime.GOOS != "linux" && strings.HasPrefix(tt.hint, "port ") {
				t.Skip("needs /proc")
			}
			_, err := s.Listen(t.Context(), "x", tt.spec)
			var e *endpoint.Error
			if !errors.As(err, &e) {
				t.Fatalf("Listen = %v, want an *Error", err)
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.Contains(e.Hint(), tt.hint) {
				t.Errorf("Listen = %q, hint %q, want %q, %q", err, e.Hint(), tt.want, tt.hint)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v does not wrap %v", err, tt.is)
			}
		})
	}
	if n := len(s.Listeners("")); n != 1 {
		t.Errorf("%d listeners, want 1", n)
	}
	if _, err := s.ListenPacket(t.Context(), "x", "tcp:127.0.0.1:53"); !strings.Contains(hint(err), "udp:53:interface=127.0.0.1") {
		t.Errorf("ListenPacket on tcp: %v, hint %q", err, hint(err))
	}
}

func TestURLs(t *testing.T) {
	host := []net.Addr{
		ipNet("127.0.0.1/8"), ipNet("::1/128"), ipNet("fd00::2/64"), ipNet("192.168.1.5/24"), ipNet("192.168.1.5/24"),
		ipNet("fe80::1/64"), ipNet("169.254.7.7/16"),
	}
	tcp := func(addr string) endpoint.Info {
		a, _ := net.ResolveTCPAddr("tcp", addr)
		return endpoint.Info{Network: "tcp", Addr: a}
	}
	secure := tcp("0.0.0.0:443")
	secure.TLS = true
	tests := []struct {
		name, scheme string
		info         endpoint.Info
		want         string
	}{
		{"all interfaces", "http", tcp("[::]:8080"), "http://127.0.0.1:8080 http://[::1]:8080 http://192.168.1.5:8080 http://[fd00::2]:8080"},
		{"all of IPv4", "http", tcp("0.0.0.0:80"), "http://127.0.0.1 http://192.168.1.5"},
		{"one address", "ws", tcp("192.168.1.5:9"), "ws://192.168.1.5:9"},
		{"one IPv6 address", "ftp", tcp("[fd00::2]:21"), "ftp://[fd00::2]"},
		{"zone", "http", tcp("[fe80::1%eth0]:80"), "http://[fe80::1%25eth0]"},
		{"TLS", "http", secure, "https://127.0.0.1 https://192.168.1.5"},
		{"raw TLS", "tcp", secure, "tls://127.0.0.1:443 tls://192.168.1.5:443"},
		{"no scheme", "", tcp("127.0.0.1:7007"), "tcp://127.0.0.1:7007"},
		{"udp", "tcp", endpoint.Info{Network: "udp", Addr: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7}}, "udp://127.0.0.1:7"},
		{"unix", "http", endpoint.Info{Network: "unix", Addr: &net.UnixAddr{Name: "/run/x"}, Path: "/run/x"}, "unix:/run/x"},
		{"nothing", "http", endpoint.Info{}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(tt.info.URLs(tt.scheme, host), " "); got != tt.want {
				t.Errorf("URLs = %s, want %s", got, tt.want)
			}
		})
	}
	if got := tcp("0.0.0.0:80").URLs("http", nil); len(got) != 1 || got[0] != "http://0.0.0.0" {
		t.Errorf("without addresses: %v", got)
	}
	s := newSet(t, endpoint.Options{})
	if _, err := s.Listen(t.Context(), "x", "tcp6:0"); err == nil {
		if urls := s.Listeners("")[0].URLs("http", host); len(urls) != 2 {
			t.Errorf("IPv6 only: %v", urls)
		}
	}
}

func ipNet(s string) net.Addr {
	ip, n, _ := net.ParseCIDR(s)
	return &net.IPNet{IP: ip, Mask: n.Mask}
}
