package lane

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gtwistd/gtwistd/internal/peer"
)

// conn is a connection, to the lane and to the http.Server alike. What the latter reads are whole heads, one at a time: when it
// asks for another one, the lane first answers what it can.
//
// Read is called by one goroutine at a time, which is the http.Server's contract with itself; so are the fields that it uses.
type conn struct {
	net.Conn // as accepted; the methods of *tls.Conn if it is one
	lane     *Lane
	tls      *tls.Conn       // nil without TLS
	raw      syscall.RawConn // nil if there is none, or none yet, as reading there would go past somebody's buffer
	client   netip.Addr      // the peer's address; invalid for a unix socket
	address  string          // as text
	network  netip.Addr      // what its connections count for

	readNow func(fd uintptr) bool // made once, as it would be allocated each time

	buf     *[]byte     // nil when nothing is there
	r, w    int         // (*buf)[r:w] is what has not been given away
	readErr error       // of readNow
	ahead   int         // how much of the next head net/http has already
	due     int64       // how much of its request net/http has not got yet
	idle    bool        // net/http waits for the next request
	served  bool        // there has been a request
	at      int64       // Unix time in ns of when the last answer was recorded; 0 when that may be long ago
	known   bool        // to net/http
	line    []byte      // the first line of the request that net/http has, for as long as no handler has it
	begun   atomic.Bool // a handler has that request

	writing atomic.Int32 // how many calls write
	paced   atomic.Bool  // the watcher looks whether the client takes enough
	broken  atomic.Bool  // something could not be written

	readBy  atomic.Int64 // Unix time in ns of the deadline for reading that await set; 0 after any other
	writeBy atomic.Int64
	handler atomic.Bool // a handler has set a deadline for writing, which stays

	request Request
	state   atomic.Int32
	closing sync.Once
}

// The states of a connection, as far as a stop and http.Server.Shutdown are concerned.
const (
	fresh     = iota // no request has come
	waiting          // for a request
	reading          // a head
	answering        // from memory, or finding out that this cannot be done
	handed           // to net/http for the first time, which drops what it has if it is shut down now
	taken            // by net/http, but it may not have looked yet whether it is shut down
	given            // to net/http
	ended
)

// newRequest is a request of which only the connection is known.
func (c *conn) newRequest() Request {
	return Request{Client: c.client, Address: c.address, TLS: c.tls != nil}
}

func (l *Lane) newConn(nc net.Conn) *conn {
	c := &conn{Conn: nc, lane: l}
	c.tls, _ = nc.(*tls.Conn)
	if ap, err := netip.ParseAddrPort(nc.RemoteAddr().String()); err == nil {
		c.client, c.network = ap.Addr().Unmap().WithZone(""), peer.Customer(ap.Addr())
		c.address = c.client.String()
	}
	c.paced.Store(c.canBePaced())
	c.readNow = c.tryRead
	return c
}

// findRaw looks for the socket. A connection whose first bytes came with a PROXY header gives it away only after these.
func (c *conn) findRaw() {
	if s, ok := c.Conn.(syscall.Conn); ok && c.tls == nil && canTryRead {
		c.raw, _ = s.SyscallConn() // without it, Read does
	}
}

// run is what a connection does before it needs the http.Server.
func (c *conn) run() {
	defer func() {
		if c.failed(recover()) {
			_ = c.closeNow()
		}
	}()
	nc := c.first()
	if nc == nil || !c.lane.handOver(c, nc) {
		_ = c.closeNow()
	}
}

// failed tells the log of a panic, which is a mistake in what Config holds; the connection is to be closed.
func (c *conn) failed(failure any) bool {
	if failure == nil {
		return false
	}
	c.lane.config.Log.Error("panic in the short way of a request", "client", c.client, "panic", fmt.Sprint(failure), "stack", string(debug.Stack()))
	return true
}

// first returns the connection as the http.Server is to have it, with a request for it, or nil if there is none.
func (c *conn) first() net.Conn {
	if c.tls != nil {
		h2, err := c.shakeHands()
		if err != nil {
			c.explainHandshake(err)
			return nil
		}
		if h2 {
			c.state.Store(handed)
			return c.tls
		}
	}
	switch {
	case c.next() != nil:
		return nil
	case c.tls != nil:
		return secure{c}
	}
	return c
}

// shakeHands tells whether HTTP/2 is spoken under TLS. The state of TLS is large and must not lie on the stack of a connection
// that waits for requests.
func (c *conn) shakeHands() (h2 bool, err error) {
	ctx := context.Background()
	if limit := c.lane.config.HeaderTimeout; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	if err := c.tls.HandshakeContext(ctx); err != nil {
		return false, err
	}
	return c.tls.ConnectionState().NegotiatedProtocol == "h2", nil
}

