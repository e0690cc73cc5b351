package ftp

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"syscall"

	"github.com/gtwistd/gtwistd/services/ftp/accounts"
)

// copyPiece is how much of a file is copied with one slot of the pool.
const copyPiece = 16 << 20

var (
	errLocked = &refusal{450, "another upload of it is under way"}
	errTaken  = &refusal{553, "somebody else has uploaded a file of that name meanwhile"}
	errMoved  = &refusal{451, "the directory was moved or removed meanwhile"}
)

// upload is a file that comes in: a part, which becomes the file when all is there, or the file itself.
//
//	STOR            into a part, whose place in the directory the file takes at the end
//	REST n, STOR    goes on with the part if it has n bytes; else with a copy of the first n bytes of the file; with a part
//	                that has more; at the end of the file, in place, if it has n
//	APPE            at the end of the file, in place; if there is none, of the part that SIZE told this client of
//
// A part that is broken off stays, for a week. Whatever is written is locked: nobody else writes it.
type upload struct {
	files    *files
	session  *session
	transfer *transfer
	rel      string
	file     *os.File
	room     *accounts.Upload // counts for the quota
	part     string           // below the root; "" in place
	resume   bool             // the part can be found again
	made     bool             // what is written was not there before
	existed  bool             // there was a file of that name, so that another right is needed
	mode     fs.FileMode      // of that file
	source   *os.File         // it, as long as left bytes of it are to be copied; nil for none
	left     int64
	appends  bool // each write goes to the end of the file
	at       int64
	err      error
}

// openUpload is called outside of the pool.
func (f *files) openUpload(name string, more bool, offset int64) (*upload, error) {
	defer f.session.srv.shelf.forget()
	if err := f.user.account.Count(f.session.ctx); err != nil {
		return nil, f.told(name, err)
	}
	u := &upload{files: f, session: f.session, transfer: f.session.current()}
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

// may says whether the user may upload the file now; a reload can change that in the middle.
func (u *upload) may(exists bool) bool {
	return u.files.user.account.MayUpload(u.files.shown(u.rel), exists)
}

func (u *upload) openInPlace(more bool, offset int64) error {
	flags := os.O_WRONLY
	if more {
		flags |= os.O_APPEND
		u.appends = true
	}
	size, err := u.openFile(u.rel, flags)
	switch {
	case err != nil:
		return err
	case !u.may(!u.made): // it came or went since open looked
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
	if told := u.session.forget(u.rel); more {
		offset = told // 0 for a new file
	}
	u.part, u.resume = u.files.partOf(u.rel), true
	_, err := u.openFile(u.part, os.O_RDWR)
	if errors.Is(err, errLocked) && offset == 0 {
		// Nobody goes on with this one: the last to end has the name.
		u.part, u.resume = path.Join(path.Dir(u.rel), partPrefix+rand.Text()+partSuffix), false
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

// find opens the file, or makes it. A part that is the file already, as a kill came between the two halves of link, is removed.
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
func (u *upload) whole(part *os.File) fs.FileInfo {
	info, err := part.Stat()
	if err != nil {
		return nil
	}
	if file, err := u.files.user.root.Lstat(u.rel); err != nil || !os.SameFile(info, file) {
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
		err = lock(file)
	}
	if u.part == "" && errors.Is(err, errors.ErrUnsupported) {
		err = nil // there are no locks there: Hold keeps out those of this process
	}
	if err != nil {
		return 0, err
	}
	if named, err := look(name); err != nil || !named.Mode().IsRegular() || !os.SameFile(info, named) {
		return 0, errLocked // another process has it
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
		return 0, errLocked
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
	if err := u.session.ctx.Err(); err != nil {
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

// ReadFrom implements io.ReaderFrom: the connection is read in large pieces.
func (u *upload) ReadFrom(r io.Reader) (int64, error) {
	if conn, ok := r.(*dataConn); ok {
		return conn.receive(u)
	}
	return io.Copy(struct{ io.Writer }{u}, r)
}

// Write implements io.Writer.
func (u *upload) Write(p []byte) (total int, err error) {
	return u.store(len(p), func(most int) (int, error) {
		n, err := u.file.Write(p[:most])
		p = p[n:]
		return n, err
	})
}

// store has write write n bytes, or what the quota has room for, as long as the user may.
func (u *upload) store(n int, write func(most int) (int, error)) (total int, err error) {
	if !u.may(u.existed) {
		return 0, errNoPermission
	}
	for total < n {
		room, err := u.room.Reserve(u.at, int64(n-total))
		if err != nil {
			return total, err
		}
		written, err := write(int(room))
		total += written
		u.at += int64(written)
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// Read implements io.Reader, which nobody does.
func (u *upload) Read([]byte) (int, error) { return 0, errNotHere }

// Seek implements io.Seeker: the file is where it has to be.
func (u *upload) Seek(int64, int) (int64, error) { return u.at, nil }

// TransferError implements ftpserver.FileTransferError.
func (u *upload) TransferError(err error) {
	u.err = err
	u.session.failed(u.transfer, err)
}

// Close implements io.Closer: all is there, unless TransferError was called or the session knows better.
func (u *upload) Close() error {
	defer u.session.fileClosed(u.transfer)
	defer u.session.srv.shelf.forget()
	if u.err == nil {
		u.err = u.session.interrupted(u.transfer)
	}
	err := u.files.surely(u.close)
	if u.err == nil && err != nil {
		return u.files.told("", err)
	}
	return nil
}

func (u *upload) close() error {
	switch {
	case u.part != "" && u.err != nil && (!u.resume || u.at == 0):
		u.remove()
	case u.part != "" && u.err == nil:
		return u.finish()
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
