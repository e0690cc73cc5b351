//go:build unix

package endpoint

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lockTime is how long others of us may need for the directory. Whoever can read it can hold the lock, too, and must not be
// able to keep us from starting.
const lockTime = 500 * time.Millisecond

// lockDir takes an advisory lock on a directory. One that cannot be opened is not locked: bind will say what is wrong. One
// that somebody else holds on to is done without.
func lockDir(ctx context.Context, dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return func() {}, nil
	}
	for limit := time.Now().Add(lockTime); ; {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err != unix.EWOULDBLOCK && err != unix.EINTR || time.Now().After(limit) {
			// A file system without locks gives another error: then there is none.
			return func() { f.Close() }, nil
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("directory %q is locked by another process: %w", dir, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// setBacklog sets the length of the queue of connections that wait for Accept; 0 leaves the most that the system allows,
// which is what package net asks for. Calling listen(2) again changes nothing else.
func setBacklog(l any, backlog int) error {
	conn, ok := l.(syscall.Conn)
	if backlog == 0 || !ok {
		return nil
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var listenErr error
	if err := raw.Control(func(fd uintptr) { listenErr = unix.Listen(int(fd), backlog) }); err != nil {
		return err
	}
	return os.NewSyscallError("listen", listenErr)
}

// listening reports an inherited descriptor that is no listening socket, which would fail only at the first Accept.
func listening(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var on int
	var optErr error
	if err := raw.Control(func(fd uintptr) { on, optErr = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ACCEPTCONN) }); err != nil {
		return err
	}
	switch {
	case optErr == unix.ENOTSOCK:
		return &wrapped{fault: fault{text: "the descriptor is not a socket"}, err: optErr}
	case optErr == unix.EBADF:
		return &wrapped{fault: fault{text: "the descriptor is not open"}, err: optErr}
	case optErr == nil && on == 0:
		return faultf("the socket does not listen").suggest("the service manager must listen on it; in a systemd unit Accept=no")
	}
	return nil
}
