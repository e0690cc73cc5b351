package ftp

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
)

// TestLibraryEndsEarly says that a client that the library does not take keeps nobody from the end.
func TestLibraryEndsEarly(t *testing.T) {
	s := newServer(plugintest.Env(t, "ftp"), newOptions())
	close(s.deaf)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var accepting sync.WaitGroup
	accepting.Go(func() { _ = s.acceptFrom(l) })
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got, err := io.ReadAll(conn); len(got) > 0 || err != nil {
		t.Errorf("%q, %v, want the connection closed", got, err)
	}
	_ = l.Close()
	accepting.Wait()
	s.work.Wait()
}

// TestShorterThanAllocated is about uploads of which ALLO has said the size.
func TestShorterThanAllocated(t *testing.T) {
	server, client := net.Pipe()
	defer server.Close()
	defer client.Close()
	c := newSession(newServer(plugintest.Env(t, "ftp"), newOptions()), server)
	tests := []struct {
		name                  string
		verb                  string
		said, offset, arrived int64
		whole                 bool
	}{
		{"nothing said", "STOR", 0, 0, 5, true},
		{"all", "STOR", 10, 0, 10, true},
		{"more", "STOR", 10, 0, 11, true},
		{"fewer", "STOR", 10, 0, 9, false},
		{"the rest", "STOR", 10, 4, 6, true},
		{"fewer than the rest", "STOR", 10, 4, 5, false},
		{"appended", "APPE", 10, 100, 10, true},
		{"fewer appended", "APPE", 10, 100, 9, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c.allocated = tt.said
			c.beginTransfer(tt.verb, "f")
			u := c.current()
			c.fileOpened(u, tt.offset)
			u.bytes.Add(tt.arrived)
			if err := c.interrupted(u, false); (err == nil) != tt.whole {
				t.Errorf("interrupted = %v", err)
			}
			if c.allocated != 0 {
				t.Error("ALLO is about the next upload, too")
			}
			c.fileClosed(u)
		})
	}
}

// TestEndMeetsAccept ends a data listener while a connection is between the system and whoever asked for it.
func TestEndMeetsAccept(t *testing.T) {
	server, client := net.Pipe()
	defer server.Close()
	defer client.Close()
	s := newServer(plugintest.Env(t, "ftp"), newOptions())
	c := newSession(s, server)
	c.remote = netip.MustParseAddrPort("127.0.0.1:1")
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	d := s.newDataListener(l)
	d.serve(c, noAddr)
	before := c.refs.Load()
	var accepting sync.WaitGroup
	accepting.Go(func() {
		if conn, err := d.Accept(); err == nil {
			t.Errorf("Accept = %v, want an error", conn)
		}
	})
	awaitRefs := func(n int32) {
		for c.refs.Load() != n {
			time.Sleep(time.Millisecond)
		}
	}
	awaitRefs(before + 1) // of the call
	c.mu.Lock()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	awaitRefs(before + 2) // and of the connection, which waits for mu
	d.end()
	c.mu.Unlock()
	accepting.Wait()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection is open: %v", err)
	}
	if n := c.refs.Load(); n != before {
		t.Errorf("%d references, want %d", n, before)
	}
}
