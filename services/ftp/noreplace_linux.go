package ftp

import (
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// renameExclusive is renameat2(2) with RENAME_NOREPLACE.
func renameExclusive(root *os.Root, from, to string) error {
	source, err := root.Open(path.Dir(from))
	if err != nil {
		return err
	}
	defer source.Close()
	target := source
	if path.Dir(to) != path.Dir(from) {
		if target, err = root.Open(path.Dir(to)); err != nil {
			return err
		}
		defer target.Close()
	}
	err = unix.Renameat2(int(source.Fd()), path.Base(from), int(target.Fd()), path.Base(to), unix.RENAME_NOREPLACE)
	if err != nil {
		return &os.LinkError{Op: "renameat2", Old: from, New: to, Err: err}
	}
	return nil
}
