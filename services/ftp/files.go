package ftp

import (
	"context"
	"crypto/md5"  //nolint:gosec // XMD5 asks for it
	"crypto/sha1" //nolint:gosec // XSHA1 asks for it
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	ftpserver "github.com/fclairamb/ftpserverlib"
	"github.com/spf13/afero"
)

// files is what a user sees of the disk. The paths of the library are absolute, with "/" for the user's root. What is not a
// directory or a regular file is not there; neither are unfinished uploads and the program's own files.
type files struct {
	session *session
	user    *user
}

var (
	_ ftpserver.ClientDriver                      = (*files)(nil)
	_ ftpserver.ClientDriverExtentionFileTransfer = (*files)(nil)
	_ ftpserver.ClientDriverExtensionFileList     = (*files)(nil)
	_ ftpserver.ClientDriverExtensionRemoveDir    = (*files)(nil)
	_ ftpserver.ClientDriverExtensionHasher       = (*files)(nil)
)

// refusal is an error of ours, with what the client is told.
type refusal struct {
	code   int
	reason string
}

func (r *refusal) Error() string { return r.reason }

var (
	errNoPermission = &refusal{550, "permission denied"}
	errName         = &refusal{553, "files with such a name are not taken"}
	errSpecial      = &refusal{550, "not a regular file"}
	errRoot         = &refusal{550, "it is the root"}
	errBeyond       = &refusal{554, "the file ends before that"}
	errNotHere      = &refusal{502, "not to be had here"}
)

// do runs fn in the pool, if the user may, and tells the session what went wrong with the file of that path.
func (f *files) do(name string, may bool, fn func(rel string) error) error {
	rel, err := f.local(name)
	if err == nil && !may {
		err = errNoPermission
	}
	if err == nil {
		err = f.session.srv.env.Pool.Do(f.session.ctx, func() error { return fn(rel) })
	}
	return f.told(name, err)
}

// surely runs fn in the pool, or without it if the pool takes nothing: what was begun has to end.
func (f *files) surely(fn func() error) error {
	ran := false
	err := f.session.srv.env.Pool.Do(context.WithoutCancel(f.session.ctx), func() error {
		ran = true
		return fn()
	})
	if !ran {
		err = fn()
	}
	return err
}

// told keeps what is to be said of an error.
func (f *files) told(name string, err error) error {
	if err == nil {
		return nil
	}
	why := f.session.failureOf(name, err)
	f.session.mu.Lock()
	f.session.failure = why
	f.session.mu.Unlock()
	return err
}

// local returns the path below the root; "." is the root. What hides is not there, whoever asks.
func (f *files) local(name string) (string, error) {
	if !path.IsAbs(name) {
		name = f.absolute(name)
	}
	rel := strings.TrimPrefix(path.Clean(strings.ReplaceAll(name, "\x00", "\n")), "/")
	if rel == "" {
		return ".", nil
	}
	if filepath.Separator != '/' && strings.ContainsAny(rel, `\:`) || !filepath.IsLocal(filepath.FromSlash(rel)) {
		return "", errName
	}
	for element := range strings.SplitSeq(rel, "/") {
		if isPart(element) {
			return "", notExist(rel)
		}
	}
	return rel, nil
}

func notExist(rel string) error { return &fs.PathError{Op: "open", Path: rel, Err: fs.ErrNotExist} }

// isPrivate says whether a path leads to a file of the program, also by way of links. It makes blocking calls.
func (f *files) isPrivate(rel string) bool {
	private := f.session.srv.private
	plain := filepath.Join(f.user.path, filepath.FromSlash(rel))
	if private(plain) {
		return true
	}
	resolved, err := filepath.EvalSymlinks(plain)
	if err != nil { // not there, or only before --chroot
		resolved, err = filepath.EvalSymlinks(filepath.Dir(plain))
		resolved = filepath.Join(resolved, filepath.Base(plain))
	}
	return err == nil && private(resolved)
}

// stat returns what a path leads to. It makes blocking calls.
func (f *files) stat(rel string) (fs.FileInfo, error) {
	info, err := f.user.root.Stat(rel)
	switch {
	case err != nil:
		return nil, err
	case !info.IsDir() && !info.Mode().IsRegular(), f.isPrivate(rel):
		return nil, notExist(rel)
	}
	return info, nil
}

// Stat implements afero.Fs. For SIZE, an upload that was broken off has its name already, so that it can be taken up again.
func (f *files) Stat(name string) (fs.FileInfo, error) {
	verb := f.session.running()
	var found fs.FileInfo
	err := f.do(name, f.maySee(name), func(rel string) error {
		info, err := f.stat(rel)
		switch {
		case err == nil:
		case errors.Is(err, fs.ErrNotExist) && verb == "SIZE" && f.user.rights.MayUpload(f.shown(rel), false):
			if info, err = f.partInfo(rel); err != nil {
				return err
			}
			f.session.tell(rel, info.Size())
		case errors.Is(err, fs.ErrNotExist) && isPattern(verb, rel):
			if info, err = f.stat(path.Dir(rel)); err != nil {
				return err
			}
		default:
			return err
		}
		found = entryOf(path.Base(rel), info)
		return nil
	})
	return found, err
}

