package ftp

import (
	"io/fs"
	"time"
)

// folderBuffer is how much of a directory is read at once, in bytes, at most.
const folderBuffer = 32 << 10

// kind is what a directory says of an entry.
type kind uint8

const (
	kindUnknown kind = iota // of some file systems
	kindFile
	kindDir
	kindLink
	kindOther // never shown
)

func kindOf(mode fs.FileMode) kind {
	switch {
	case mode.IsRegular():
		return kindFile
	case mode.IsDir():
		return kindDir
	case mode&fs.ModeSymlink != 0:
		return kindLink
	}
	return kindOther
}

// item is a name in a directory. Its name may share the memory of others.
type item struct {
	key  uint64 // to sort by, before the name
	name string
	kind kind
}

// facts are what is shown of an item: kindFile or kindDir, bits of rwxrwxrwx, bytes, and seconds since 1970.
type facts struct {
	kind     kind
	perm     uint16
	size     int64
	modified int64
}

func factsOf(info fs.FileInfo) facts {
	return facts{kindOf(info.Mode()), uint16(info.Mode().Perm()), info.Size(), info.ModTime().Unix()}
}

// entry is what the library takes for a file.
func (f *facts) entry(name string) *entry {
	mode := fs.FileMode(f.perm)
	if f.kind == kindDir {
		mode |= fs.ModeDir
	}
	return &entry{shownName(name), f.size, mode, time.Unix(f.modified, 0).UTC()}
}
