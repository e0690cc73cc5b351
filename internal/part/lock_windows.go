package part

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lockOffset is a byte that no file has: a lock of LockFileEx keeps others from what it covers.
const lockOffset = 1<<63 - 2

// Lock locks a file until it is closed, against this process and others. It does not wait: the error is ErrLocked if
// somebody else has the lock.
func Lock(f *os.File) error {
	region := windows.Overlapped{Offset: lockOffset & 0xffffffff, OffsetHigh: lockOffset >> 32}
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &region)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return ErrLocked
	}
	return os.NewSyscallError("LockFileEx", err)
}
