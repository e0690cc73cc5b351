package control

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// dialable returns a name for path that fits into a socket address, good until done is called: path itself, or the way
// through an open descriptor of its directory.
func dialable(path string) (name string, done func(), err error) {
	if len(path) <= maxPath {
		return path, func() {}, nil
	}
	dir, err := os.OpenFile(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return "", nil, err
	}
	name = "/proc/self/fd/" + strconv.Itoa(int(dir.Fd())) + "/" + filepath.Base(path)
	if _, statErr := os.Stat(filepath.Dir(name)); statErr != nil || len(name) > maxPath {
		_ = dir.Close()
		return "", nil, tooLong(path)
	}
	return name, func() { _ = dir.Close() }, nil
}

// bindPrivate listens at name with mode 0600. On Linux a socket's file takes the mode that the descriptor had when it was
// bound (net/unix/af_unix.c), so there is no moment with a wider one, and no need to touch the process's umask.
func bindPrivate(name string) (*net.UnixListener, error) {
	var chmodErr error
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		err := c.Control(func(fd uintptr) { chmodErr = unix.Fchmod(int(fd), 0o600) })
		if err != nil {
			return err
		}
		return chmodErr
	}}
	l, err := lc.Listen(context.Background(), "unix", name)
	if err != nil {
		return nil, err
	}
	return l.(*net.UnixListener), nil
}

func credentials(fd int) peer {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return peer{err: err}
	}
	return peer{uid: int(cred.Uid), pid: int(cred.Pid)}
}
