package endpoint_test

import (
	"net"
	"testing"

	"github.com/gtwistd/gtwistd/internal/endpoint"
)

// BenchmarkAcceptClose compares a connection's life here with that in package net.
func BenchmarkAcceptClose(b *testing.B) {
	bare, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer bare.Close()
	s := newSet(b, endpoint.Options{})
	for _, bb := range []struct {
		name string
		l    net.Listener
	}{{"net", bare}, {"endpoint", listen(b, s, "x", anyPort)}} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c, err := net.Dial("tcp", bb.l.Addr().String())
				if err != nil {
					b.Fatal(err)
				}
				// A reset leaves no port in TIME_WAIT.
				c.(*net.TCPConn).SetLinger(0)
				a, err := bb.l.Accept()
				if err != nil {
					b.Fatal(err)
				}
				c.Close()
				a.Close()
			}
		})
	}
}
