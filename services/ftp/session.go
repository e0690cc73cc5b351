package ftp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	ftpserver "github.com/fclairamb/ftpserverlib"

	"github.com/gtwistd/gtwistd/plugins"
)

const (
	// maxLine is the longest command, in bytes; the library takes 4096 with the end of the line.
	maxLine = 4000
	// maxQueue is how many commands wait for the end of a transfer; the next is not read before.
	maxQueue = 64
)

// session is one client. It is the connection that the library has: the library reads commands from it one at a time, and
// only when it may have them, and its answers pass through on their way to the client.
//
// Read is called by one goroutine; Write, and all that is below mu, by that one and by the one of a transfer.
type session struct {
	srv     *server
	raw     net.Conn // the runner's
	remote  netip.AddrPort
	local   netip.AddrPort
	began   time.Time
	ctx     context.Context //nolint:containedctx // ends with the connection, for calls that the library makes without one
	cancel  context.CancelFunc
	log     *slog.Logger
	context ftpserver.ClientContext // set before the first command
	refs    atomic.Int32            // the library's two ends, and each open file and data connection
	closing sync.Once

	// What Read needs.
	in    []byte // bytes of the client that are no line yet
	queue []string
	rest  []byte // of the command that the library reads

	turn func() string // of the command that runs, see inTurn

	// Answers, see replies.go.
	writing sync.Mutex
	out     []byte // bytes of the library that are no line yet

	mu       sync.Mutex
	stream   net.Conn    // raw, or TLS on it
	secure   bool        // stream is TLS
	tls      *tls.Config // of stream, and of data connections; nil if it is not TLS
	private  bool        // data connections are, too (PROT P)
	name     string      // of USER
	user     *user       // nil before the login
	last     time.Time
	verb     string // of the command that runs
	pending  *answer
	failure  *failure
	transfer *transfer
	data     *dataListener
	active   netip.AddrPort // where the next data connection goes; invalid in passive mode
	epsvOnly bool
	hash     string // the algorithm of HASH
	told     map[string]int64
	ended    bool

	stranger time.Time        // since when there is no user
	idle     plugins.Duration // without a command; 0 is for ever
	unheard  int              // answers of the library that nobody is to have
	ascii    bool             // TYPE A
	renaming bool             // the command before was an RNFR, and was right
	offset   int64            // of REST, for the next command
	start    int64            // of REST, for this one
	// allocated is how long the next upload will be, as ALLO said; 0 is unknown.
	allocated int64
}

// clientAddr is the address of a client, which the library hands back, and with it the session.
type clientAddr struct {
	net.Addr
	session *session
}

var _ net.Conn = (*session)(nil)

func newSession(s *server, conn net.Conn) *session {
	now := time.Now()
	c := &session{
		srv: s, raw: conn, stream: conn, began: now, last: now, stranger: now, idle: s.limits.idle, hash: defaultHash,
		remote: addrOf(conn.RemoteAddr()), local: addrOf(conn.LocalAddr()),
	}
	if early, ok := conn.(*tls.Conn); ok { // nothing is said on it yet
		c.raw = early.NetConn()
		c.beginTLS()
		c.private = true
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.log = s.log.With("session", s.ids.Add(1), "client", c.clientName())
	c.refs.Store(2)
	return c
}

func (c *session) clientName() string {
	if c.remote.IsValid() {
		return c.remote.String()
	}
	return c.raw.RemoteAddr().String()
}

// retain and release count who still uses the session.
func (c *session) retain() { c.refs.Add(1) }

func (c *session) release() {
	if c.refs.Add(-1) > 0 {
		return
	}
	c.mu.Lock()
	u := c.user
	c.mu.Unlock()
	if u != nil {
		u.leave()
	}
	c.srv.leave(c)
}

// disconnected is called when the library has lost interest, before it closes what is open.
func (c *session) disconnected() {
	c.cancel()
	c.mu.Lock()
	c.ended = true
	if t := c.transfer; t != nil {
		t.fail(errConnection)
		c.endTransfer(t)
	}
	c.mu.Unlock()
	c.log.Debug("client gone", "duration", time.Since(c.began).Round(time.Millisecond))
}

// Close implements net.Conn.
func (c *session) Close() error {
	var err error
	c.closing.Do(func() {
		c.mu.Lock()
		stream := c.stream
		c.mu.Unlock()
		err = stream.Close()
		c.cancel()
		c.release()
	})
	return err
}

// LocalAddr implements net.Conn.
func (c *session) LocalAddr() net.Addr { return c.raw.LocalAddr() }

// RemoteAddr implements net.Conn.
func (c *session) RemoteAddr() net.Addr { return &clientAddr{c.raw.RemoteAddr(), c} }

// SetDeadline implements net.Conn: a session has its own clock. The library's deadline for commands would cover answers too,
// and end a session whose transfer takes longer.
func (c *session) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn, see SetDeadline.
func (c *session) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn, see SetDeadline.
func (c *session) SetWriteDeadline(time.Time) error { return nil }

// longAgo lets a Read that waits return.
var longAgo = time.Unix(1, 0)

// poke lets Read look again at what there is to do.
func (c *session) poke() {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.raw.SetReadDeadline(longAgo)
}

// Read implements net.Conn: it returns one command, or a part of one, at a time, so that the library never has more than the
// one that it works on.
func (c *session) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		line, err := c.next()
		if err != nil {
			c.endData()
			return 0, io.EOF
		}
		c.rest = append(append(c.rest, line...), "\r\n"...)
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	if len(c.rest) == 0 {
		c.rest = nil
	}
	return n, nil
}

