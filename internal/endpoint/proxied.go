package endpoint

import (
	"bufio"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"

	proxyproto "github.com/pires/go-proxyproto"
)

// proxied returns the connection with the addresses of the header, or its own if the proxy speaks for itself or does not
// know them (PROXY protocol, sections 2.1 and 2.2).
func proxied(c net.Conn, h *proxyproto.Header, r *bufio.Reader) net.Conn {
	f := &front{remote: c.RemoteAddr(), local: c.LocalAddr()}
	if !h.Command.IsLocal() && h.SourceAddr != nil && h.DestinationAddr != nil {
		f.remote, f.local = h.SourceAddr, h.DestinationAddr
	}
	early, _ := r.Peek(r.Buffered())
	f.early = append(f.early, early...)
	f.drained.Store(len(early) == 0)
	switch c := c.(type) {
	case *tcpConn:
		f.conn = c.TCPConn
		return &proxiedTCP{tcpConn: c, front: f}
	case *unixConn:
		f.conn = c.UnixConn
		return &proxiedUnix{unixConn: c, front: f}
	}
	return c
}

type proxiedTCP struct {
	*tcpConn
	*front
}

type proxiedUnix struct {
	*unixConn
	*front
}

// WriteTo is what io.Copy calls to receive.
func (c *proxiedTCP) WriteTo(w io.Writer) (int64, error) {
	n, err := c.front.writeEarly(w)
	if err != nil {
		return n, err
	}
	m, err := c.tcpConn.WriteTo(w)
	return n + m, err
}

// front is what a PROXY header changes about a connection: its addresses, and that bytes behind the header are read already.
type front struct {
	conn interface {
		io.Reader
		syscall.Conn
	}
	remote, local net.Addr

	drained atomic.Bool
	mu      sync.Mutex
	early   []byte
}

// RemoteAddr is the client's address.
func (f *front) RemoteAddr() net.Addr { return f.remote }

// LocalAddr is the address that the client connected to.
func (f *front) LocalAddr() net.Addr { return f.local }

// Read reads the early bytes, then the connection.
func (f *front) Read(b []byte) (int, error) {
	if n := f.take(b); n > 0 {
		return n, nil
	}
	return f.conn.Read(b)
}

// SyscallConn has nothing to give before the early bytes are read: os.File.ReadFrom would go past them.
func (f *front) SyscallConn() (syscall.RawConn, error) {
	if !f.drained.Load() {
		return nil, errors.New("bytes that came with the PROXY header are not read yet")
	}
	return f.conn.SyscallConn()
}

func (f *front) take(b []byte) int {
	if f.drained.Load() {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n := copy(b, f.early)
	if f.early = f.early[n:]; len(f.early) == 0 {
		f.early = nil
		f.drained.Store(true)
	}
	return n
}

func (f *front) writeEarly(w io.Writer) (int64, error) {
	var sum int64
	b := make([]byte, 512)
	for n := f.take(b); n > 0; n = f.take(b) {
		m, err := w.Write(b[:n])
		sum += int64(m)
		if err != nil {
			return sum, err
		}
	}
	return sum, nil
}
