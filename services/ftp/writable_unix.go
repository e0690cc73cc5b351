//go:build unix

package ftp

import (
	"os"

	"golang.org/x/sys/unix"
)

// writable says why this process cannot make files in a directory; nil if it can, as far as its mode and the file system say.
func writable(root *os.Root) error {
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	return unix.Faccessat(int(dir.Fd()), ".", unix.W_OK|unix.X_OK, unix.AT_EACCESS)
}
