package static

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

const (
	partPrefix, partSuffix = ".gtwistd-", ".part"

	// maxName is what most file systems allow, in bytes.
	maxName = 255

	// partMaxAge is how long an unfinished upload can be taken up again.
	partMaxAge = 7 * 24 * time.Hour
)

// part is an upload before it has its name: a file beside it that clients never see, locked against everybody else. All
// methods make blocking calls.
type part struct {
	dir  *os.Root
	name string
	file *os.File
}

// partName is how the part of a file is called.
func partName(name string) string {
	if len(partPrefix)+len(name)+len(partSuffix) > maxName {
		sum := sha256.Sum256([]byte(name))
		name = hex.EncodeToString(sum[:])
	}
	return partPrefix + name + partSuffix
}

// isPart says whether a name is one of an unfinished upload, which is never shown. Some file systems do not tell cases apart.
func isPart(name string) bool {
	return len(name) >= len(partPrefix)+len(partSuffix) &&
		strings.EqualFold(name[:len(partPrefix)], partPrefix) && strings.EqualFold(name[len(name)-len(partSuffix):], partSuffix)
}

// openPart opens the part of a file, to be written from offset on: what is there must be as long, unless offset is 0. The
// error is errLocked if somebody else writes it, and an *offsetError if it has another length. Without an error the part
// owns dir.
func openPart(dir *os.Root, name string, offset int64) (*part, error) {
	flags := os.O_WRONLY | nonblock
	if offset == 0 {
		flags |= os.O_CREATE
	}
	for range 3 { // as many times as others may finish or remove the part while it is opened
		f, err := dir.OpenFile(partName(name), flags, 0o666)
		if errors.Is(err, fs.ErrNotExist) && offset > 0 {
			return nil, &offsetError{0}
		}
		if err != nil {
			return nil, err
		}
		p := &part{dir: dir, name: name, file: f}
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
func (p *part) take(offset int64) (again bool, err error) {
	if err := lock(p.file); err != nil {
		return false, err
	}
	info, err := p.file.Stat()
	if err != nil {
		return false, err
	}
	named, err := p.dir.Lstat(partName(p.name))
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
	if time.Since(info.ModTime()) > partMaxAge {
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
	info, err := dir.Lstat(partName(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil
	case err != nil:
		return 0, err
	case !info.Mode().IsRegular() || time.Since(info.ModTime()) > partMaxAge:
		return 0, nil
	}
	return info.Size(), nil
}

// finish gives the part its name, when it is on the disk: whatever happens, the name means nothing or the whole file. An
// existing file is replaced, or the error wraps fs.ErrExist.
func (p *part) finish(replace bool) error {
	if err := p.file.Sync(); err != nil {
		return err
	}
	if replace {
		return p.dir.Rename(partName(p.name), p.name)
	}
	return p.link()
}

// link gives the part its name if nobody has it.
func (p *part) link() error {
	err := p.dir.Link(partName(p.name), p.name)
	switch {
	case err == nil:
		return p.remove()
	case isAny(err, syscall.EPERM, syscall.ENOTSUP, syscall.ENOSYS, syscall.EMLINK):
		return p.claim()
	}
	return err
}

// claim does the same where there are no hard links: it takes the name with an empty file first.
func (p *part) claim() error {
	f, err := p.dir.OpenFile(p.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_ = f.Close() // nothing was written
	if err := p.dir.Rename(partName(p.name), p.name); err != nil {
		return errors.Join(err, p.dir.Remove(p.name))
	}
	return nil
}

func (p *part) remove() error { return p.dir.Remove(partName(p.name)) }

// close ends the lock and closes the directory. Data that did not reach the disk is the business of finish.
func (p *part) close() {
	_ = p.file.Close()
	_ = p.dir.Close()
}

// refusal is an upload that is not taken, and why in one line.
type refusal struct {
	status int
	reason string
}

func (e *refusal) Error() string { return e.reason }

var (
	errLocked    = &refusal{http.StatusLocked, "another upload of it is under way"}
	errExists    = &refusal{http.StatusConflict, "it exists"}
	errInstead   = &refusal{http.StatusConflict, "it would be sent in place of a file that exists"}
	errDirectory = &refusal{http.StatusConflict, "it is a directory"}
	errSpecial   = &refusal{http.StatusConflict, "it is no regular file"}
	errCondition = &refusal{http.StatusPreconditionFailed, "it is not what the condition says"}
	errName      = &refusal{http.StatusForbidden, "files with such a name are not taken"}
	errNowhere   = &refusal{http.StatusConflict, "no such directory"}
)

// offsetError says that an upload does not go on where the part ends.
type offsetError struct{ size int64 }

func (e *offsetError) Error() string { return "not where the unfinished upload ends" }
