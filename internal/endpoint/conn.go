package endpoint

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// registry holds the open connections of one owner, as a ring of entries.
type registry struct {
	accepted, dropped atomic.Uint64

	mu   sync.Mutex
	head entry
	n    int
}

// entry is a connection's place in the ring. It is part of the connection, which thus needs no memory besides itself.
type entry struct {
	registry   *registry
	prev, next *entry // next is nil after the entry left
	conn       io.Closer
}

func newRegistry() *registry {
	r := &registry{}
	r.head.prev, r.head.next = &r.head, &r.head
	return r
}

func (r *registry) enter(e *entry, conn io.Closer) {
	r.accepted.Add(1)
	e.registry, e.conn = r, conn
	r.mu.Lock()
	defer r.mu.Unlock()
	e.prev, e.next = r.head.prev, &r.head
	e.prev.next, e.next.prev = e, e
	r.n++
}

// leave may be called again, by whoever else closes the connection.
func (e *entry) leave() {
	r := e.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.next == nil {
		return
	}
	e.prev.next, e.next.prev = e.next, e.prev
	e.prev, e.next = nil, nil
	r.n--
}

func (r *registry) open() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n
}

func (r *registry) closeAll() int {
	conns := r.takeAll()
	for _, c := range conns {
		c.Close()
	}
	return len(conns)
}

func (r *registry) takeAll() []io.Closer {
	r.mu.Lock()
	defer r.mu.Unlock()
	var conns []io.Closer
	for e := r.head.next; e != &r.head; e = r.head.next {
		conns = append(conns, e.conn)
		r.head.next, e.next.prev = e.next, &r.head
		e.prev, e.next = nil, nil
	}
	r.n = 0
	return conns
}

// tcpConn is a TCP connection of the set.
type tcpConn struct {
	*net.TCPConn
	entry
	gathering atomic.Pointer[gathering] // nil most of the time
}

func (r *registry) tcp(c *net.TCPConn) *tcpConn {
	t := &tcpConn{TCPConn: c}
	r.enter(&t.entry, c)
	return t
}

// Close closes the connection and takes it out of the set.
func (c *tcpConn) Close() error {
	err := c.TCPConn.Close()
	c.leave()
	return err
}

// ReadFrom is what io.Copy calls to send. Package net splices and sends files only if it sees its own types.
func (c *tcpConn) ReadFrom(r io.Reader) (int64, error) {
	if l, ok := r.(*io.LimitedReader); ok {
		inner := io.LimitedReader{R: bareReader(l.R), N: l.N}
		n, err := c.TCPConn.ReadFrom(&inner)
		l.N = inner.N
		return n, err
	}
	return c.TCPConn.ReadFrom(bareReader(r))
}

// WriteTo is what io.Copy calls to receive.
func (c *tcpConn) WriteTo(w io.Writer) (int64, error) {
	if u, ok := w.(*unixConn); ok {
		w = u.UnixConn
	}
	return c.TCPConn.WriteTo(w)
}

func bareReader(r io.Reader) io.Reader {
	switch c := r.(type) {
	case *tcpConn:
		return c.TCPConn
	case *unixConn:
		return c.UnixConn
	case *proxiedTCP:
		if c.drained.Load() {
			return c.TCPConn
		}
	}
	return r
}

// unixConn is a unix stream connection of the set.
type unixConn struct {
	*net.UnixConn
	entry
}

func (r *registry) unix(c *net.UnixConn) *unixConn {
	u := &unixConn{UnixConn: c}
	r.enter(&u.entry, c)
	return u
}

// Close closes the connection and takes it out of the set.
func (c *unixConn) Close() error {
	err := c.UnixConn.Close()
	c.leave()
	return err
}
