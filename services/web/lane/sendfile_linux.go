package lane

import (
	"io"
	"os"
	"syscall"
)

// sendFile sends up to n bytes from where the file stands, one system call at a time: sendfile(2) waits for the disk, and never
// for the socket, which does not block.
func (c *conn) sendFile(f *os.File, do func(func() error) error, n int64) (sent int64, err error) {
	source, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failure error
	control := func(from uintptr) {
		err = c.raw.Write(func(to uintptr) bool {
			var m int
			var callErr error
			if failure = do(func() error {
				m, callErr = syscall.Sendfile(int(to), int(from), nil, int(n))
				for callErr == syscall.EINTR {
					m, callErr = syscall.Sendfile(int(to), int(from), nil, int(n))
				}
				return nil
			}); failure != nil {
				return true
			}
			switch {
			case callErr == syscall.EAGAIN:
				return false
			case callErr != nil:
				failure = os.NewSyscallError("sendfile", callErr)
			case m == 0:
				failure = io.EOF // the file has become shorter
			default:
				sent = int64(m)
			}
			return true
		})
	}
	if controlErr := source.Control(control); controlErr != nil {
		return 0, controlErr
	}
	if err == nil {
		err = failure
	}
	return sent, err
}
