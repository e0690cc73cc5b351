package static

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/gtwistd/gtwistd/internal/part"
	"github.com/gtwistd/gtwistd/internal/regular"
)

// pending is an upload before it has its name: a part. All methods make blocking calls.
type pending struct {
	dir  *os.Root
	name string
	file *os.File
}

// openPart opens the part of a file, to be written from offset on: what is there must be as long, unless offset is 0. The
// error is errLocked if somebody else writes it, and an *offsetError if it has another length. Without an error the part
// owns dir.
func openPart(dir *os.Root, name string, offset int64) (*pending, error) {
	flags := os.O_WRONLY | regular.Nonblock
	if offset == 0 {
		flags |= os.O_CREATE
	}
	for range 3 { // as many times as others may finish or remove the part while it is opened
		f, err := dir.OpenFile(part.Name(name), flags, 0o666)
		if errors.Is(err, fs.ErrNotExist) && offset > 0 {
			return nil, &offsetError{0}
		}
		if err != nil {
			return nil, err
		}
		p := &pending{dir: dir, name: name, file: f}
		again, err := p.take(offset)
		if err == nil && !again {
			return p, nil
		}
		_ = f.Close()
		if err != nil {
			return nil, err
		}
	}
	return nil, errLocked
}

// take locks the part and sees to its length. again says that the file lost its name meanwhile.
func (p *pending) take(offset int64) (again bool, err error) {
	err = part.Lock(p.file)
	if errors.Is(err, part.ErrLocked) {
		return false, errLocked
	}
	if err != nil {
		return false, err
	}
	info, err := p.file.Stat()
	if err != nil {
		return false, err
	}
	named, err := p.dir.Lstat(part.Name(p.name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true, nil
	case err != nil:
		return false, err
	case !named.Mode().IsRegular():
		return false, errSpecial
	case !os.SameFile(info, named):
		return true, nil
	}
	if final, err := p.dir.Lstat(p.name); err == nil && os.SameFile(info, final) {
		return true, p.remove() // a kill between the two halves of link: the file is whole, and must stay so
	}
	if offset == 0 {
		return false, p.file.Truncate(0)
	}
	size := info.Size()
	if time.Since(info.ModTime()) > part.MaxAge {
		size = 0
	}
	if size != offset {
		return false, &offsetError{size}
	}
	_, err = p.file.Seek(offset, io.SeekStart)
	return false, err
}

// partSize returns how much of an unfinished upload there is, 0 if there is none.
func partSize(dir *os.Root, name string) (int64, error) {
	info, err := dir.Lstat(part.Name(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil
	case err != nil:
		return 0, err
	case !info.Mode().IsRegular() || time.Since(info.ModTime()) > part.MaxAge:
		return 0, nil
	}
	return info.Size(), nil
}

// finish gives the part its name, when it is on the disk: whatever happens, the name means nothing or the whole file. An
// existing file is replaced, or the error wraps fs.ErrExist.
func (p *pending) finish(replace bool) error {
	if err := p.file.Sync(); err != nil {
		return err
	}
	if replace {
		return p.dir.Rename(part.Name(p.name), p.name)
	}
	return p.link()
}

// link gives the part its name if nobody has it.
func (p *pending) link() error {
	err := p.dir.Link(part.Name(p.name), p.name)
	switch {
	case err == nil:
		return p.remove()
	case isAny(err, syscall.EPERM, syscall.ENOTSUP, syscall.ENOSYS, syscall.EMLINK):
		return p.claim()
	}
	return err
}

// claim does the same where there are no hard links: it takes the name with an empty file first.
func (p *pending) claim() error {
	f, err := p.dir.OpenFile(p.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_ = f.Close() // nothing was written
	if err := p.dir.Rename(part.Name(p.name), p.name); err != nil {
		return errors.Join(err, p.dir.Remove(p.name))
	}
	return nil
}

func (p *pending) remove() error { return p.dir.Remove(part.Name(p.name)) }

// close ends the lock and closes the directory. Data that did not reach the disk is the business of finish.
func (p *pending) close() {
	_ = p.file.Close()
	_ = p.dir.Close()
}
