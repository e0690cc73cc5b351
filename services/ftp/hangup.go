package ftp

import (
	"crypto/tls"
	"net"
	"syscall"
)

// hungUp says whether the peer of a connection is gone, or the connection is closed. It takes nothing from what is to be read
// and never waits. False is also what is said where nobody can tell.
func hungUp(conn net.Conn) bool {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	s, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := s.SyscallConn()
	gone := err != nil
	if err == nil && raw.Control(func(fd uintptr) { gone = hasHungUp(int(fd)) }) != nil {
		gone = true // closed
	}
	return gone
}
