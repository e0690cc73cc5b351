package ftp

import (
	"os"

	"golang.org/x/sys/unix"
)

// freeSpace returns how many bytes this process could still store where a file is.
func freeSpace(f *os.File) (int64, error) {
	var stat unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &stat); err != nil {
		return 0, os.NewSyscallError("fstatfs", err)
	}
	return int64(stat.Bavail) * int64(stat.Frsize), nil //nolint:gosec,unconvert // disks are smaller; 32-bit systems have 32 bits
}
