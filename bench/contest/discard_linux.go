package contest

import (
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// thrown is how much Discard takes at once. Nothing is written here: all connections share it.
var thrown [1 << 20]byte

// Discard reads until the end and adds up. With MSG_TRUNC the kernel does not copy what is thrown away (man 7 tcp), and the
// runtime does not hear of calls that never wait: the load costs as little as it can.
func Discard(conn *net.TCPConn, received *atomic.Int64) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	for {
		var n uintptr
		var failure syscall.Errno
		err := raw.Read(func(fd uintptr) bool {
			for {
				n, _, failure = syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&thrown)), uintptr(len(thrown)), syscall.MSG_TRUNC, 0, 0)
				if failure != syscall.EINTR {
					return failure != syscall.EAGAIN
				}
			}
		})
		switch {
		case err != nil:
			return err
		case failure != 0:
			return os.NewSyscallError("recvfrom", failure)
		case n == 0:
			return nil
		}
		received.Add(int64(n))
	}
}
