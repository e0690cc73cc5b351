// Package lane is the short way of an HTTP/1.1 request. It accepts connections, reads the head of each request itself, and
// answers the plain ones from memory with one write. All others go on to a http.Server, with their connection, which comes
// back for the next head. A connection that waits for a request holds no buffer, unless it is under TLS or the system has no
// sockets that can be asked without waiting.
//
// What has an odd first line or line ending, or ends before its head does, is net/http's to judge: nobody can tell from the
// answers that there is a lane, but for 408, 431 and TLS where none is spoken.
//
// So it is also the place where connections are counted and limited, and where slow clients are given up: each head has its
// time (408) and its size (431), and whoever is written to its least rate.
//
//	l := lane.New(lane.Config{Answer: answer, …})
//	srv := &http.Server{Handler: h, ConnState: l.ConnState}
//	go srv.Serve(l.Listener(ln.Addr()))
//	err := l.Serve(ln)
package lane

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Config says how a Lane treats connections. Zero durations and sizes mean no limit.
type Config struct {
	// Answer returns what is in memory for a request, or false to let the http.Server have it. It is called in the goroutine of
	// the connection and may block for as long as the client may wait. The request is only valid during the call.
	Answer func(r *Request) (Answer, bool)
	// Record is told of each answer that the lane gave, its own refusals (400, 408, 431) included, whose request has only what
	// had come of its first line. May be nil. The request is only valid during the call.
	Record func(r *Request, status int, sent int64, end time.Time, took time.Duration)
	// Timed says that Record wants to know how long an answer took. Otherwise its end is its beginning.
	Timed bool
	// TLSHeader is added to the answers of connections under TLS; it is written as it is, each line ended by CRLF.
	TLSHeader string

	// HeaderTimeout bounds the time from the first byte of a head to its last, and a TLS handshake; IdleTimeout the time
	// before the first byte.
	HeaderTimeout, IdleTimeout time.Duration
	// MaxHeader bounds the size of a head, in bytes.
	MaxHeader int
	// MinRate is how many bytes a second a client must at least take while something is being written to it; for Stall, and
	// the time of 64 KiB at that rate, it may take less. Where the system does not tell what a client has taken, each write has
	// its time.
	MinRate int64
	Stall   time.Duration
	// MaxConns and MaxPerIP bound the connections that are open at a time, all in all and of one address (of one /64 of IPv6).
	MaxConns, MaxPerIP int

	// Log gets what concerns the server's owner, panics in Answer and Record included. It must not be nil.
	Log *slog.Logger
}

// Answer is an answer in memory.
type Answer struct {
	// Status is that of Head.
	Status int
	// Head is the status line and the header lines but Date and Connection, each ended by CRLF.
	Head []byte
	// Body follows, also to HEAD, whose Content-Length it tells; the lane leaves it out then.
	Body []byte
}

// Lane serves the connections of a service. It is safe for concurrent use.
type Lane struct {
	config  Config
	now     func() time.Time
	date    atomic.Pointer[dateLine]
	buffers sync.Pool // of *[]byte with bufferSize
	answers sync.Pool // of *outgoing
	blocks  sync.Pool // of *[]byte with readBlock and gathered
	handed  chan net.Conn
	refused atomic.Int64
	slow    atomic.Int64 // those that were cut off

	stopping atomic.Bool
	close    sync.Once
	closed   chan struct{} // nothing is handed over any more

	mu       sync.Mutex
	less     *sync.Cond         // something below has become less
	serving  int                // calls of Serve
	conns    map[*conn]struct{} // those that are not, or not yet safely, with the http.Server
	h2       map[net.Conn]*conn // those that the http.Server knows by another name
	open     map[*conn]struct{} // all, until they are closed
	perIP    map[netip.Addr]int
	refusing int           // those that are told that they are too many
	unwatch  chan struct{} // ends the watcher; nil if there is none
	watchers int           // that have not ended
}

const (
	bufferSize = 4 << 10
	answerSize = 16 << 10 // larger answers are not copied before they are written

	// freshTimeout is how long a connection without a request may stay when the service stops: enough for a request that is
	// on its way.
	freshTimeout = 500 * time.Millisecond

	// maxRefusing is how many connections too many may take their time to read why they are refused.
	maxRefusing = 64
)

// New returns a lane without connections.
func New(c Config) *Lane {
	l := &Lane{
		config: c, now: time.Now, handed: make(chan net.Conn), closed: make(chan struct{}),
		conns: map[*conn]struct{}{}, open: map[*conn]struct{}{}, h2: map[net.Conn]*conn{}, perIP: map[netip.Addr]int{},
	}
	l.less = sync.NewCond(&l.mu)
	l.buffers.New = func() any { b := make([]byte, bufferSize); return &b }
	l.answers.New = func() any { return &outgoing{buf: make([]byte, 0, answerSize)} }
	l.blocks.New = func() any { b := make([]byte, readBlock+gathered); return &b }
	return l
}

