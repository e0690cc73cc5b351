//go:build unix

package logfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// openFlags: O_NONBLOCK makes open(2) of a pipe without a reader fail instead of wait, O_NOCTTY keeps a terminal
	// from becoming the one that controls a daemon.
	openFlags = syscall.O_NONBLOCK | syscall.O_NOCTTY
	// closeToRename says that an open file cannot be renamed.
	closeToRename = false
)

// explain says in words what open(2) means by ENXIO.
func explain(name string, err error) error {
	if !errors.Is(err, syscall.ENXIO) {
		return err
	}
	reason := "no process reads from this pipe"
	if info, statErr := os.Stat(name); statErr == nil && info.Mode()&fs.ModeSocket != 0 {
		reason = "is a socket"
	}
	return &failure{text: fmt.Sprintf("open %s: %s", name, reason), cause: err}
}

// mayWrite says why files cannot be made and renamed in a directory, as far as its mode and the file system say.
func mayWrite(dir string) error {
	return unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
}

func brokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }

// unlinked reports whether the open file has no name left, so that what is written to it is lost.
func unlinked(file *os.File) bool {
	info, err := file.Stat()
	if err != nil {
		return true
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Nlink == 0
}

// sameOwner gives file, which we have just created, the owner that old had, where that is allowed and necessary.
func sameOwner(file *os.File, old fs.FileInfo) {
	was, ok := old.Sys().(*syscall.Stat_t)
	if info, err := file.Stat(); !ok || err != nil || links(info) != 1 {
		return
	}
	if int(was.Uid) != os.Geteuid() || int(was.Gid) != os.Getegid() {
		_ = file.Chown(int(was.Uid), int(was.Gid)) // a user without privileges keeps his own
	}
}

// lock takes the advisory lock on file that a process holds while it renames the file. It waits a second at most, for a lock may be
// held by anybody.
func lock(file *os.File) error {
	var err error
	for range 100 {
		if err = flock(file, syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return fmt.Errorf("lock %s: held by another process", file.Name())
	case errors.Is(err, syscall.ENOLCK), errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.EINVAL):
		return nil // a file system without locks
	}
	return err
}

func unlock(file *os.File) { _ = flock(file, syscall.LOCK_UN) }

func flock(file *os.File, how int) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := conn.Control(func(fd uintptr) {
		for {
			if failed = syscall.Flock(int(fd), how); failed != syscall.EINTR {
				return
			}
		}
	}); err != nil {
		return err
	}
	return failed
}
