package ftp

import (
	"crypto/tls"
	"net"
	"syscall"
	"time"
)

// hungUp says whether the peer of a connection is gone, or the connection is closed, or whether that happens while it waits. It
// takes nothing from what is to be read. False is also what is said where nobody can tell.
func hungUp(conn net.Conn, wait time.Duration) bool {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	s, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := s.SyscallConn()
	gone := err != nil
	if err == nil && raw.Control(func(fd uintptr) { gone = hasHungUp(int(fd), wait) }) != nil {
		gone = true // closed
	}
	return gone
}
