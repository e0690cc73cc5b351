package ftp

import (
	"time"

	"golang.org/x/sys/unix"
)

// hasHungUp says whether a socket's peer has sent its FIN, or nothing can come any more, whatever is still to be read; it waits
// that long for it (ppoll(2)).
func hasHungUp(fd int, wait time.Duration) bool {
	const events = unix.POLLRDHUP | unix.POLLHUP | unix.POLLERR
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}} //nolint:gosec // a descriptor
	limit := unix.NsecToTimespec(wait.Nanoseconds())
	n, err := unix.Ppoll(fds, &limit, nil)
	return err == nil && n > 0 && fds[0].Revents&events != 0
}
