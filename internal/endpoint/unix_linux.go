package endpoint

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// listenWithMode listens at path. Linux makes the file with the permissions of the socket, less the umask, so that it never
// is more open than asked for (unix(7)).
func listenWithMode(ctx context.Context, path string, mode fs.FileMode) (*net.UnixListener, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if ctlErr := c.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), uint32(mode)) }); ctlErr != nil {
			return ctlErr
		}
		return os.NewSyscallError("fchmod", err)
	}}
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	return l.(*net.UnixListener), nil
}

// changeMode gives back to the socket at path what the umask took. The directory may belong to somebody who swaps its
// entries: neither a link nor a file of another kind is touched.
func changeMode(path string, mode fs.FileMode) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK || st.Nlink != 1 || int(st.Uid) != os.Geteuid() {
		return errors.New("another file took the place of the socket")
	}
	if unix.Fchmodat(fd, "", uint32(mode), unix.AT_EMPTY_PATH) == nil {
		return nil
	}
	return os.Chmod("/proc/self/fd/"+strconv.Itoa(fd), mode) // before Linux 6.6
}
