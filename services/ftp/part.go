package ftp

import (
	"errors"
	"os"

	"github.com/gtwistd/gtwistd/internal/part"
	"github.com/gtwistd/gtwistd/internal/regular"
)

const nonblock = regular.Nonblock

// lock locks a part until it is closed. The error is errLocked if somebody else has the lock.
func lock(f *os.File) error {
	err := part.Lock(f)
	if errors.Is(err, part.ErrLocked) {
		return errLocked
	}
	return err
}
