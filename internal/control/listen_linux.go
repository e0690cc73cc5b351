package control

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// openDir are the flags of a descriptor that names are looked up in; the directory need not be readable.
const openDir = unix.O_PATH | unix.O_DIRECTORY

// dialable returns a name for path that fits into a socket address, good until done is called: path itself, or the way
// through an open descriptor of its directory.
func dialable(path string) (name string, done func(), err error) {
	if len(path) <= maxPath {
		return path, func() {}, nil
	}
	dir, err := os.OpenFile(filepath.Dir(path), openDir, 0)
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

// bindAs listens at name like bindPrivate, but on a thread that file systems take for the owner's (setfsuid(2)). The socket
// is then made by the owner, who can do no more to others with it than with one that he makes himself.
func bindAs(owner Owner, name string) (*net.UnixListener, error) {
	runtime.LockOSThread()
	var l *net.UnixListener
	err := setFileIDs(owner.UID, owner.GID)
	if err == nil {
		l, err = bindPrivate(name)
	}
	if back := setFileIDs(os.Geteuid(), os.Getegid()); back != nil {
		// The goroutine keeps its thread, which nobody else should get.
		if l != nil {
			_ = l.Close()
		}
		return nil, errors.Join(err, back)
	}
	runtime.UnlockOSThread()
	return l, err
}

// setFileIDs changes the user and the group that file systems see in the calling thread. The calls do not report errors;
// asking for an impossible id tells what became of them.
func setFileIDs(uid, gid int) error {
	if err := errors.Join(unix.Setfsgid(gid), unix.Setfsuid(uid)); err != nil {
		return err
	}
	isUID, uidErr := unix.SetfsuidRetUid(-1)
	isGID, gidErr := unix.SetfsgidRetGid(-1)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return err
	}
	if isUID != uid || isGID != gid {
		return unix.EPERM
	}
	return nil
}

func credentials(fd int) peer {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return peer{err: err}
	}
	return peer{uid: int(cred.Uid), pid: int(cred.Pid)}
}