// explainHandshake answers those who speak HTTP without TLS.
func (c *conn) explainHandshake(err error) {
	var record tls.RecordHeaderError
	if errors.As(err, &record) && record.Conn != nil && bytes.Contains([]byte("GET HEAD POST PUT OPTIONS"), record.RecordHeader[:4]) {
		farewell(record.Conn, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\nthis port speaks https\n")
	}
	c.lane.config.Log.Debug("TLS handshake failed", "client", c.client, "error", err)
}

// errEnded says that the connection has been dealt with.
var errEnded = errors.New("connection ended")

// next returns when there is a request for net/http, whose length is then in due. Those before it have been answered. With
// an error the connection is to be closed.
func (c *conn) next() error {
	for {
		h, err := c.readHead()
		if err != nil {
			return err
		}
		c.served = true
		if h.simple && c.ahead == 0 {
			done, err := c.answer(h.size)
			if err != nil {
				return err
			}
			if done {
				continue
			}
		}
		c.give(h)
		return nil
	}
}

// give lets net/http have the request at the start of the buffer, or all that comes from there on.
func (c *conn) give(h head) {
	c.begun.Store(false)
	c.line = append(c.line[:0], firstLine((*c.buf)[c.r:c.w])...)
	c.due = loose
	if h.body != loose {
		c.due = int64(h.size-c.ahead) + h.body
	}
	c.r += c.ahead
	c.ahead = 0
	switch {
	case c.known:
		c.state.Store(given)
	case h.size == 0: // who knows when that is a request
		c.state.Store(given)
		c.lane.settled(c)
	default:
		c.state.Store(handed)
	}
	c.known = true
}

// readHead returns what is known of the next head once it is in the buffer, or a size of 0 if what has come is for net/http to
// judge. It answers those that do not come in time or are too large.
func (c *conn) readHead() (head, error) {
	if c.w == c.r {
		if err := c.await(); err != nil {
			return head{}, err
		}
	}
	c.state.Store(reading)
	limit := c.lane.config.MaxHeader
	var s scan
	for first := true; ; first = false {
		b := (*c.buf)[c.r:c.w]
		size := s.end(b)
		switch {
		case b[0] == 0x16 && c.tls == nil: // a TLS handshake, RFC 8446 section 5.1
			return head{}, c.reject(http.StatusBadRequest, "this port speaks http without TLS")
		case limit > 0 && (size > limit || size == 0 && len(b) > limit):
			return head{}, c.reject(http.StatusRequestHeaderFieldsTooLarge, "the header is too large")
		case size > 0 && s.odd, s.line > 0 && !usualLine(b[:s.line]):
			return head{body: loose}, nil
		case size > 0:
			c.request = c.newRequest()
			return c.request.parse(b[:size]), nil
		}
		if first {
			c.setReadDeadline(c.lane.config.HeaderTimeout)
		}
		err := c.more()
		switch {
		case err == nil:
		case err == io.EOF && (!c.served || len(b) >= 4): // fewer are no request to net/http, but for the first one
			return head{body: loose}, nil // net/http answers it, and meets the same end
		case errors.Is(err, os.ErrDeadlineExceeded) && !c.lane.stopping.Load():
			return head{}, c.reject(http.StatusRequestTimeout, "the header took too long")
		default:
			return head{}, err
		}
	}
}

// await waits for the first bytes of a request. It holds a buffer only then.
func (c *conn) await() error {
	c.release()
	if c.served {
		c.state.Store(waiting)
	}
	// To set a deadline costs as much as a tenth of a short answer: one that is nearly as long will do.
	idle := c.lane.config.IdleTimeout
	if by := c.readBy.Load(); by == 0 || by != never && time.Duration(by-c.justNow()) < idle*63/64 {
		c.readBy.Store(c.setReadDeadline(idle))
	}
	if c.lane.stopping.Load() {
		c.hurry()
	}
	if c.raw == nil {
		c.findRaw()
	}
	if c.raw == nil {
		c.buf = c.lane.buffers.Get().(*[]byte)
		return c.more()
	}
	if err := c.raw.Read(c.readNow); err != nil {
		return err
	}
	return c.readErr
}

// justNow is the Unix time in ns, of a moment ago if somebody has looked at the clock then.
func (c *conn) justNow() int64 {
	at := c.at
	if c.at = 0; at == 0 {
		at = c.lane.now().UnixNano()
	}
	return at
}

// more reads behind what is in the buffer.
func (c *conn) more() error {
	if c.r > 0 {
		c.w = copy(*c.buf, (*c.buf)[c.r:c.w])
		c.r = 0
	}
	if c.w == len(*c.buf) {
		size := 4 * len(*c.buf)
		if limit := c.lane.config.MaxHeader; limit > 0 {
			size = min(size, limit+bufferSize)
		}
		larger := make([]byte, size)
		copy(larger, *c.buf)
		c.buf = &larger
	}
	n, err := c.Conn.Read((*c.buf)[c.w:])
	c.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// release gives back a buffer with nothing in it.
func (c *conn) release() {
	if c.buf != nil && len(*c.buf) == bufferSize {
		c.lane.buffers.Put(c.buf)
	}
	c.buf, c.r, c.w = nil, 0, 0
}

// never is the time of no deadline.
const never = math.MaxInt64

// setReadDeadline bounds what is read from now on; not if d is 0. It returns the Unix time in ns.
func (c *conn) setReadDeadline(d time.Duration) int64 {
	var by time.Time
	unix := int64(never)
	if d > 0 {
		by = c.lane.now().Add(d)
		unix = by.UnixNano()
	}
	c.readBy.Store(0)
	_ = c.Conn.SetReadDeadline(by) // a connection that is closed needs none
	if c.lane.stopping.Load() {
		c.hurry()
	}
	return unix
}

// hurry is called when the service stops.
func (c *conn) hurry() {
	switch c.state.Load() {
	case fresh, reading:
		_ = c.Conn.SetReadDeadline(time.Now().Add(freshTimeout))
	case waiting:
		_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// Close ends the connection, after the answer that is on its way.
func (c *conn) Close() error {
	if c.state.CompareAndSwap(answering, ended) {
		return nil
	}
	return c.closeNow()
}

func (c *conn) closeNow() (err error) {
	c.closing.Do(func() {
		if c.tls != nil { // package tls tries for 5 s to say goodbye to a client that takes nothing
			limit := time.AfterFunc(freshTimeout, func() { _ = c.tls.NetConn().Close() })
			defer limit.Stop()
		}
		err = c.Conn.Close()
		c.lane.left(c)
	})
	return err
}

// CloseWrite sends the end of the stream.
func (c *conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}
