package proxy

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
)

// keptHead is the largest buffer for a head that a connection keeps, in bytes.
const keptHead = 16 << 10

// link is a connection to an upstream. It knows the upload that goes over it, and tells it when it is closed: a transport
// whose connection breaks waits for the upload, which may wait for the client.
type link struct {
	net.Conn
	buffers *sync.Pool
	closed  atomic.Bool
	user    atomic.Pointer[upload]

	mu         sync.Mutex
	awaited    bool     // the head of an answer
	head       []byte   // as far as it has come
	connection []string // what it said in Connection
}

// await begins to look for the head of an answer.
func (l *link) await() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.awaited, l.head, l.connection = true, l.head[:0], nil
}

// Read implements net.Conn. It notes what an answer says in Connection: net/http removes that header if it has "close" in it, but
// not the headers that it names (RFC 9110 section 7.6.1).
func (l *link) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.awaited {
		l.head = append(l.head, p[:n]...)
		l.parse()
	}
	return n, err
}

// parse looks for the end of a head, which that of an answer 1xx is not.
func (l *link) parse() {
	for {
		end, length := bytes.Index(l.head, []byte("\n\r\n")), 3
		if other := bytes.Index(l.head, []byte("\n\n")); other >= 0 && (end < 0 || other < end) {
			end, length = other, 2
		}
		switch {
		case end < 0 && len(l.head) > maxHeaderBytes:
			l.awaited, l.head = false, nil // net/http refuses it
			return
		case end < 0:
			return
		}
		r := textproto.NewReader(bufio.NewReader(bytes.NewReader(l.head[:end+length])))
		status, _ := r.ReadLine()
		if _, code, _ := strings.Cut(status, " "); strings.HasPrefix(code, "1") && !strings.HasPrefix(code, "101") {
			l.head = append(l.head[:0], l.head[end+length:]...)
			continue
		}
		header, _ := r.ReadMIMEHeader() // what is wrong with it is for net/http to say
		if l.awaited, l.connection = false, header["Connection"]; cap(l.head) > keptHead {
			l.head = nil
		}
		return
	}
}

// named returns what the answer said in Connection.
func (l *link) named() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.connection
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
	l, ok := info.Conn.(*link)
	if !ok || x.h.options.http2 { // a connection of HTTP/2 has more users than one; there the transport closes the upload itself
		return
	}
	l.await()
	x.link.Store(l)
	if x.body != nil {
		x.body.link.Store(l)
		l.user.Store(x.body)
	}
}
