package endpoint_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gtwistd/gtwistd/internal/endpoint"
)

const proxySignature = "\r\n\r\n\x00\r\nQUIT\n"

// proxyPair returns both ends of a connection on which the client said hello first.
func proxyPair(t testing.TB, l net.Listener, hello string) (server, client net.Conn) {
	t.Helper()
	client, err := net.Dial(l.Addr().Network(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	if _, err := client.Write([]byte(hello)); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server, client
}

func TestProxyHeader(t *testing.T) {
	v2 := func(command byte, family byte, addresses string) string {
		return proxySignature + string([]byte{command, family, 0, byte(len(addresses))}) + addresses
	}
	v4 := "\xc0\x00\x02\x09\xc0\x00\x02\x01\x13\x88\x00\x50"
	tests := []struct{ name, header, remote, local string }{
		{"v1", "PROXY TCP4 192.0.2.9 192.0.2.1 5000 80\r\n", "192.0.2.9:5000", "192.0.2.1:80"},
		{"v1 IPv6", "PROXY TCP6 2001:db8::9 2001:db8::1 5000 80\r\n", "[2001:db8::9]:5000", "[2001:db8::1]:80"},
		{"v1 unknown", "PROXY UNKNOWN\r\n", "", ""},
		{"v2", v2(0x21, 0x11, v4), "192.0.2.9:5000", "192.0.2.1:80"},
		{"v2 with extensions", v2(0x21, 0x11, v4+"\x04\x00\x03abc"), "192.0.2.9:5000", "192.0.2.1:80"},
		{"v2 local", v2(0x20, 0x00, ""), "", ""},
	}
	for _, spec := range []string{"haproxy:" + anyPort, "haproxy:unix:" + filepath.Join(t.TempDir(), "s")} {
		l := listen(t, newSet(t, endpoint.Options{}), "web", spec)
		for _, tt := range tests {
			t.Run(spec[:12]+" "+tt.name, func(t *testing.T) {
				server, client := proxyPair(t, l, tt.header+"hello")
				remote, local := client.LocalAddr().String(), l.Addr().String()
				if tt.remote != "" {
					remote, local = tt.remote, tt.local
				}
				if l.Addr().Network() == "tcp" || tt.remote != "" {
					if server.RemoteAddr().String() != remote || server.LocalAddr().String() != local {
						t.Errorf("RemoteAddr %v, LocalAddr %v, want %v, %v", server.RemoteAddr(), server.LocalAddr(), remote, local)
					}
				}
				client.Write([]byte(" again"))
				client.(interface{ CloseWrite() error }).CloseWrite()
				if b, err := io.ReadAll(server); string(b) != "hello again" {
					t.Errorf("read %q, %v", b, err)
				}
				server.Write([]byte("bye"))
				server.(interface{ CloseWrite() error }).CloseWrite()
				if b, err := io.ReadAll(client); string(b) != "bye" {
					t.Errorf("client read %q, %v", b, err)
				}
			})
		}
	}
}

func TestProxyHeaderRequired(t *testing.T) {
	var log lockedBuffer
	s := newSet(t, endpoint.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	l := listen(t, s, "web", "haproxy:"+anyPort)
	var clients []net.Conn
	for _, hello := range []string{"GET / HTTP/1.0\r\n\r\n", "PROXY nonsense\r\n", "PROXY TCP4 " + strings.Repeat("1", 200)} {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.Write([]byte(hello))
		clients = append(clients, c)
	}
	// One that says nothing must not hold up the one that does.
	silent, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	server, _ := proxyPair(t, l, "PROXY TCP4 192.0.2.9 192.0.2.1 5000 80\r\n")
	if got := server.RemoteAddr().String(); got != "192.0.2.9:5000" {
		t.Errorf("accepted %s", got)
	}
	for _, c := range clients {
		expectEOF(t, c)
	}
	l.Close()
	expectEOF(t, silent)
	if got := s.Counts("web"); got.Dropped != 4 || got.Open != 1 || got.Accepted != 5 {
		t.Errorf("Counts = %+v, want 4 dropped of 5, 1 open", got)
	}
	if got := strings.Count(log.String(), "no PROXY header"); got != 4 {
		t.Errorf("%d log records, want 4:\n%s", got, log.String())
	}
}

// A file takes what comes by splice from the descriptor, behind which are the bytes that came with the header.
func TestProxyToFile(t *testing.T) {
	s := newSet(t, endpoint.Options{})
	for _, spec := range []string{"haproxy:" + anyPort, "haproxy:unix:" + filepath.Join(t.TempDir(), "s")} {
		server, client := proxyPair(t, listen(t, s, "web", spec), "PROXY UNKNOWN\r\nearly")
		client.Write([]byte("late"))
		client.Close()
		file, err := os.Create(filepath.Join(t.TempDir(), "f"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if _, err := io.CopyN(file, server, 9); err != nil {
			t.Error(err)
		}
		if b, _ := os.ReadFile(file.Name()); string(b) != "earlylate" {
			t.Errorf("%s: the file holds %q", spec, b)
		}
	}
}

func TestProxyClose(t *testing.T) {
	s := newSet(t, endpoint.Options{})
	for _, early := range []bool{true, false} {
		l := listen(t, s, "web", "haproxy:"+anyPort)
		if early {
			l.Close()
		} else {
			defer l.Close()
			c, _ := proxyPair(t, l, "PROXY UNKNOWN\r\n")
			go s.CloseListeners()
			defer c.Close()
		}
		_, err := l.Accept()
		if op, ok := err.(*net.OpError); !ok || !errors.Is(op, net.ErrClosed) {
			t.Errorf("Accept after Close = %#v, want the *net.OpError of package net", err)
		}
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
