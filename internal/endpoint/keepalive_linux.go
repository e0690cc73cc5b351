package endpoint

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// tcpConfig sets the keep-alive probes once, for the listener: on Linux its connections inherit them. Package net would set them
// for each, in four system calls.
func tcpConfig() net.ListenConfig {
	return net.ListenConfig{KeepAlive: -1, Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { keepAlive(int(fd)) })
	}}
}

// keepAlive sets what package net does: a probe each 15 s, of which nine may be lost. As there, a system that lacks one serves
// without.
func keepAlive(fd int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 9)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
}
