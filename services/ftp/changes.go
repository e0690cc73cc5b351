package ftp

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// changed is the record of what was done to a file, or was not for want of a right.
func (f *files) changed(what, name string, err error, more ...any) error {
	f.session.srv.shelf.forget() // also of what failed in the middle
	about := append([]any{"user", f.user.name, "path", f.session.recorded(name)}, more...)
	switch {
	case err == nil:
		f.session.log.Info(what, about...)
	case errors.Is(err, errNoPermission):
		f.session.log.Warn("change refused", append(about, "command", f.session.running(), "reason", err)...)
	}
	return err
}

// Mkdir implements afero.Fs. The umask decides on the mode.
func (f *files) Mkdir(name string, _ fs.FileMode) error {
	if err := f.user.account.Count(f.session.ctx); err != nil {
		return f.told(name, err)
	}
	return f.changed("directory made", name, f.do(name, f.user.account.MayMkdir(name), func(rel string) error {
		if f.isPrivate(rel) || f.keeps(rel) {
			return errName
		}
		if err := f.user.account.Mkdir(); err != nil {
			return err
		}
		err := f.user.root.Mkdir(rel, 0o777)
		if err != nil {
			f.user.account.NoDir()
		}
		return err
	}))
}

// remove removes a name, and counts what it was.
func (f *files) remove(rel string) error {
	return f.user.account.Change(func() (fs.FileInfo, error) {
		info, err := f.user.root.Lstat(rel)
		if err == nil {
			err = f.user.root.Remove(rel)
		}
		if err != nil {
			return nil, err
		}
		return info, nil
	})
}

// Remove implements afero.Fs: it removes files, and links to them.
func (f *files) Remove(name string) error {
	return f.changed("deleted", name, f.do(name, f.user.account.MayDelete(name), func(rel string) error {
		info, err := f.user.root.Lstat(rel)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return f.removePart(rel)
		case err != nil:
			return err
		case info.IsDir():
			return syscall.EISDIR
		case f.isPrivate(rel), f.session.srv.isSecret(info), !f.isShown(rel, info):
			return notExist(rel)
		case f.keeps(rel):
			return errNoPermission
		}
		return f.remove(rel)
	}))
}

// isShown says whether clients know of what has the name: a file, a directory, or a link to one that is below the root. info
// is that of the link.
func (f *files) isShown(rel string, info fs.FileInfo) bool {
	if info.Mode()&fs.ModeSymlink != 0 {
		_, err := f.stat(rel)
		return err == nil
	}
	return info.Mode().IsRegular() || info.IsDir()
}

// isDirectory says the same of directories and links to them.
func (f *files) isDirectory(rel string, info fs.FileInfo) bool {
	if info.Mode()&fs.ModeSymlink != 0 {
		found, err := f.stat(rel)
		return err == nil && found.IsDir()
	}
	return info.IsDir()
}

// RemoveDir implements ftpserver.ClientDriverExtensionRemoveDir. What clients cannot see does not keep a directory.
func (f *files) RemoveDir(name string) error {
	return f.changed("directory deleted", name, f.do(name, f.user.account.MayDelete(name), func(rel string) error {
		info, err := f.user.root.Lstat(rel)
		switch {
		case rel == ".":
			return errRoot
		case err != nil:
			return err
		case !info.IsDir():
			return syscall.ENOTDIR
		case f.isPrivate(rel):
			return notExist(rel)
		case f.keeps(rel):
			return errNoPermission
		}
		err = f.remove(rel)
		if isAny(err, syscall.ENOTEMPTY, syscall.EEXIST) && f.removeParts(rel) {
			err = f.remove(rel)
		}
		if isAny(err, syscall.EEXIST) { // on some systems
			err = syscall.ENOTEMPTY
		}
		return err
	}))
}

// Rename implements afero.Fs. A file takes the place of another, a directory of none.
func (f *files) Rename(from, to string) error {
	return f.changed("renamed", from, f.do(to, true, func(rel string) error {
		source, err := f.local(from)
		if err != nil {
			return err
		}
		info, err := f.user.root.Lstat(rel)
		exists := err == nil
		switch {
		case source == "." || rel == ".":
			return errRoot
		case !f.user.account.MayRename(from, to, exists):
			return errNoPermission
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return err
		case exists && f.isDirectory(rel, info):
			return fs.ErrExist
		case f.isPrivate(rel), f.keeps(rel), exists && f.session.srv.isSecret(info):
			return errName
		case exists && !f.isShown(rel, info):
			return errNoPermission // the client is not to know what is there
		}
		switch moved, err := f.stat(source); {
		case err != nil:
			return err
		case exists && moved.IsDir(): // rename(2) would say that the file is not a directory
			return fs.ErrExist
		}
		if f.keeps(source) {
			return errNoPermission
		}
		return f.rename(source, rel, exists)
	}), "to", f.session.recorded(to))
}

// rename changes a name, and counts what had it before, which must not be unless over says so.
func (f *files) rename(from, to string, over bool) error {
	return f.user.account.Change(func() (lost fs.FileInfo, err error) {
		source, err := f.user.root.Lstat(from)
		if err != nil {
			return nil, err
		}
		old, err := f.user.root.Lstat(to)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		case !over || old.IsDir():
			return nil, fs.ErrExist
		case !os.SameFile(source, old): // else both names stay
			lost = old
		}
		if over {
			err = f.user.root.Rename(from, to)
		} else {
			err = renameNew(f.user.root, from, to)
		}
		if err != nil {
			return nil, err
		}
		return lost, nil
	})
}

// Chmod implements afero.Fs, for SITE CHMOD.
func (f *files) Chmod(name string, mode fs.FileMode) error {
	return f.changed("mode changed", name, f.do(name, f.user.account.MaySetTime(name), func(rel string) error {
		if rel == "." {
			return errRoot
		}
		if _, err := f.stat(rel); err != nil {
			return err
		}
		if f.keeps(rel) || f.guarded() && f.keeps(f.resolve(rel)) {
			return errNoPermission
		}
		return f.user.root.Chmod(rel, mode)
	}), "mode", mode)
}

// Chtimes implements afero.Fs, for MFMT and SITE UTIME.
func (f *files) Chtimes(name string, atime, mtime time.Time) error {
	return f.changed("time changed", name, f.do(name, f.user.account.MaySetTime(name), func(rel string) error {
		if _, err := f.stat(rel); err != nil {
			return err
		}
		return f.user.root.Chtimes(rel, atime, mtime)
	}), "modified", mtime.UTC())
}
