package ftp

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
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

// entryOf shows what clients understand: permissions, and whether it is a directory. Times are UTC, names have NUL for a
// newline.
func entryOf(name string, info fs.FileInfo) *entry {
	if name == "." {
		name = "/"
	}
	return &entry{strings.ReplaceAll(name, "\n", "\x00"), info.Size(), info.Mode() & (fs.ModeDir | fs.ModePerm), info.ModTime().UTC()}
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

// ReadDir implements ftpserver.ClientDriverExtensionFileList: sorted by name, links as what they lead to.
func (f *files) ReadDir(name string) ([]os.FileInfo, error) {
	verb, pattern := f.session.running(), ""
	var dir *os.File
	var rel string
	may := f.user.account.MayList(name) || isPattern(verb, name) && f.user.account.MayList(path.Dir(name))
	err := f.do(name, may, func(at string) error {
		info, err := f.stat(at)
		if errors.Is(err, fs.ErrNotExist) && isPattern(verb, at) {
			at, pattern = path.Dir(at), path.Base(at)
			info, err = f.stat(at)
		}
		if err == nil && !info.IsDir() {
			err = syscall.ENOTDIR
		}
		if err == nil {
			dir, err = f.user.root.Open(at)
		}
		rel = at
		return err
	})
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	if pattern != "" {
		f.session.context.SetListPath(path.Join("/", rel))
	}
	list := []os.FileInfo{}
	var parts []string
	at := filepath.Join(f.user.path, filepath.FromSlash(rel)) + string(filepath.Separator)
	for more := true; more; {
		err := f.do(name, may, func(string) error {
			found, err := dir.ReadDir(batch)
			more = err == nil && len(found) > 0
			if err != nil && err != io.EOF {
				return err
			}
			for _, d := range found {
				if isPart(d.Name()) && len(parts) < maxSweep {
					parts = append(parts, d.Name())
				}
				if e := f.entry(rel, at, d, pattern); e != nil {
					list = append(list, e)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	f.sweep(rel, parts)
	slices.SortFunc(list, func(a, b os.FileInfo) int { return strings.Compare(a.Name(), b.Name()) })
	if f.session.stash(list) {
		return nil, nil
	}
	return list, nil
}

// entry returns nil for what is not shown. The directory is dir below the root, and at in the file system. It makes blocking
// calls.
func (f *files) entry(dir, at string, d fs.DirEntry, pattern string) *entry {
	name := d.Name()
	if isPart(name) {
		return nil
	}
	if pattern != "" {
		if ok, err := path.Match(pattern, name); err != nil || !ok {
			return nil
		}
	}
	info, err := d.Info()
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		rel := path.Join(dir, name)
		info, err = f.user.root.Stat(rel)
		if err == nil && f.isPrivate(rel) {
			return nil
		}
	}
	switch {
	case err != nil, !info.IsDir() && !info.Mode().IsRegular():
		return nil
	case f.session.srv.private(at + name):
		return nil
	}
	return entryOf(name, info)
}
