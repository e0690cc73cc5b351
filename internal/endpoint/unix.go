package endpoint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// probeTime is how long a socket that exists may take to answer; a local one answers at once or not at all.
const probeTime = 2 * time.Second

// listenUnix listens on a socket file with the permissions of mode. A file that nobody listens on any more is replaced.
//
// The lock on the directory makes finding out and replacing one step as far as gtwistd itself is concerned: between bind
// and listen a live socket looks like a stale one. It is waited for, but not relied upon.
func listenUnix(ctx context.Context, path string, mode fs.FileMode) (bound, error) {
	if err := checkUnixPath(path); err != nil {
		return bound{}, err
	}
	if strings.HasPrefix(path, "@") {
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "unix", path)
		return bound{listener: l}, err
	}
	unlock, err := lockDir(ctx, filepath.Dir(path))
	if err != nil {
		return bound{}, err
	}
	defer unlock()
	if err := removeStale(ctx, path); err != nil {
		return bound{}, err
	}
	l, err := listenWithMode(ctx, path, mode)
	if err != nil {
		return bound{}, err
	}
	l.SetUnlinkOnClose(false)
	own, err := os.Lstat(path)
	if err == nil && own.Mode().Perm() != mode {
		err = changeMode(path, mode)
	}
	if err != nil {
		l.Close()
		os.Remove(path)
		return bound{}, err
	}
	return bound{listener: l, release: func() { removeOwn(path, own) }}, nil
}

// checkUnixPath finds out before bind does, whose "invalid argument" helps nobody.
func checkUnixPath(path string) error {
	if limit := len(syscall.RawSockaddrUnix{}.Path) - 1; len(path) > limit {
		return faultf("the path is %d bytes long, the system allows %d", len(path), limit).suggest("take a shorter one, such as /run/NAME.sock")
	}
	return nil
}

// removeStale makes way for a new socket at path, but for nothing else than a socket that refuses connections.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return faultf("a file of that name exists and is not a socket").suggest("it was left as it is; take another path")
	}
	probe := net.Dialer{Timeout: probeTime}
	c, err := probe.DialContext(ctx, "unix", path)
	if err == nil {
		c.Close()
		return &wrapped{fault: fault{text: "address already in use", hint: "a running process listens there"}, err: syscall.EADDRINUSE}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("a socket of that name exists, and whether it is in use cannot be told: %w", err)
	}
	return os.Remove(path)
}

// removeOwn unlinks a socket file unless another one has taken its place. The inode cannot have been given away, since the
// socket, which holds it, is still open.
func removeOwn(path string, own fs.FileInfo) {
	if now, err := os.Lstat(path); err == nil && os.SameFile(now, own) {
		os.Remove(path)
	}
}
