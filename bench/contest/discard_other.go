//go:build !linux

package contest

import (
	"io"
	"net"
	"sync/atomic"
)

// Discard reads until the end and adds up.
func Discard(conn *net.TCPConn, received *atomic.Int64) error {
	n, err := io.Copy(io.Discard, conn)
	received.Add(n)
	return err
}
