package ftp

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/gtwistd/gtwistd/services/ftp/accounts"
)

const (
	// An unfinished upload has such a name beside its own; the web service hides it, too.
	partPrefix, partSuffix = ".gtwistd-", ".part"

	// maxName is what most file systems allow, in bytes.
	maxName = 255

	// partMaxAge is how long an unfinished upload can be taken up again.
	partMaxAge = 7 * 24 * time.Hour
)

var errLocked = &refusal{450, "another upload of it is under way"}

// partName is how the part of a file is called.
func partName(name string) string {
	if len(partPrefix)+len(name)+len(partSuffix) > maxName {
		sum := sha256.Sum256([]byte(name))
		name = hex.EncodeToString(sum[:])
	}
	return partPrefix + name + partSuffix
}

// isPart says whether a name is one of an unfinished upload. Some file systems do not tell cases apart.
func isPart(name string) bool {
	return len(name) >= len(partPrefix)+len(partSuffix) &&
		strings.EqualFold(name[:len(partPrefix)], partPrefix) && strings.EqualFold(name[len(name)-len(partSuffix):], partSuffix)
}

func partOf(rel string) string { return path.Join(path.Dir(rel), partName(path.Base(rel))) }

// upload is a file that comes in: a part, which becomes the file when all is there, or the file itself.
//
//	STOR            into a part, whose place in the directory the file takes at the end
//	REST n, STOR    goes on with the part if it has n bytes; else with a copy of the first n bytes of the file; with a part
//	                that has more; at the end of the file, in place, if it has n
//	APPE            at the end of the file, in place; if there is none, of the part that SIZE told this client of
//
// A part that is broken off stays, for a week.
type upload struct {
	files    *files
	session  *session
	transfer *transfer
	rel      string
	file     *os.File
	part     string           // below the root; "" in place
	resume   bool             // the part can be found again
	replaced int64            // bytes of the file that goes, -1 for none
	room     *accounts.Upload // counts for the quota
	at       int64
	err      error
}

// openUpload makes blocking calls only, for the pool.
func (f *files) openUpload(rel string, more bool, offset int64) (*upload, error) {
	u := &upload{files: f, session: f.session, transfer: f.session.current(), rel: rel}
	info, err := f.user.root.Stat(rel)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		info = nil
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, syscall.EISDIR
	case !info.Mode().IsRegular():
		return nil, errSpecial
	}
	switch {
	case !f.user.account.MayUpload(f.shown(rel), info != nil):
		return nil, errNoPermission
	case f.isPrivate(rel):
		return nil, errName
	case f.session.srv.direct || info != nil && (more || offset > 0 && offset == info.Size()):
		err = u.openInPlace(info, more, offset)
	default:
		err = u.openPart(info, more, offset)
	}
	if err != nil {
		return nil, err
	}
	return u, nil
}

func (u *upload) openInPlace(info fs.FileInfo, more bool, offset int64) error {
	flags := os.O_WRONLY | os.O_CREATE | nonblock
	size := int64(-1)
	if info != nil {
		size = info.Size()
	}
	switch {
	case more:
		flags |= os.O_APPEND
		offset = max(size, 0)
	case offset == 0:
		flags |= os.O_TRUNC
	case offset > size:
		return errBeyond
	}
	file, err := u.files.user.root.OpenFile(u.rel, flags, 0o666)
	if err != nil {
		return err
	}
	if now, err := file.Stat(); err != nil || !now.Mode().IsRegular() {
		_ = file.Close()
		return errSpecial
	}
	u.file, u.at = file, offset
	if flags&os.O_TRUNC != 0 && size >= 0 {
		u.files.removed(size)
		size = -1
	}
	if err = u.reserve(size); err == nil {
		_, err = file.Seek(offset, io.SeekStart)
	}
	if err != nil {
		_ = file.Close()
	}
	return err
}

// reserve begins to count for the quota; size is that of the file, -1 for a new one.
func (u *upload) reserve(size int64) (err error) {
	u.room, err = u.files.user.account.Upload(u.session.ctx, size)
	return err
}

// stored ends the counting: the file has that size now, -1 for none.
func (u *upload) stored(size int64) {
	if u.room != nil {
		u.room.Close(size)
	}
}

// openPart opens and locks the part, and fills it with what the upload goes on from.
func (u *upload) openPart(info fs.FileInfo, more bool, offset int64) error {
	if more {
		u.session.mu.Lock()
		offset = u.session.told[u.rel] // 0 for a new file
		u.session.mu.Unlock()
	}
	u.part, u.resume = partOf(u.rel), true
	err := u.lockPart()
	if errors.Is(err, errLocked) && offset == 0 {
		// Nobody goes on with this one: the last to end has the name.
		u.part, u.resume = path.Join(path.Dir(u.rel), partName(rand.Text())), false
		err = u.lockPart()
	}
	if err != nil {
		return err
	}
	if err := u.prepare(info, offset); err != nil {
		u.discard()
		return err
	}
	u.replaced = -1
	if info != nil {
		u.replaced = info.Size()
		_ = u.file.Chmod(info.Mode().Perm()) // another's, perhaps, or on a file system without
	}
	return nil
}

