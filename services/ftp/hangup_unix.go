//go:build unix && !linux

package ftp

import (
	"time"

	"golang.org/x/sys/unix"
)

// hasHungUp says whether a socket's peer has sent its FIN and nothing that is still to be read, after that long.
func hasHungUp(fd int, wait time.Duration) bool {
	time.Sleep(wait)
	n, _, err := unix.Recvfrom(fd, make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return n == 0 && err == nil || isAny(err, unix.ECONNRESET, unix.ENOTCONN)
}
