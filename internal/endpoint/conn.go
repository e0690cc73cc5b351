package endpoint

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// nShards is how many locks an owner's connections are spread over, so that closing them on all cores is no contention.
const nShards = 16

// registry holds the open connections of one owner.
type registry struct {
	accepted, dropped atomic.Uint64
	shards            [nShards]shard
}

// shard is a ring of entries; the pad keeps the locks of two shards out of one cache line.
type shard struct {
	mu   sync.Mutex
	head entry
	n    int
	_    [64]byte
}

// entry is a connection's place in a shard. It is part of the connection, which thus needs no memory besides itself.
type entry struct {
	shard      *shard
	prev, next *entry // next is nil after the entry left
	conn       io.Closer
}

func newRegistry() *registry {
	r := &registry{}
	for i := range r.shards {
		h := &r.shards[i].head
		h.prev, h.next = h, h
	}
	return r
}

func (r *registry) enter(e *entry, conn io.Closer) {
	s := &r.shards[r.accepted.Add(1)%nShards]
	e.shard, e.conn = s, conn
	s.mu.Lock()
	defer s.mu.Unlock()
	e.prev, e.next = s.head.prev, &s.head
	e.prev.next, e.next.prev = e, e
	s.n++
}

// leave may be called again, by whoever else closes the connection.
func (e *entry) leave() {
	e.shard.mu.Lock()
	defer e.shard.mu.Unlock()
	if e.next == nil {
		return
	}
	e.prev.next, e.next.prev = e.next, e.prev
	e.prev, e.next = nil, nil
	e.shard.n--
}

func (r *registry) open() int {
	n := 0
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		n += s.n
		s.mu.Unlock()
	}
	return n
}

func (r *registry) closeAll() int {
	var conns []io.Closer
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		for e := s.head.next; e != &s.head; e = s.head.next {
			conns = append(conns, e.conn)
			s.head.next, e.next.prev = e.next, &s.head
			e.prev, e.next = nil, nil
		}
		s.n = 0
		s.mu.Unlock()
	}
	for _, c := range conns {
		c.Close()
	}
	return len(conns)
}

// tcpConn is a TCP connection of the set.
type tcpConn struct {
	*net.TCPConn
	entry
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
