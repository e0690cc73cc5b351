//go:build unix

package ftp

import (
	"os"

	"golang.org/x/sys/unix"
)

// isUnlinked says whether an open file has no name any more. It makes a blocking call.
func isUnlinked(f *os.File) bool {
	conn, err := f.SyscallConn()
	if err != nil {
		return false
	}
	var info unix.Stat_t
	statErr := err
	err = conn.Control(func(fd uintptr) { statErr = unix.Fstat(int(fd), &info) })
	return err == nil && statErr == nil && info.Nlink == 0
}
