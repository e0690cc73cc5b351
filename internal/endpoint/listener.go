package endpoint

import (
	"errors"
	"net"
	"sync"
	"time"
)

const (
	firstBackoff = 5 * time.Millisecond
	lastBackoff  = time.Second
)

// bound is a socket that listens: a *net.TCPListener or *net.UnixListener.
type bound struct {
	listener net.Listener
	release  func() // runs before the socket closes; may be nil
}

func (b bound) close() error {
	if b.release != nil {
		b.release()
	}
	return b.listener.Close()
}

// listener enters what it accepts into the set.
type listener struct {
	bound
	set    *Set
	socket *socket
	reg    *registry

	once sync.Once
	done chan struct{}
	err  error
}

func (l *listener) Addr() net.Addr { return l.bound.listener.Addr() }

// Close stops listening. Connections stay open.
func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.err = l.bound.close()
		l.set.remove(l.socket)
	})
	return l.err
}

// Accept waits for a connection. See the package comment on errors.
func (l *listener) Accept() (net.Conn, error) {
	wait := time.Duration(0)
	for {
		c, err := l.bound.listener.Accept()
		switch c := c.(type) {
		case *net.TCPConn:
			return l.reg.tcp(c), nil
		case *net.UnixConn:
			return l.reg.unix(c), nil
		}
		if !temporary(err) {
			return nil, err
		}
		if wait == 0 {
			l.set.log.Warn("connections have to wait", "service", l.socket.info.Owner, "endpoint", l.socket.info.Spec, "error", err)
		}
		wait = min(max(2*wait, firstBackoff), lastBackoff)
		l.pause(wait)
	}
}

// pause waits, or returns at once when the listener is closed.
func (l *listener) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.done:
	}
}

// temporary goes by the same method as net/http does: the system calls' errors know it best.
func temporary(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary() && !errors.Is(err, net.ErrClosed)
}
