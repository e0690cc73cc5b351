package ftp

import (
	"errors"
	"os"
	"syscall"

	"github.com/gtwistd/gtwistd/internal/part"
	"github.com/gtwistd/gtwistd/internal/regular"
)

const nonblock = regular.Nonblock

// isLockless says that a file system has no locks: some of those in a network and of FUSE.
func isLockless(err error) bool { return isAny(err, errors.ErrUnsupported, syscall.ENOLCK) }

// lock locks a part until it is closed. The error is errLocked if somebody else has the lock.
func lock(f *os.File) error {
	err := part.Lock(f)
	if errors.Is(err, part.ErrLocked) {
		return errLocked
	}
	return err
}