// next returns the next command for the library. After an error the session ends; the client has been told why.
func (c *session) next() (string, error) {
	for {
		if fn := c.turn; fn != nil {
			c.turn = nil
			if out := fn(); out != "" {
				return out, nil
			}
		}
		line, err := c.nextLine()
		if err != nil {
			return "", err
		}
		if out, ok := c.command(line); ok {
			return out, nil
		}
	}
}

var (
	errEnd     = errors.New("the session ends")
	errStop    = errors.New("the server stops")
	errIdle    = errors.New("idle for too long")
	errNoLogin = errors.New("no login in time")
)

// nextLine returns the client's next line that may be worked on now. While a transfer runs that is only what is about the
// transfer; the rest waits in a queue, so that ABOR is seen.
func (c *session) nextLine() (string, error) {
	for {
		if line, ok := c.take(); ok {
			return line, nil
		}
		deadline, err := c.patience()
		if err != nil {
			return "", c.goodbye(err)
		}
		if len(c.in) > maxLine {
			c.say("500 The line is too long.")
			return "", errEnd
		}
		if err := c.fill(deadline); err != nil {
			return "", err
		}
	}
}

// take finds a line that may be worked on.
func (c *session) take() (string, bool) {
	c.mu.Lock()
	busy := c.transfer != nil
	opened := busy && c.transfer.opened
	c.mu.Unlock()
	if !busy && len(c.queue) > 0 {
		line := c.queue[0]
		c.queue = c.queue[1:]
		return line, true
	}
	for len(c.queue) < maxQueue {
		i := bytes.IndexByte(c.in, '\n')
		if i < 0 || i > maxLine {
			return "", false
		}
		line := string(clean(c.in[:i]))
		if c.in = c.in[i+1:]; len(c.in) == 0 {
			c.in = nil
		}
		switch {
		case !busy:
			return line, true
		case !isUrgent(line):
			c.queue = append(c.queue, line)
		case opened:
			c.abort(line)
			return line, true
		default: // the library waits for a connection, and hears nothing until then
			if verb, _ := cut(line); verb == "ABOR" {
				c.endData()
			}
			c.queue = append([]string{line}, c.queue...)
		}
	}
	return "", false
}

// abort notes that it is the client who ends the transfer, if it is.
func (c *session) abort(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if verb, _ := cut(line); verb == "ABOR" && c.transfer != nil {
		c.transfer.fail(errAborted)
	}
}

// patience returns until when the client may be silent; the zero time is for ever.
func (c *session) patience() (time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, now := &c.srv.limits, time.Now()
	var deadline time.Time
	switch {
	case c.transfer != nil: // has its own clock
	case len(c.queue) > 0: // the transfer has ended since take looked
		deadline = longAgo
	case c.srv.stopping.Load():
		return time.Time{}, errStop
	case c.user == nil:
		if deadline = c.stranger.Add(time.Duration(l.login)); !now.Before(deadline) {
			return time.Time{}, errNoLogin
		}
	case c.idle > 0:
		if deadline = c.last.Add(time.Duration(c.idle)); !now.Before(deadline) {
			return time.Time{}, errIdle
		}
	}
	return deadline, c.raw.SetReadDeadline(deadline)
}

// fill reads what the client sends. A deadline that passes is no error: there may be something else to do.
func (c *session) fill(time.Time) error {
	if len(c.queue) >= maxQueue {
		return c.await()
	}
	c.mu.Lock()
	stream := c.stream
	c.mu.Unlock()
	if err := c.shakeHands(stream); err != nil {
		return err
	}
	if cap(c.in)-len(c.in) < 64 {
		c.in = append(make([]byte, 0, 2*cap(c.in)+512), c.in...)
	}
	n, err := stream.Read(c.in[len(c.in):cap(c.in)])
	c.in = c.in[:len(c.in)+n]
	if n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		c.mu.Lock()
		if n > 0 {
			c.last = time.Now()
		}
		c.mu.Unlock()
		return nil
	}
	return err
}

// await waits for the end of the transfer: the queue is full.
func (c *session) await() error {
	c.mu.Lock()
	t := c.transfer
	c.mu.Unlock()
	if t == nil {
		return nil
	}
	select {
	case <-t.done:
		return nil
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
}

// shakeHands completes a TLS handshake, once.
func (c *session) shakeHands(stream net.Conn) error {
	conn, ok := stream.(*tls.Conn)
	if !ok || conn.ConnectionState().HandshakeComplete {
		return nil
	}
	_ = c.raw.SetDeadline(time.Now().Add(min(handshakeTimeout, time.Duration(c.srv.limits.login))))
	if err := conn.Handshake(); err != nil {
		c.log.Info("TLS handshake failed", "error", err)
		return err
	}
	_, err := c.patience()
	return errors.Join(err, c.raw.SetWriteDeadline(time.Time{}))
}

// goodbye tells the client why the session ends.
func (c *session) goodbye(why error) error {
	switch {
	case errors.Is(why, errStop):
		c.say("421 The server stops.")
	case errors.Is(why, errIdle):
		c.mu.Lock()
		idle := c.idle
		c.mu.Unlock()
		c.say("421 No command for " + idle.String() + ".")
	case errors.Is(why, errNoLogin):
		c.say("421 No login for " + c.srv.limits.login.String() + ".")
	}
	return why
}

// endData closes the data connection, or what waits for one.
func (c *session) endData() {
	c.mu.Lock()
	d := c.data
	c.mu.Unlock()
	if d != nil {
		d.end()
	}
}
