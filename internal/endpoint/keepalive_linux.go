package endpoint

import (
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// tcpConfig sets the keep-alive probes once, for the listener: on Linux its connections inherit them. Package net would set them
// for each, in four system calls.
func tcpConfig() net.ListenConfig {
	return net.ListenConfig{KeepAlive: -1, Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if ctlErr := c.Control(func(fd uintptr) { err = keepAlive(int(fd)) }); ctlErr != nil {
			return ctlErr
		}
		return os.NewSyscallError("setsockopt", err)
	}}
}

// keepAlive sets what package net does: a probe each 15 s, of which nine may be lost.
func keepAlive(fd int) error {
	for _, option := range []struct{ level, name, value int }{
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 9},
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
	} {
		if err := unix.SetsockoptInt(fd, option.level, option.name, option.value); err != nil {
			return err
		}
	}
	return nil
}
