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
	"time"

	"golang.org/x/sys/unix"
)

const (
	probeTimeout = 2 * time.Second
	lockTimeout  = 5 * time.Second // the lock is held for the time of a probe
	lockRetry    = 5 * time.Millisecond
)

// listen binds a socket under a temporary name in path's directory and moves it to path when it is complete. So whatever
// lies at path listens already, unless its process is dead: there is no moment in which a live socket looks stale.
func listen(path string) (*net.UnixListener, fs.FileInfo, error) {
	dir, base := filepath.Split(path)
	temp := filepath.Join(dir, temporaryName(base))
	_, done, err := dialable(path) // a path that nobody could connect to
	if err != nil {
		return nil, nil, err
	}
	done()
	name, done, err := dialable(temp)
	if err != nil {
		return nil, nil, err
	}
	defer done()
	l, err := bindPrivate(name)
	if err != nil {
		return nil, nil, err
	}
	l.SetUnlinkOnClose(false)
	defer os.Remove(temp)
	file, err := os.Lstat(temp)
	if err == nil {
		err = publish(temp, path)
	}
	if err != nil {
		_ = l.Close()
		return nil, nil, err
	}
	return l, file, nil
}

// temporaryName is at most as long as the usual name, so that it fits where that fits.
func temporaryName(base string) string {
	const marks = 8
	return ".gt" + rand.Text()[:max(marks, min(len(base), 12)-len(".gt"))]
}

// publish gives the socket at temp the name path, unless a live one has it. To find a dead one and to take its place are
// two steps; a lock on the directory keeps others from taking them at the same time.
func publish(temp, path string) error {
	unlock, err := lockDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer unlock()
	if err := probe(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(temp, path)
}

// lockDir locks a directory among the processes that use this package. Where directories cannot be locked, on some network
// file systems, the pidfile's lock has to be enough.
func lockDir(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return func() {}, nil
	}
	for deadline := time.Now().Add(lockTimeout); ; time.Sleep(lockRetry) {
		switch err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
		case !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR):
			return func() { _ = d.Close() }, nil
		case time.Now().After(deadline):
			_ = d.Close()
			return nil, errors.New("directory is locked by another process")
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

func tooLong(path string) error {
	return fmt.Errorf("%w: %d bytes, a socket's path has at most %d", unix.ENAMETOOLONG, len(path), maxPath)
}
