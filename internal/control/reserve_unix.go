//go:build linux || darwin || freebsd

package control

import (
	"errors"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	reserveRetry = 5 * time.Millisecond
	reserveWait  = 100 // milliseconds
)

// reserved is a listener that accepts a connection also when the process has no descriptor left, for example because idle
// clients of a service hold them all: it keeps one in reserve. That one is taken back before anybody else gets it when the
// connection is closed; until then the next connection waits.
type reserved struct {
	*net.UnixListener

	mu     sync.Mutex
	spare  int // a duplicate of the listener's; negative while it is in use
	closed bool
}

func reserve(l *net.UnixListener) *reserved {
	r := &reserved{UnixListener: l, spare: -1}
	r.take()
	return r
}

// Accept returns the next connection.
func (r *reserved) Accept() (net.Conn, error) {
	for {
		c, err := r.AcceptUnix()
		switch {
		case err == nil:
			r.take() // if somebody else has closed one since
			return &reservedConn{c, r}, nil
		case !errors.Is(err, unix.EMFILE) && !errors.Is(err, unix.ENFILE):
			return nil, err
		}
		// Linux wants a descriptor before it looks for a connection: the reserve must not be given up for one that may not come.
		switch waiting, err := r.poll(); {
		case err != nil:
			return nil, err
		case waiting && !r.give():
			time.Sleep(reserveRetry)
		}
	}
}

// poll waits a while for a connection and reports whether there is one.
func (r *reserved) poll() (waiting bool, err error) {
	raw, err := r.SyscallConn()
	if err != nil {
		return false, err
	}
	err = raw.Control(func(fd uintptr) {
		n, pollErr := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, reserveWait)
		waiting = pollErr == nil && n > 0
	})
	return waiting, err
}

// take fills the reserve if it is empty and that is possible.
func (r *reserved) take() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.spare >= 0 || r.closed {
		return
	}
	raw, err := r.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		if spare, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); err == nil {
			r.spare = spare
		}
	})
}

// give makes room for one descriptor and reports whether there was a reserve to do so.
func (r *reserved) give() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.spare < 0 {
		return false
	}
	_ = unix.Close(r.spare)
	r.spare = -1
	return true
}

// Close ends listening.
func (r *reserved) Close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.give()
	return r.UnixListener.Close()
}

// reservedConn is a connection that may have used the reserve up.
type reservedConn struct {
	*net.UnixConn
	reserve *reserved
}

// Close closes the connection and fills the reserve again.
func (c *reservedConn) Close() error {
	err := c.UnixConn.Close()
	c.reserve.take()
	return err
}
