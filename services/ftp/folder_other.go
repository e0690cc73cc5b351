//go:build !linux

package ftp

import (
	"io"
	"os"
)

// folder is an open directory. It is not safe for concurrent use; all methods make blocking calls.
type folder struct {
	root *os.Root
	file *os.File
}

// openFolder opens nothing but directories; the caller closes it.
func openFolder(root *os.Root, rel string) (*folder, error) {
	dir, err := root.OpenRoot(rel)
	if err != nil {
		return nil, err
	}
	file, err := dir.Open(".")
	if err != nil {
		_ = dir.Close()
		return nil, err
	}
	return &folder{dir, file}, nil
}

func (f *folder) close() {
	_ = f.file.Close() // it was only read from
	_ = f.root.Close()
}

// stamp is none: what package os says of a directory does not tell enough.
func (f *folder) stamp() stamp { return stamp{} }

// next adds items to a list, none at the end of the directory, and returns how many bytes they keep.
func (f *folder) next(list []item) ([]item, int, error) {
	const some = folderBuffer / 64
	found, err := f.file.ReadDir(some)
	if err == io.EOF {
		err = nil
	}
	size := 0
	for _, d := range found {
		list = append(list, item{name: d.Name(), kind: kindOf(d.Type())})
		size += len(d.Name())
	}
	return list, size, err
}

// lstat describes an entry, a link itself.
func (f *folder) lstat(name string) (facts, error) {
	info, err := f.root.Lstat(name)
	if err != nil {
		return facts{}, err
	}
	return factsOf(info), nil
}
