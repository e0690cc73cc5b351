package ftp

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"syscall"

	ftpserver "github.com/fclairamb/ftpserverlib"

	"github.com/gtwistd/gtwistd/services/ftp/accounts"
)

// tooMuch are the limits behind which no upload can be gone on with: a part would fill the quota for nothing.
var tooMuch = []error{accounts.ErrTooLarge, accounts.ErrQuota, ftpserver.ErrStorageExceeded}

// discard ends what came to nothing: what was made for it goes.
func (u *upload) discard() {
	copying := u.source != nil
	if copying {
		_ = u.source.Close()
	}
	info, err := u.file.Stat()
	if u.made || copying || u.part != "" && err == nil && info.Size() == 0 {
		u.remove()
	} else {
		u.stored()
	}
	_ = u.file.Close()
}

// stored ends the counting of a file that stays.
func (u *upload) stored() {
	_ = u.files.user.account.Change(func() (fs.FileInfo, error) {
		u.count()
		return nil, nil
	})
}

// count is called within Change: whoever removes the file has seen it as large as it is counted, or it is still held.
func (u *upload) count() {
	size := u.at
	if info, err := u.file.Stat(); err == nil {
		size = info.Size()
	}
	u.room.Close(size)
}

// remove removes what is written, if it still has its name, and ends the counting.
func (u *upload) remove() {
	name := u.part
	if name == "" {
		name = u.rel
	}
	_ = u.files.user.account.Change(func() (fs.FileInfo, error) {
		err := u.isNamed(name)
		if err == nil {
			err = u.files.user.root.Remove(name)
		}
		if err == nil {
			u.room.Close(-1)
		}
		u.count() // unless it was just now
		return nil, nil
	})
}

// stay ends the counting of a file that was written in place, and says if nothing is left of it.
func (u *upload) stay() error {
	u.stored()
	if isUnlinked(u.file) {
		return errUnlinked
	}
	return nil
}

// isNamed says that a name is that of the open file. Directories can be exchanged. Called within Change.
func (u *upload) isNamed(name string) error {
	info, err := u.file.Stat()
	if err != nil {
		return err
	}
	named, err := u.files.user.root.Lstat(name)
	if err != nil || !os.SameFile(info, named) {
		return errMoved
	}
	return nil
}

func (u *upload) close() error {
	switch {
	case u.part != "" && u.err != nil && (!u.resume || u.at == 0 || isAny(u.err, tooMuch...)):
		u.remove()
	case u.part != "" && u.err == nil:
		return u.finish()
	case u.err == nil:
		return errors.Join(u.stay(), u.file.Close())
	default:
		u.stored()
	}
	return u.file.Close()
}

// finish gives the part its name. Its lock is kept until then, where a name can be given to an open file. Nothing is forced to
// the disk, as by vsftpd and pure-ftpd: it would take longer than the transfer.
func (u *upload) finish() error {
	if u.existed && u.mode&0o600 != 0o600 {
		_ = u.file.Chmod(u.mode)
	}
	err := u.files.user.account.Change(u.settle)
	switch {
	case err != nil && (!u.resume || errors.Is(err, errTaken)):
		u.remove()
	case runtime.GOOS == "windows" && err == nil:
		return nil // settle has closed it
	default:
		u.stored()
	}
	return errors.Join(err, u.file.Close())
}

// settle does it, and returns what is replaced. Meanwhile others may have swapped directories, uploaded a file of that name, or
// taken away the right to do so.
func (u *upload) settle() (lost fs.FileInfo, err error) {
	root := u.files.user.root
	if err := u.isNamed(u.part); err != nil {
		return nil, err
	}
	old, err := root.Lstat(u.rel)
	exists := err == nil
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	case exists && old.IsDir():
		return nil, syscall.EISDIR
	case exists && !old.Mode().IsRegular() && old.Mode()&fs.ModeSymlink == 0:
		return nil, errSpecial
	case exists && !u.existed && !u.may(true):
		return nil, errTaken
	case !u.may(exists):
		return nil, errNoPermission
	}
	if runtime.GOOS == "windows" {
		u.count()
		if err := u.file.Close(); err != nil {
			return nil, err
		}
	}
	if !exists && !u.may(true) {
		err := renameNew(root, u.part, u.rel) // also not for another process
		if errors.Is(err, fs.ErrExist) {
			return nil, errTaken
		}
		return nil, err
	}
	if err := root.Rename(u.part, u.rel); err != nil || !exists {
		return nil, err
	}
	return old, nil
}
