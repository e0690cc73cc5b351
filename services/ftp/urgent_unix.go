//go:build unix

package ftp

import (
	"crypto/tls"
	"net"
	"syscall"
)

// keepUrgent leaves urgent data where it stands among the rest. Clients send the last byte of ABOR so, or the signals of Telnet
// before it (RFC 959 section 4.1.3), and the system would take that byte out of the stream. It is no loss if it fails.
func keepUrgent(conn net.Conn) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_OOBINLINE, 1) })
}
