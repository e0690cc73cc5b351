//go:build linux || darwin || freebsd

package control

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	probeTimeout = 2 * time.Second
	lockTimeout  = 500 * time.Millisecond // the lock is held for the time of a probe
	lockRetry    = 5 * time.Millisecond
)

// listen binds a socket under a temporary name in path's directory and moves it to path when it is complete. So whatever
// lies at path listens already, unless its process is dead: there is no moment in which a live socket looks stale.
//
// The directory may belong to somebody who swaps its entries, or the directory itself, at any time. Names that are acted
// upon are therefore looked up in one open descriptor of it.
func listen(path string, owner *Owner) (bound, error) {
	parent, base := filepath.Split(path)
	temp := temporaryName(base)
	_, done, err := dialable(path) // a path that nobody could connect to
	if err != nil {
		return bound{}, err
	}
	done()
	dir, err := os.OpenFile(parent, openDir, 0)
	if err != nil {
		return bound{}, err
	}
	defer dir.Close()
	l, kept, err := bindFor(owner, dir, filepath.Join(parent, temp))
	if err != nil {
		return bound{}, err
	}
	l.SetUnlinkOnClose(false)
	defer func() { _ = unix.Unlinkat(int(dir.Fd()), temp, 0) }() // unless it was moved
	file, err := os.Lstat(filepath.Join(parent, temp))
	if err == nil {
		err = publish(dir, temp, path)
	}
	if err != nil {
		_ = l.Close()
		return bound{}, err
	}
	return bound{reserve(l), file, kept}, nil
}

// bindFor listens at path, which is new in dir, and sees to it that the socket is the owner's. Kept is the reason if that
// was not possible and the socket is ours.
//
// To change the owner of a name is safe only where nobody else can make the name mean another file: a symbolic link need
// not be followed, but a second link to a file of root's would give that file away. In any other directory the socket has
// to be the owner's from the start.
func bindFor(owner *Owner, dir *os.File, path string) (l *net.UnixListener, kept, err error) {
	name, done, err := dialable(path)
	if err != nil {
		return nil, nil, err
	}
	defer done()
	if owner == nil || owner.UID == os.Geteuid() {
		l, err = bindPrivate(name)
		return l, nil, err
	}
	if onlyOurs(dir) {
		if l, err = bindPrivate(name); err == nil {
			kept = unix.Fchownat(int(dir.Fd()), filepath.Base(path), owner.UID, owner.GID, unix.AT_SYMLINK_NOFOLLOW)
		}
		return l, kept, err
	}
	if l, kept = bindAs(*owner, name); kept != nil {
		l, err = bindPrivate(name)
		kept = fmt.Errorf("others can write to its directory, and user %d: %w", owner.UID, plain(kept))
	}
	return l, kept, err
}

// onlyOurs reports whether nobody but us and root can replace a file of ours in dir. Where there are access lists, the bits
// of the group stand for the most that they grant (acl(5)).
func onlyOurs(dir *os.File) bool {
	info, err := dir.Stat()
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	const othersWrite = 0o022
	return ok && (st.Uid == 0 || int(st.Uid) == os.Geteuid()) &&
		(info.Mode().Perm()&othersWrite == 0 || info.Mode()&fs.ModeSticky != 0)
}

// temporaryName is at most as long as the usual name, so that it fits where that fits.
func temporaryName(base string) string {
	const marks = 8
	return ".gt" + rand.Text()[:max(marks, min(len(base), 12)-len(".gt"))]
}

// publish gives the socket at temp in dir the name path, unless a live one has it. To find a dead one and to take its place
// are two steps; a lock on the directory keeps others from taking them at the same time.
func publish(dir *os.File, temp, path string) error {
	defer lockDir(filepath.Dir(path))()
	if err := probe(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return unix.Renameat(int(dir.Fd()), temp, int(dir.Fd()), filepath.Base(path))
}

// lockDir locks a directory among the processes that use this package. It goes on without the lock where directories
// cannot be locked, on some network file systems, and where somebody holds on to it, as everybody can who may read the
// directory: the pidfile's lock has decided already whose path it is, and a live socket answers.
func lockDir(dir string) (unlock func()) {
	d, err := os.Open(dir)
	if err != nil {
		return func() {}
	}
	for deadline := time.Now().Add(lockTimeout); ; time.Sleep(lockRetry) {
		err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) || time.Now().After(deadline) {
			return func() { _ = d.Close() }
		}
	}
}

// probe returns nil if a socket lies at path and nobody listens on it.
func probe(path string) error {
	switch info, err := os.Lstat(path); {
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%w and is not a socket", fs.ErrExist)
	}
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	c, err := dial(ctx, path)
	switch {
	case err == nil:
		_ = c.Close()
		return fmt.Errorf("%w: another process listens on it", fs.ErrExist)
	case errors.Is(err, unix.ECONNREFUSED):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return err
	}
	return fmt.Errorf("%w and cannot be asked: %w", fs.ErrExist, plain(err))
}

// dial connects to the socket at path, however long that is.
func dial(ctx context.Context, path string) (net.Conn, error) {
	name, done, err := dialable(path)
	if err != nil {
		return nil, err
	}
	defer done()
	var d net.Dialer
	return d.DialContext(ctx, "unix", name)
}

// maxPath is the longest path that fits into sun_path with its closing zero: 107 bytes on Linux, 103 on the BSDs (unix(7),
// unix(4)).
const maxPath = len(unix.RawSockaddrUnix{}.Path) - 1

// longPath wraps ENAMETOOLONG.
type longPath struct{ bytes int }

func (e *longPath) Error() string {
	return fmt.Sprintf("%v: %d bytes, a socket's path has at most %d", unix.ENAMETOOLONG, e.bytes, maxPath)
}

func (e *longPath) Unwrap() error { return unix.ENAMETOOLONG }

// Hint says where the path comes from.
func (e *longPath) Hint() string { return "take a shorter --pidfile; the socket lies beside it" }

func tooLong(path string) error { return &longPath{len(path)} }
