package cork

import "syscall"

func set(conn syscall.RawConn, value int) {
	_ = conn.Control(func(fd uintptr) { // a connection that is closed or no TCP has no segments to fill
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_CORK, value)
	})
}
