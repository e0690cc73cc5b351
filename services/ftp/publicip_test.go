package ftp_test

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
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
	args := []string{"--listen", anyPort, "--root", t.TempDir(), "--public-ip", "ftp.gtwistd.example"}
	if _, err := makeService(t, plugintest.NewHost(t, "ftp"), args...); err == nil || !strings.Contains(err.Error(), "ftp.gtwistd.example") {
		t.Errorf("Make() = %v, want the name that cannot be looked up", err)
	}
	one, two := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2")
	names.addr.Store(&one)
	srv := plugintest.Start(t, ftp.Plugin(), args...)
	c := anonymous(t, srv)
	told := func() string {
		t.Helper()
		n := passiveAnswer.FindStringSubmatch(c.do("PASV", "227"))
		if n == nil {
			t.Fatal("no address")
		}
		return strings.Join(n[1:5], ".")
	}
	first, second := one.String(), two.String()
	asked := names.asked.Load()
	names.addr.Store(&two)
	for range 20 {
		if got := told(); got != first {
			t.Errorf("told %s, want %s", got, first)
		}
	}
	if n := names.asked.Load() - asked; n > 0 {
		t.Errorf("%d questions for as many clients", n)
	}
	ftp.AgePublicIPs(srv.Service)
	for deadline := time.Now().Add(time.Minute); told() != second; { // the first clients may be told the old one
		if time.Now().After(deadline) {
			t.Fatal("the name is not looked up again")
		}
	}
	names.addr.Store(nil)
	asked = names.asked.Load()
	ftp.AgePublicIPs(srv.Service)
	for deadline := time.Now().Add(time.Minute); names.asked.Load() == asked; {
		if time.Now().After(deadline) {
			t.Fatal("the name is not looked up again")
		}
		if got := told(); got != second {
			t.Errorf("told %s while there is no answer, want %s", got, second)
		}
	}
	if got := told(); got != second {
		t.Errorf("told %s after there was no answer, want %s", got, second)
	}
}
