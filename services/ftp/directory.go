package ftp

import (
	"io/fs"
	"net"
	"os"
	"path"
	"syscall"
	"time"
)

// entry is one line of a listing.
type entry struct {
	name     string
	size     int64
	mode     fs.FileMode
	modified time.Time
}

// entryOf shows what clients understand: permissions, and whether it is a directory. Times are UTC, names have NUL for what
// ends a line.
func entryOf(name string, info fs.FileInfo) *entry {
	if name == "." {
		name = "/"
	}
	return &entry{oneLine(name), info.Size(), info.Mode() & (fs.ModeDir | fs.ModePerm), info.ModTime().UTC()}
}

// Name implements fs.FileInfo.
func (e *entry) Name() string { return e.name }

// Size implements fs.FileInfo.
func (e *entry) Size() int64 { return e.size }

// Mode implements fs.FileInfo.
func (e *entry) Mode() fs.FileMode { return e.mode }

// ModTime implements fs.FileInfo.
func (e *entry) ModTime() time.Time { return e.modified }

// IsDir implements fs.FileInfo.
func (e *entry) IsDir() bool { return e.mode.IsDir() }

// Sys implements fs.FileInfo.
func (e *entry) Sys() any { return nil }

// batch is how many names are read with one slot of the pool.
const batch = 1024

var errStat = &refusal{450, "too many entries for STAT, LIST shows them"}

// ReadDir implements ftpserver.ClientDriverExtensionFileList: sorted by name, links as what they lead to. What goes over a data
// connection is not in the list, but waits for it.
func (f *files) ReadDir(name string) ([]os.FileInfo, error) {
	if !f.session.enter() {
		return nil, net.ErrClosed
	}
	defer f.session.release() // after the sweep
	verb := f.session.running()
	list := []os.FileInfo{}
	var parts []string
	at := ""
	may := f.user.account.MayList(name) || isPattern(verb, name) && f.user.account.MayList(path.Dir(name))
	err := f.do(name, may, func(rel string) error {
		l, err := f.openListing(rel, "", verb)
		if err != nil && isPattern(verb, rel) && isAny(err, fs.ErrNotExist, syscall.ENOTDIR) {
			dir := path.Dir(rel)
			f.session.context.SetListPath(path.Join("/", dir))
			l, err = f.openListing(dir, path.Base(rel), verb)
		}
		if err != nil {
			return err
		}
		if f.session.stash(l) {
			return nil
		}
		defer l.close()
		found, err := l.entries()
		at, parts = l.rel, l.parts
		for _, e := range found {
			list = append(list, e)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	f.sweep(at, parts)
	return list, nil
}
