package echo_test

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/echo"
)

// BenchmarkEcho sets the service beside the least that a Go program can do: one goroutine for each connection that reads
// into 32 KiB and writes.
func BenchmarkEcho(b *testing.B) {
	servers := []struct {
		name  string
		start func(b *testing.B) net.Addr
	}{
		{"minimal", startMinimal},
		{"echo", func(b *testing.B) net.Addr {
			return plugintest.Start(b, echo.Plugin(), "--listen", anyPort).Addrs()[0]
		}},
		{"echo-idle-timeout", func(b *testing.B) net.Addr {
			return plugintest.Start(b, echo.Plugin(), "--listen", anyPort, "--idle-timeout", "1m").Addrs()[0]
		}},
	}
	for _, srv := range servers {
		for _, clients := range []int{1, 50} {
			b.Run(fmt.Sprintf("messages/%d-clients/%s", clients, srv.name), func(b *testing.B) {
				messages(b, srv.start(b), clients)
			})
		}
		b.Run("bulk/"+srv.name, func(b *testing.B) { bulk(b, srv.start(b)) })
	}
}

// messages lets each client send 64 bytes and wait for them.
func messages(b *testing.B, addr net.Addr, clients int) {
	conns := make([]net.Conn, clients)
	for i := range conns {
		conns[i] = dial(b, addr)
	}
	b.ResetTimer()
	var all sync.WaitGroup
	for _, conn := range conns {
		all.Go(func() {
			msg := make([]byte, 64)
			for range b.N/clients + 1 {
				_, _ = conn.Write(msg)
				if _, err := io.ReadFull(conn, msg); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// bulk sends as fast as the echo is taken.
func bulk(b *testing.B, addr net.Addr) {
	const block = 256 << 10
	conn := dial(b, addr)
	b.SetBytes(block)
	b.ResetTimer()
	var sender sync.WaitGroup
	sender.Go(func() {
		out := make([]byte, block)
		for range b.N {
			_, _ = conn.Write(out)
		}
	})
	in := make([]byte, block)
	for range b.N {
		if _, err := io.ReadFull(conn, in); err != nil {
			b.Fatal(err)
		}
	}
	sender.Wait()
}

func startMinimal(b *testing.B) net.Addr {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				defer conn.Close()
				buf := make([]byte, 32<<10)
				for {
					n, err := conn.Read(buf)
					if err != nil {
						return
					}
					if _, err := conn.Write(buf[:n]); err != nil {
						return
					}
				}
			})
		}
	})
	b.Cleanup(func() { _ = ln.Close() })
	return ln.Addr()
}