// Serve accepts connections until ln is closed, and returns the error that says so. It may be called for several listeners.
func (l *Lane) Serve(ln net.Listener) error {
	l.change(func() { l.serving++ })
	defer l.change(func() { l.serving-- })
	for {
		nc, err := ln.Accept()
		if err != nil {
			return err
		}
		if c := l.newConn(nc); l.enter(c) {
			go c.run() // Wait waits for it
		} else {
			l.refuse(c)
		}
	}
}

// change does something that Stop or Wait may wait for.
func (l *Lane) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	l.watch()
	l.less.Broadcast()
}

// enter counts the connection, unless there are too many. One that was accepted just before the service stops is hurried here:
// Stop has not seen it.
func (l *Lane) enter(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.config.MaxConns > 0 && len(l.open) >= l.config.MaxConns {
		return false
	}
	if l.config.MaxPerIP > 0 && c.network.IsValid() {
		if l.perIP[c.network] >= l.config.MaxPerIP {
			return false
		}
		l.perIP[c.network]++
	}
	l.open[c] = struct{}{}
	l.conns[c] = struct{}{}
	if l.stopping.Load() {
		c.hurry()
	}
	return true
}

// left is told once that a connection was closed.
func (l *Lane) left(c *conn) {
	l.change(func() {
		delete(l.open, c)
		delete(l.conns, c)
		if l.config.MaxPerIP > 0 && c.network.IsValid() {
			if l.perIP[c.network]--; l.perIP[c.network] == 0 {
				delete(l.perIP, c.network)
			}
		}
	})
}

// settled is told that the http.Server will not drop the connection's request any more, even if it is shut down.
func (l *Lane) settled(c *conn) {
	l.change(func() { delete(l.conns, c) })
}

// refuse answers a connection too many with 503, if not too many of these do not hear it either.
func (l *Lane) refuse(c *conn) {
	if n := l.refused.Add(1); n&(n-1) == 0 { // told at 1, 2, 4, 8 …
		l.config.Log.Warn("connections refused: too many are open", "refused", n, "client", c.client)
	}
	l.mu.Lock()
	listens := c.tls == nil && l.refusing < maxRefusing
	if listens {
		l.refusing++
	}
	l.mu.Unlock()
	if !listens {
		_ = c.Conn.Close()
		return
	}
	go func() { // Wait waits for it
		defer l.change(func() { l.refusing-- })
		farewell(c.Conn, "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 21\r\n"+
			"Content-Type: text/plain; charset=utf-8\r\n\r\ntoo many connections\n")
		_ = c.Conn.Close()
	}()
}

// Refused returns how many connections were refused because too many were open.
func (l *Lane) Refused() int64 { return l.refused.Load() }

// Stop ends the waiting for requests: connections without one are closed, those that have begun one may finish it, and what
// is answered from now on says that it is the last. It returns when no connection waits in the lane any more, and the
// http.Server, which is to be shut down after it, works on all that it was given. The listeners must be closed before.
func (l *Lane) Stop() {
	l.stopping.Store(true)
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		c.hurry()
	}
	for l.serving > 0 || len(l.conns) > 0 {
		l.less.Wait()
	}
}

// Wait returns when every connection is closed, those that a handler took over included. Nothing may be accepted any more.
func (l *Lane) Wait() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.open) > 0 || l.refusing > 0 || l.watchers > 0 {
		l.less.Wait()
	}
}

// Listener returns what the http.Server accepts from; addr is what it is called. When it is closed, connections that need
// the http.Server are closed, too.
func (l *Lane) Listener(addr net.Addr) net.Listener { return &handover{l, addr} }

// handover is the listener of the http.Server.
type handover struct {
	lane *Lane
	addr net.Addr
}

// Accept implements net.Listener.
func (h *handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.lane.handed:
		return c, nil
	case <-h.lane.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *handover) Close() error {
	h.lane.close.Do(func() { close(h.lane.closed) })
	return nil
}

// Addr implements net.Listener.
func (h *handover) Addr() net.Addr { return h.addr }

// handOver gives the connection to the http.Server, which calls it nc.
func (l *Lane) handOver(c *conn, nc net.Conn) bool {
	if nc == net.Conn(c.tls) {
		l.change(func() { l.h2[nc] = c })
	}
	select {
	case l.handed <- nc:
		return true
	case <-l.closed:
		l.change(func() { delete(l.h2, nc) })
		return false
	}
}

// ConnState is the hook of the http.Server.
func (l *Lane) ConnState(nc net.Conn, state http.ConnState) {
	switch nc := nc.(type) {
	case based:
		nc.base().changed(state)
	case *tls.Conn:
		l.changedH2(nc, state)
	}
}

func (l *Lane) changedH2(nc *tls.Conn, state http.ConnState) {
	l.mu.Lock()
	c := l.h2[nc]
	l.mu.Unlock()
	switch {
	case c == nil:
	case state == http.StateActive && c.state.CompareAndSwap(handed, given):
		l.settled(c)
	case state == http.StateClosed:
		l.change(func() { delete(l.h2, nc) })
		_ = c.closeNow() // it is closed already: this counts it
	}
}