// maySee says whether the client may know of a file. Whoever may do anything with one must be able to find it, and anybody may
// go to a directory.
func (f *files) maySee(name string) bool {
	switch f.session.running() {
	case "CWD", "XCWD", "CDUP", "RNFR":
		return true
	case "LIST", "NLST", "MLSD":
		return f.user.rights.MayList(path.Dir(name)) || f.user.rights.MayList(name)
	}
	return f.user.rights.MayStat(f.absolute(name))
}

// absolute is the path that a user's rights are about. The library's HASH has relative ones.
func (f *files) absolute(name string) string {
	if path.IsAbs(name) {
		return name
	}
	return path.Join(f.session.context.Path(), name)
}

// shown is the path by which the client knows what is there.
func (f *files) shown(rel string) string {
	return path.Join("/", strings.ReplaceAll(rel, "\n", "\x00"))
}

// running is the command that runs.
func (c *session) running() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.transfer != nil {
		return c.transfer.verb
	}
	return c.verb
}

// tell remembers that the client knows of an unfinished upload, and so means to go on with it.
func (c *session) tell(rel string, size int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.told == nil || len(c.told) > 1000 {
		c.told = map[string]int64{}
	}
	c.told[rel] = size
}

// isPattern says whether a listing's path may mean more than one file.
func isPattern(verb, rel string) bool {
	return (verb == "LIST" || verb == "NLST") && strings.ContainsAny(path.Base(rel), "*?[")
}

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
	may := f.user.rights.MayList(name) || isPattern(verb, name) && f.user.rights.MayList(path.Dir(name))
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
	at := filepath.Join(f.user.path, filepath.FromSlash(rel)) + string(filepath.Separator)
	for more := true; more; {
		err := f.do(name, may, func(string) error {
			found, err := dir.ReadDir(batch)
			more = err == nil && len(found) > 0
			if err != nil && err != io.EOF {
				return err
			}
			for _, d := range found {
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

// open opens a regular file and nothing else. It looks before it opens, as opening a device may do something, and again
// afterwards, as the name may have been given to something else meanwhile; the open itself never waits for a FIFO's writer.
func (f *files) open(rel string) (*os.File, fs.FileInfo, error) {
	info, err := f.stat(rel)
	switch {
	case err != nil:
		return nil, nil, err
	case info.IsDir():
		return nil, nil, syscall.EISDIR
	}
	file, err := f.user.root.OpenFile(rel, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, nil, err
	}
	if info, err = file.Stat(); err == nil && !info.Mode().IsRegular() {
		err = errSpecial
	}
	if err != nil {
		_ = file.Close()
		return nil, nil, err
	}
	return file, info, nil
}

// GetHandle implements ftpserver.ClientDriverExtentionFileTransfer.
func (f *files) GetHandle(name string, flags int, offset int64) (handle ftpserver.FileTransfer, err error) {
	if flags&(os.O_WRONLY|os.O_RDWR) != 0 {
		err = f.do(name, true, func(rel string) (err error) {
			handle, err = f.openUpload(rel, flags&os.O_APPEND != 0, offset)
			return err
		})
	} else {
		err = f.do(name, f.user.rights.MayDownload(name), func(rel string) error {
			file, info, err := f.open(rel)
			if err != nil {
				return err
			}
			if offset > info.Size() {
				_ = file.Close()
				return errBeyond
			}
			handle = &download{File: file, session: f.session, transfer: f.session.current()}
			return nil
		})
	}
	if err != nil {
		return nil, err
	}
	f.session.fileOpened(f.session.current())
	return handle, nil
}

// download is a file that is sent.
type download struct {
	*os.File
	session  *session
	transfer *transfer
}

// WriteTo implements io.WriterTo: the connection sends the file.
func (d *download) WriteTo(w io.Writer) (int64, error) {
	if conn, ok := w.(*dataConn); ok {
		return conn.send(d.File)
	}
	return io.Copy(w, d.File)
}

// TransferError implements ftpserver.FileTransferError.
func (d *download) TransferError(err error) { d.session.failed(d.transfer, err) }

// Close implements io.Closer.
func (d *download) Close() error {
	defer d.session.fileClosed(d.transfer)
	return d.File.Close()
}

// ComputeHash implements ftpserver.ClientDriverExtensionHasher. Each piece takes a slot of the pool.
func (f *files) ComputeHash(name string, algo ftpserver.HASHAlgo, start, end int64) (string, error) {
	var file *os.File
	may := f.user.rights.MayDownload(name)
	err := f.do(name, may, func(rel string) (err error) {
		file, _, err = f.open(rel)
		if err == nil && (start < 0 || end < start) {
			_ = file.Close()
			err = errBeyond
		}
		return err
	})
	if err != nil {
		return "", err
	}
	defer file.Close()
	h := newHash(algo)
	buf := f.session.srv.buffers.get()
	defer f.session.srv.buffers.put(buf)
	section := io.NewSectionReader(file, start, end-start)
	for more := true; more; {
		err := f.do(name, may, func(string) error {
			n, err := section.Read(*buf)
			_, _ = h.Write((*buf)[:n]) // never fails
			if more = err == nil; err == io.EOF {
				return nil
			}
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func newHash(algo ftpserver.HASHAlgo) hash.Hash {
	switch algo {
	case ftpserver.HASHAlgoCRC32:
		return crc32.NewIEEE()
	case ftpserver.HASHAlgoMD5:
		return md5.New() //nolint:gosec // see above
	case ftpserver.HASHAlgoSHA1:
		return sha1.New() //nolint:gosec // see above
	case ftpserver.HASHAlgoSHA512:
		return sha512.New()
	}
	return sha256.New()
}

// changed is the record of what was done to a file.
func (f *files) changed(what, name string, err error, more ...any) error {
	if err == nil {
		f.session.log.Info(what, append([]any{"user", f.user.name, "path", name}, more...)...)
	}
	return err
}

// Mkdir implements afero.Fs. The umask decides on the mode.
func (f *files) Mkdir(name string, _ fs.FileMode) error {
	return f.changed("directory made", name, f.do(name, f.user.rights.MayMkdir(name), func(rel string) error {
		if f.isPrivate(rel) {
			return errName
		}
		if q := f.user.storage; q != nil {
			if err := q.Mkdir(f.session.ctx); err != nil {
				return err
			}
		}
		err := f.user.root.Mkdir(rel, 0o777)
		if err != nil {
			f.removed(0)
		}
		return err
	}))
}

// removed tells the quota that a file of that size is gone, or with 0 a directory.
func (f *files) removed(size int64) {
	if q := f.user.storage; q != nil {
		q.Removed(size)
	}
}

// Remove implements afero.Fs: it removes files, and links to them.
func (f *files) Remove(name string) error {
	return f.changed("deleted", name, f.do(name, f.user.rights.MayDelete(name), func(rel string) error {
		info, err := f.user.root.Lstat(rel)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return f.removePart(rel)
		case err != nil:
			return err
		case info.IsDir():
			return syscall.EISDIR
		case f.isPrivate(rel), !info.Mode().IsRegular() && info.Mode()&fs.ModeSymlink == 0:
			return notExist(rel)
		}
		err = f.user.root.Remove(rel)
		if err == nil {
			f.removed(info.Size())
		}
		return err
	}))
}

// RemoveDir implements ftpserver.ClientDriverExtensionRemoveDir. What clients cannot see does not keep a directory.
func (f *files) RemoveDir(name string) error {
	return f.changed("directory deleted", name, f.do(name, f.user.rights.MayDelete(name), func(rel string) error {
		info, err := f.user.root.Lstat(rel)
		switch {
		case rel == ".":
			return errRoot
		case err != nil:
			return err
		case !info.IsDir():
			return syscall.ENOTDIR
		}
		err = f.user.root.Remove(rel)
		if isAny(err, syscall.ENOTEMPTY, syscall.EEXIST) && f.removeParts(rel) {
			err = f.user.root.Remove(rel)
		}
		if isAny(err, syscall.EEXIST) { // on some systems
			err = syscall.ENOTEMPTY
		}
		if err == nil {
			f.removed(0)
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
		case !f.user.rights.MayRename(from, to, exists):
			return errNoPermission
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return err
		case exists && info.IsDir():
			return fs.ErrExist
		case f.isPrivate(rel):
			return errName
		}
		if _, err := f.stat(source); err != nil {
			return err
		}
		if err = f.user.root.Rename(source, rel); err == nil && exists {
			f.removed(info.Size())
		}
		return err
	}), "to", to)
}

// Chtimes implements afero.Fs, for MFMT.
func (f *files) Chtimes(name string, atime, mtime time.Time) error {
	return f.do(name, f.user.rights.MaySetTime(name), func(rel string) error {
		if _, err := f.stat(rel); err != nil {
			return err
		}
		return f.user.root.Chtimes(rel, atime, mtime)
	})
}

// Name implements afero.Fs.
func (f *files) Name() string { return "gtwistd" }

// What follows is afero.Fs, too, and for commands that there are not.

// Create implements afero.Fs.
func (f *files) Create(string) (afero.File, error) { return nil, errNotHere }

// MkdirAll implements afero.Fs.
func (f *files) MkdirAll(string, fs.FileMode) error { return errNotHere }

// Open implements afero.Fs.
func (f *files) Open(string) (afero.File, error) { return nil, errNotHere }

// OpenFile implements afero.Fs.
func (f *files) OpenFile(string, int, fs.FileMode) (afero.File, error) { return nil, errNotHere }

// RemoveAll implements afero.Fs.
func (f *files) RemoveAll(string) error { return errNotHere }

// Chmod implements afero.Fs.
func (f *files) Chmod(string, fs.FileMode) error { return errNotHere }

// Chown implements afero.Fs.
func (f *files) Chown(string, int, int) error { return errNotHere }
