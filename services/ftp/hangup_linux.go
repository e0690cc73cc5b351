package ftp

import "golang.org/x/sys/unix"

// hasHungUp says whether a socket's peer has sent its FIN, or nothing can come any more, whatever is still to be read (poll(2)).
func hasHungUp(fd int) bool {
	const events = unix.POLLRDHUP | unix.POLLHUP | unix.POLLERR
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}} //nolint:gosec // a descriptor
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0 && fds[0].Revents&events != 0
}
