package daemon

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// dup2 makes fd another name of old, open across exec. Not every Linux has the system call dup2.
func dup2(old, fd int) error { return unix.Dup3(old, fd, 0) }

// growPipe makes a pipe as large as an ordinary user may have it (pipe(7), pipe-max-size).
func growPipe(fd int) { _, _ = unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, maxPipe) }

// impatient returns another descriptor of the same pipe whose writes fail instead of waiting; opening anew is the only
// way, since a duplicate shares the mode of the first.
func impatient(write int) (int, error) {
	return unix.Open("/proc/self/fd/"+strconv.Itoa(write), unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
}
