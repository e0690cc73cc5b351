package contest

import (
	"net"
	"sync/atomic"
	"syscall"
)

// Discard reads until the end and adds up. With MSG_TRUNC the kernel does not copy what is thrown away (man 7 tcp).
func Discard(conn *net.TCPConn, received *atomic.Int64) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	block := make([]byte, 1<<20)
	for {
		var n int
		var failure error
		err := raw.Read(func(fd uintptr) bool {
			for {
				n, _, failure = syscall.Recvfrom(int(fd), block, syscall.MSG_TRUNC)
				if failure != syscall.EINTR {
					return failure != syscall.EAGAIN
				}
			}
		})
		if err == nil {
			err = failure
		}
		if err != nil || n == 0 {
			return err
		}
		received.Add(int64(n))
	}
}
