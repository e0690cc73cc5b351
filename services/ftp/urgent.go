package ftp

import (
	"crypto/tls"
	"net"
	"syscall"
)

// takeUrgent has bytes that are sent as urgent come with the others (RFC 959 section 4.1.3, man 7 tcp: SO_OOBINLINE). Python's
// ftplib sends the whole of ABOR so, whose last byte, the end of the line, would not come at all. It does nothing for a connection
// without urgent bytes.
func takeUrgent(conn net.Conn) {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	s, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := s.SyscallConn(); err == nil {
		_ = raw.Control(setInline) // a connection that is closed has nothing to say
	}
}
