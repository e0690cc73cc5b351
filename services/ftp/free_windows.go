package ftp

import (
	"os"

	"golang.org/x/sys/windows"
)

// freeSpace returns how many bytes this process could still store in the directory that a file is.
func freeSpace(f *os.File) (int64, error) {
	name, err := windows.UTF16PtrFromString(f.Name())
	if err != nil {
		return 0, err
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, nil, nil); err != nil {
		return 0, os.NewSyscallError("GetDiskFreeSpaceEx", err)
	}
	return int64(free), nil //nolint:gosec // disks are smaller
}