// lockPart opens the part. Others may finish or remove it meanwhile.
func (u *upload) lockPart() error {
	root := u.files.user.root
	for range 3 {
		file, err := root.OpenFile(u.part, os.O_RDWR|os.O_CREATE|nonblock, 0o666)
		if err != nil {
			return err
		}
		err = lock(file)
		if err == nil {
			var info, named fs.FileInfo
			if info, err = file.Stat(); err == nil {
				named, err = root.Lstat(u.part)
			}
			if err == nil && named.Mode().IsRegular() && os.SameFile(info, named) {
				u.file = file
				return nil
			}
		}
		_ = file.Close()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return errLocked
}

func (u *upload) prepare(info fs.FileInfo, offset int64) error {
	part, err := u.file.Stat()
	if err != nil {
		return err
	}
	have, size := part.Size(), part.Size()
	if size == 0 {
		size = -1 // it was made just now, or counts for nothing
	}
	if err := u.reserve(size); err != nil {
		return err
	}
	if time.Since(part.ModTime()) > partMaxAge {
		have = 0
	}
	switch {
	case offset == have:
	case info != nil && offset > 0 && offset <= info.Size():
		if err := u.copyFrom(offset); err != nil {
			return err
		}
	case offset > have:
		return errBeyond
	}
	if err := u.file.Truncate(offset); err != nil {
		return err
	}
	if u.room != nil && offset > part.Size() { // of the copy
		if n, err := u.room.Reserve(0, offset); err != nil || n < offset {
			return errors.Join(cmp.Or(err, accounts.ErrQuota), u.file.Truncate(0))
		}
	}
	u.at = offset
	_, err = u.file.Seek(offset, io.SeekStart)
	return err
}

// copyFrom takes the first n bytes from the file that the upload will replace.
func (u *upload) copyFrom(n int64) error {
	old, _, err := u.files.open(u.rel)
	if err != nil {
		return err
	}
	defer old.Close()
	if err := u.file.Truncate(0); err != nil {
		return err
	}
	_, err = io.CopyN(u.file, old, n) // on Linux the kernel does it, and on some file systems without copying
	return err
}

// discard removes what came to nothing.
func (u *upload) discard() {
	if info, err := u.file.Stat(); err == nil && info.Size() == 0 {
		_ = u.files.user.root.Remove(u.part) // it was empty
		u.stored(-1)
	} else if err == nil {
		u.stored(info.Size())
	}
	_ = u.file.Close()
}

// ReadFrom implements io.ReaderFrom: the connection is read in large pieces.
func (u *upload) ReadFrom(r io.Reader) (int64, error) {
	if conn, ok := r.(*dataConn); ok {
		return conn.receive(u)
	}
	return io.Copy(struct{ io.Writer }{u}, r)
}

// Write implements io.Writer. What the quota has room for is written.
func (u *upload) Write(p []byte) (total int, err error) {
	for len(p) > 0 {
		room := int64(len(p))
		if u.room != nil {
			if room, err = u.room.Reserve(u.at, room); err != nil {
				return total, err
			}
		}
		n, err := u.file.Write(p[:room])
		total += n
		u.at += int64(n)
		if err != nil {
			return total, err
		}
		p = p[n:]
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

// Close implements io.Closer: all is there, or TransferError was called.
func (u *upload) Close() error {
	defer u.session.fileClosed(u.transfer)
	err := u.files.surely(u.close)
	if u.err == nil && err != nil {
		return u.files.told("", err)
	}
	return nil
}

func (u *upload) close() error {
	gone := u.part != "" && u.err != nil && (!u.resume || u.at == 0)
	if size := int64(-1); u.room != nil {
		if info, err := u.file.Stat(); err == nil && !gone {
			size = info.Size()
		}
		defer func() { u.stored(size) }()
	}
	switch {
	case gone:
		return errors.Join(u.files.user.root.Remove(u.part), u.file.Close())
	case u.part == "", u.err != nil:
		return u.file.Close()
	}
	return u.finish()
}

// finish gives the part its name. Its lock is kept until then, where a name can be given to an open file.
func (u *upload) finish() error {
	if runtime.GOOS == "windows" {
		if err := u.file.Close(); err != nil {
			return err
		}
	}
	err := u.files.user.root.Rename(u.part, u.rel)
	if err == nil && u.replaced >= 0 {
		u.files.removed(u.replaced)
	}
	if runtime.GOOS == "windows" {
		return err
	}
	return errors.Join(err, u.file.Close())
}

// partInfo describes an unfinished upload that can be taken up.
func (f *files) partInfo(rel string) (fs.FileInfo, error) {
	info, err := f.user.root.Lstat(partOf(rel))
	switch {
	case err != nil:
		return nil, notExist(rel)
	case !info.Mode().IsRegular(), info.Size() == 0, time.Since(info.ModTime()) > partMaxAge:
		return nil, notExist(rel)
	}
	return info, nil
}

// removePart removes an unfinished upload that nobody works on.
func (f *files) removePart(rel string) error {
	if _, err := f.partInfo(rel); err != nil {
		return err
	}
	return f.removeUnlocked(partOf(rel))
}

// removeUnlocked removes a part that nobody writes.
func (f *files) removeUnlocked(part string) error {
	file, err := f.user.root.OpenFile(part, os.O_RDWR|nonblock, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := lock(file); err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if err := f.user.root.Remove(part); err != nil {
		return err
	}
	f.removed(info.Size())
	return nil
}

// removeParts removes the unfinished uploads of a directory that holds nothing else, and says whether it did.
func (f *files) removeParts(rel string) bool {
	dir, err := f.user.root.Open(rel)
	if err != nil {
		return false
	}
	defer dir.Close()
	found, err := dir.ReadDir(batch)
	if err != nil {
		return false
	}
	for _, d := range found {
		if !isPart(d.Name()) {
			return false
		}
	}
	for _, d := range found {
		if f.removeUnlocked(path.Join(rel, d.Name())) != nil {
			return false
		}
	}
	return true
}
