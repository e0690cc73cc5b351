package ftp

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"github.com/gtwistd/gtwistd/internal/part"
)

// copyPiece is how much of a file is copied with one slot of the pool.
const copyPiece = 16 << 20

// openUpload is called outside of the pool.
func (f *files) openUpload(name string, more bool, offset int64) (*upload, error) {
	defer f.session.srv.shelf.forget()
	if err := f.user.account.Count(f.session.ctx); err != nil {
		return nil, f.told(name, err)
	}
	u := &upload{files: f, transfer: f.session.current()}
	err := f.do(name, true, func(rel string) error {
		u.rel = rel
		return u.open(more, offset)
	})
	for err == nil && u.source != nil {
		err = f.do(name, true, func(string) error { return u.copySome() })
	}
	if err == nil {
		return u, nil
	}
	if u.file != nil {
		_ = f.surely(func() error { u.discard(); return nil })
	}
	return nil, err
}

func (u *upload) open(more bool, offset int64) error {
	f := u.files
	info, err := f.user.root.Stat(u.rel)
	size := int64(-1)
	if err == nil {
		size, u.existed, u.mode = info.Size(), true, info.Mode().Perm()
	}
	switch {
	case !u.may(u.existed): // before all that tells what is there
		return errNoPermission
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case u.existed && info.IsDir():
		return syscall.EISDIR
	case u.existed && !info.Mode().IsRegular():
		return errNoPermission // the client is not to know what is there
	case f.isPrivate(u.rel), f.keeps(u.rel), u.existed && f.session.srv.isSecret(info):
		return errName
	case f.session.srv.direct || u.existed && (more || offset > 0 && offset == size):
		return u.openInPlace(more, offset)
	}
	return u.openPart(size, more, offset)
}

func (u *upload) openInPlace(more bool, offset int64) error {
	flags := os.O_WRONLY
	if more {
		flags |= os.O_APPEND
		u.appends = true
	}
	size, err := u.openFile(u.rel, flags)
	if err != nil {
		return err
	}
	u.existed = !u.made // it came or went since open looked
	switch {
	case !u.may(u.existed):
		return errNoPermission
	case more:
		offset = size
	case offset == 0:
		return u.cut(0)
	case offset > size:
		return errBeyond
	}
	return u.seek(offset)
}

// openPart opens the part, and fills it with what the upload goes on from. size is that of the file that it will replace.
func (u *upload) openPart(size int64, more bool, offset int64) error {
	if told := u.files.session.forget(u.rel); more {
		offset = told // 0 for a new file
	}
	u.part, u.resume = u.files.partOf(u.rel), true
	_, err := u.openFile(u.part, os.O_RDWR)
	if errors.Is(err, part.ErrLocked) && offset == 0 {
		// Nobody goes on with this one: the last to end has the name.
		u.part, u.resume = path.Join(path.Dir(u.rel), part.Name(rand.Text())), false
		_, err = u.openFile(u.part, os.O_RDWR)
	}
	if err != nil {
		return err
	}
	if u.existed {
		_ = u.file.Chmod(u.mode | 0o600) // another's, perhaps, or on a file system without
	}
	info, err := u.file.Stat()
	if err != nil {
		return err
	}
	have := info.Size()
	if isOld(info) {
		have = 0
	}
	switch {
	case u.made && offset == 0:
		return nil
	case offset != have && offset > 0 && offset <= size:
		return u.beginCopy(offset)
	case offset > have:
		return errBeyond
	}
	return u.cut(offset)
}

// openFile opens and locks the file that is written, or makes it, and begins to count it.
func (u *upload) openFile(name string, flags int) (size int64, err error) {
	err = u.files.user.account.Change(func() (lost fs.FileInfo, err error) {
		file, lost, err := u.find(name, flags)
		if err != nil {
			return lost, err
		}
		if size, err = u.begin(file, name); err == nil {
			return lost, nil
		}
		_ = file.Close()
		if u.made {
			err = errors.Join(err, u.files.user.root.Remove(name))
			u.room.Close(-1)
			u.made = false
		}
		return lost, err
	})
	return size, err
}

