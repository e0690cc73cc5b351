package proxy

import (
	"io"
	"net"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
)

// link is a connection to an upstream. It knows the upload that goes over it, and tells it when it is closed: a transport
// whose connection breaks waits for the upload, which may wait for the client.
type link struct {
	net.Conn
	buffers *sync.Pool
	closed  atomic.Bool
	user    atomic.Pointer[upload]
}

// Close implements net.Conn.
func (l *link) Close() error {
	l.closed.Store(true)
	if u := l.user.Load(); u != nil {
		u.cut()
	}
	return l.Conn.Close()
}

// CloseWrite is for tunnels.
func (l *link) CloseWrite() error {
	if half, ok := l.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return l.Close()
}

// ReadFrom implements io.ReaderFrom, with a buffer that need not be made anew for each upload.
func (l *link) ReadFrom(src io.Reader) (int64, error) {
	buffer := l.buffers.Get().(*[]byte)
	defer l.buffers.Put(buffer)
	return io.CopyBuffer(struct{ io.Writer }{l.Conn}, src, *buffer)
}

// got notes the connection that the request goes over.
func (x *exchange) got(info httptrace.GotConnInfo) {
	x.connected.Store(true)
	if x.body == nil {
		return
	}
	conn := info.Conn
	if c, ok := conn.(interface{ NetConn() net.Conn }); ok { // TLS
		conn = c.NetConn()
	}
	// A connection of HTTP/2 has more users than one; there the transport closes the upload itself.
	if l, ok := conn.(*link); ok && !x.h.options.http2 {
		x.body.link.Store(l)
		l.user.Store(x.body)
	}
}
