package ftp

import "golang.org/x/sys/unix"

// untaken is how many bytes the system holds that the client has not acknowledged (SIOCOUTQ, man 7 tcp).
func (w *wire) untaken() (n int64) {
	if raw, err := w.TCPConn.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { // a connection that is closed holds nothing
			held, _ := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
			n = int64(held)
		})
	}
	return n
}