// find opens the file, or makes it. A part that is the file already, as a kill came between link(2) and the removal
// of the part where there is no renameat2(2), is removed.
func (u *upload) find(name string, flags int) (file *os.File, lost fs.FileInfo, err error) {
	root := u.files.user.root
	file, err = root.OpenFile(name, flags|nonblock, 0)
	if err == nil && u.part != "" {
		if lost = u.whole(file); lost != nil {
			_ = file.Close()
			if err := root.Remove(u.part); err != nil {
				return nil, nil, err
			}
			err = fs.ErrNotExist
		}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return file, lost, err
	}
	room, err := u.files.user.account.Upload(-1)
	if err != nil {
		return nil, lost, err
	}
	if file, err = root.OpenFile(name, flags|nonblock|os.O_CREATE|os.O_EXCL, 0o666); err != nil {
		room.Close(-1)
		return nil, lost, err
	}
	u.room, u.made = room, true
	return file, lost, nil
}

// whole describes the open part if it is the file, too.
func (u *upload) whole(file *os.File) fs.FileInfo {
	info, err := file.Stat()
	if err != nil {
		return nil
	}
	if named, err := u.files.user.root.Lstat(u.rel); err != nil || !os.SameFile(info, named) {
		return nil
	}
	return info
}

// begin locks what was opened and counts it, if it still has that name and nobody writes it.
func (u *upload) begin(file *os.File, name string) (size int64, err error) {
	look := u.files.user.root.Lstat
	if u.part == "" {
		look = u.files.user.root.Stat
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errSpecial
	}
	if err == nil {
		err = part.Lock(file)
	}
	if isLockless(err) {
		err = nil // Hold keeps out those of this process
	}
	if err != nil {
		return 0, err
	}
	if named, err := look(name); err != nil || !named.Mode().IsRegular() || !os.SameFile(info, named) {
		return 0, part.ErrLocked // another process has it
	}
	if !u.made {
		if info, err = file.Stat(); err != nil {
			return 0, err // the size may be another since the lock
		}
		if u.room, err = u.files.user.account.Upload(info.Size()); err != nil {
			return 0, err
		}
	}
	if !u.room.Hold(info) {
		u.room.Close(info.Size())
		return 0, part.ErrLocked
	}
	u.file = file
	return info.Size(), nil
}

// cut makes the file so long, and goes on there.
func (u *upload) cut(size int64) error {
	if err := u.file.Truncate(size); err != nil {
		return err
	}
	u.room.Cut(size)
	return u.seek(size)
}

func (u *upload) seek(offset int64) error {
	u.at = offset
	_, err := u.file.Seek(offset, io.SeekStart)
	return err
}

// beginCopy prepares the part for the first n bytes of the file that the upload will replace.
func (u *upload) beginCopy(n int64) error {
	if err := u.cut(0); err != nil {
		return err
	}
	for end := int64(0); end < n; {
		granted, err := u.room.Reserve(end, n-end)
		if err != nil {
			return err
		}
		end += granted
	}
	source, _, err := u.files.open(u.rel)
	if err != nil {
		return err
	}
	u.source, u.left = source, n
	return nil
}

// copySome copies some of it. On Linux the kernel does it, and on some file systems without copying.
func (u *upload) copySome() error {
	if err := u.files.session.abandoned(u.transfer); err != nil {
		return err
	}
	n, err := io.CopyN(u.file, u.source, min(u.left, copyPiece))
	u.at += n
	u.left -= n
	switch {
	case err == io.EOF: // it was made shorter meanwhile
		return errBeyond
	case err != nil:
		return err
	case u.left == 0:
		_ = u.source.Close()
		u.source = nil
	}
	return nil
}

// isLockless says that a file system has no locks: some of those in a network and of FUSE.
func isLockless(err error) bool { return isAny(err, errors.ErrUnsupported, syscall.ENOLCK) }
