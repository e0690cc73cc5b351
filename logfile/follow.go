package logfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// place is what is known about where the live file lies, to decide what may be done to it as root.
type place struct {
	created bool // it was not there before
	linked  bool // the last element of the path is a symbolic link
	shared  bool // others than root can put files into its directory
}

// openPlainly opens name like any other process does.
func openPlainly(name string, mode fs.FileMode) (*os.File, place, error) {
	file, created, err := openIn(os.OpenFile, name, mode)
	return file, place{created: created}, explain(name, err)
}

// openIn opens name for appending and reports whether it had to create it. It never truncates and never waits for a
// pipe's reader.
func openIn(openFile func(string, int, fs.FileMode) (*os.File, error), name string, mode fs.FileMode) (file *os.File, created bool, err error) {
	const flags = os.O_WRONLY | os.O_APPEND | openFlags
	// Another process may create or remove the file between two steps.
	for range 10 {
		file, err = openFile(name, flags, 0)
		if !errors.Is(err, fs.ErrNotExist) {
			return file, false, err
		}
		file, err = openFile(name, flags|os.O_CREATE|os.O_EXCL, mode)
		if err == nil {
			// Best effort: the umask may have taken bits away, and some file systems have no modes.
			_ = file.Chmod(mode)
			return file, true, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, false, err
		}
	}
	// A symbolic link to a file that does not exist yet: O_EXCL does not follow it.
	file, err = openFile(name, flags|os.O_CREATE, mode)
	return file, false, err
}

// adopt makes file the live one and closes the one before.
func (f *File) adopt(file *os.File, p place) error {
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return err
	}
	now := f.o.Now()
	day := dayOf(now)
	if info.Mode().IsRegular() && info.Size() > 0 {
		day = dayOf(info.ModTime().In(now.Location()))
	}
	// A clock that was set back must not make a second rotation of the same day: the later day stays.
	f.day = max(f.day, day)
	if f.file != nil {
		f.file.Close()
	}
	f.file, f.info, f.place, f.wrote, f.torn = file, info, p, 0, false
	if f.o.OnOpen != nil {
		f.o.OnOpen(file)
	}
	return nil
}

// present makes sure that a write reaches a file that has a name. A file that was moved away is replaced by a new one; if that is
// not allowed, writing to the moved one goes on, for nothing is lost there.
func (f *File) present() error {
	if f.file == nil {
		return f.reopen()
	}
	if !f.follow || f.inPlace() {
		return nil
	}
	if err := f.reopen(); err != nil {
		if f.file == nil || unlinked(f.file) {
			return err
		}
		f.warn("reopen", "log file cannot be opened anew at its path, lines go on into the old one", "path", f.name, "error", err)
		return nil
	}
	delete(f.said, "reopen")
	return nil
}

// inPlace reports whether the path still names the open file.
func (f *File) inPlace() bool {
	info, err := os.Stat(f.path)
	return err == nil && os.SameFile(info, f.info)
}

// reopen opens the path anew; a file that it creates gets mode and owner of the one before.
func (f *File) reopen() error {
	if f.outside {
		return fmt.Errorf("%q lies outside the root directory: %w", f.name, fs.ErrNotExist)
	}
	mode := f.o.Mode
	if f.info.Mode().IsRegular() {
		mode = f.info.Mode().Perm()
	}
	file, p, err := openSafely(f.path, mode, f.o.User)
	if err != nil {
		return err
	}
	if p.created {
		sameOwner(file, f.info)
	}
	return f.adopt(file, p)
}

// Reopen opens the path anew if it no longer names the open file, as after `mv` or logrotate, and reports whether that was
// so. On an error the old file stays in use.
func (f *File) Reopen() (moved bool, err error) {
	f.mu.Lock()
	defer f.unlock()
	switch {
	case f.closed:
		return false, fmt.Errorf("log file %q: %w", f.name, fs.ErrClosed)
	case f.outside:
		return false, fmt.Errorf("log file %q: outside the root directory of the process: %w", f.name, fs.ErrPermission)
	case special(f.path), f.file != nil && f.inPlace():
		return false, nil
	}
	if err := f.reopen(); err != nil {
		return true, fmt.Errorf("log file: %w", err)
	}
	delete(f.said, "reopen")
	return true, nil
}

// Chown gives the live file to a user and a group, before the process becomes that user; -1 leaves one as it is. Files of later
// days are created by that user anyway. Devices and pipes keep their owner. So does a file that somebody else may have
// put there for root to give away: one with several names, one whose path is a symbolic link, and in a directory that
// others than root can write to, one that Open did not create and that is not the user's; Warn is told once that the user may
// be unable to open it again. On Windows it is an error.
func (f *File) Chown(uid, gid int) error {
	f.mu.Lock()
	defer f.unlock()
	if f.file == nil || !f.info.Mode().IsRegular() {
		return nil
	}
	info, err := f.file.Stat() // it may have got more names since
	if err != nil {
		return fmt.Errorf("log file: %w", err)
	}
	if belongs(info, uid, gid) {
		return nil
	}
	if reason := f.place.reserved(info, uid); reason != "" {
		f.warn("chown", "log file keeps its owner, so the user that this process becomes may be unable to open it again",
			"path", f.name, "reason", reason)
		return nil
	}
	if err := f.file.Chown(uid, gid); err != nil {
		return fmt.Errorf("log file: %w", err)
	}
	if info, err := f.file.Stat(); err == nil {
		f.info = info
	}
	return nil
}

// Chroot tells the file that the process has made dir its root directory: rotations and reopenings use the path inside it.
// dir is an absolute path without symbolic links. If the file does not lie in dir, writing goes on, and Warn is told
// once that the file will not be rotated.
func (f *File) Chroot(dir string) {
	f.mu.Lock()
	defer f.unlock()
	for _, path := range []string{f.path, f.name} {
		rel, err := filepath.Rel(dir, path)
		if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
			continue
		}
		inside := filepath.Join(string(filepath.Separator), rel)
		if info, err := os.Stat(inside); err == nil && os.SameFile(info, f.info) {
			f.path = inside
			return
		}
	}
	if f.follow {
		f.warn("chroot", "log file lies outside the new root directory and is no longer rotated", "path", f.name, "root", dir)
	}
	f.follow, f.outside = false, true
}
