//go:build !linux

package main

import (
	"io"
	"net"
	"sync/atomic"
)

// discard reads until the end and adds up.
func discard(conn *net.TCPConn, received *atomic.Int64) error {
	n, err := io.Copy(io.Discard, conn)
	received.Add(n)
	return err
}
