package ftp

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// renameNew gives a file or directory another name that nothing has; the error wraps fs.ErrExist if something does. Both are
// paths below the root. Where the system cannot do that at once, a directory may take the place of one that is empty and was
// made just then. It makes blocking calls.
func renameNew(root *os.Root, from, to string) error {
	err := renameExclusive(root, from, to)
	if !isAny(err, errors.ErrUnsupported, syscall.EINVAL) {
		return err
	}
	err = root.Link(from, to) // not of a directory
	switch {
	case err == nil:
		return root.Remove(from)
	case errors.Is(err, fs.ErrExist), errors.Is(err, fs.ErrNotExist):
		return err
	}
	if _, err := root.Lstat(to); err == nil {
		return &fs.PathError{Op: "rename", Path: to, Err: fs.ErrExist}
	}
	return root.Rename(from, to)
}
