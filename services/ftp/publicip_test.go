package ftp

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"
)

// nameServer answers every question for an IPv4 address with the same one, or, without one, that it cannot.
type nameServer struct {
	addr  atomic.Pointer[netip.Addr]
	asked atomic.Int64
}

// serveNames makes names of this process be asked of a server of the test.
func serveNames(t *testing.T) *nameServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, done := &nameServer{}, make(chan struct{})
	go func() {
		defer close(done)
		for {
			buf := make([]byte, 1500)
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(s.answer(buf[:n]), from)
		}
	}()
	old := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("udp", conn.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = old
		_ = conn.Close()
		<-done
	})
	return s
}

// answer has the form of RFC 1035 section 4.
func (s *nameServer) answer(question []byte) []byte {
	const header, kindAndClass = 12, 4
	end := header
	for end < len(question) && question[end] != 0 {
		end += 1 + int(question[end])
	}
	end += 1 + kindAndClass
	if end > len(question) {
		return nil
	}
	s.asked.Add(1)
	out := append([]byte{}, question[:end]...)
	binary.BigEndian.PutUint16(out[8:], 0)
	binary.BigEndian.PutUint16(out[10:], 0)
	addr := s.addr.Load()
	if addr == nil {
		binary.BigEndian.PutUint16(out[2:], 0x8180|2) // the server fails
		return out
	}
	binary.BigEndian.PutUint16(out[2:], 0x8180)
	if kind := binary.BigEndian.Uint16(out[end-kindAndClass:]); kind != 1 {
		return out
	}
	binary.BigEndian.PutUint16(out[6:], 1)
	out = append(out, 0xc0, header, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4) // the name of the question, A, IN, no lifetime, four bytes
	return append(out, addr.AsSlice()...)
}

// TestPublicHost says that a host name is looked up again after a while, not for each client, and that its last address counts
// as long as it cannot be.
func TestPublicHost(t *testing.T) {
	names := serveNames(t)
	one, two := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2")
	var list publicIPs
	if err := list.Set("ftp.gtwistd.example"); err != nil {
		t.Fatal(err)
	}
	if err := list.resolve(t.Context()); err == nil {
		t.Error("a name that cannot be looked up is no mistake")
	}
	rule, now := list.rules[0], time.Now()
	steps := []struct {
		name   string
		server *netip.Addr
		after  time.Duration
		want   netip.Addr
		asks   bool
	}{
		{"the first time", &one, 0, one, true},
		{"the next client", &two, time.Second, one, false},
		{"still true", &two, resolvedFor - time.Nanosecond, one, false},
		{"looked up again", &two, resolvedFor, two, true},
		{"the name server fails", nil, 2 * resolvedFor, two, true},
		{"it is not asked at once again", nil, 2*resolvedFor + time.Second, two, false},
		{"it is back", &one, 3 * resolvedFor, one, true},
	}
	for _, tt := range steps {
		t.Run(tt.name, func(t *testing.T) {
			names.addr.Store(tt.server)
			before := names.asked.Load()
			got, err := rule.resolve(t.Context(), now.Add(tt.after))
			if got != tt.want || err != nil {
				t.Errorf("resolve() = %v, %v, want %v", got, err, tt.want)
			}
			if asked := names.asked.Load() > before; asked != tt.asks {
				t.Errorf("the name server was asked: %t, want %t", asked, tt.asks)
			}
		})
	}
}
