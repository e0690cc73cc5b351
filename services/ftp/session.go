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

// watchEvery is how often it is looked whether the client is still there, while a command takes long.
const watchEvery = 500 * time.Millisecond

// session is one client. It is the connection that the library has: the library reads commands from it when it may have them,
// and its answers pass through on their way to the client.
//
// Read is called by one goroutine; Write, and all that is below mu, by that one and by the one of a transfer.
type session struct {
	srv     *server
	raw     net.Conn // the runner's
	remote  netip.AddrPort
	local   netip.AddrPort
	began   time.Time
	ctx     context.Context //nolint:containedctx // ends with the connection, for calls that the library makes without one
	cancel  context.CancelCauseFunc
	log     *slog.Logger
	context ftpserver.ClientContext // set before the first command
	refs    atomic.Int32            // the library's two ends, each of its calls, and each open file and data connection
	closing sync.Once

	// What Read needs.
	in    []byte // bytes of the client that are no line yet
	queue []string
	rest  []byte // of the command that the library reads

	turn func() string // of the command that runs, see inTurn

	// Answers, see replies.go.
	writing chan struct{} // whoever has its one place may write
	out     []byte        // bytes of the library that are no line yet
	mute    bool          // the last answer was sent

	mu       sync.Mutex
	stream   net.Conn    // raw, or TLS on it
	shaken   bool        // the handshake of stream is done, if there is one
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
	records  []record // that wait to be written
	data     *dataListener
	active   netip.AddrPort // where the next data connection goes; invalid in passive mode
	passive  netip.Addr     // what PASV tells
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
	watchdog  *time.Timer // nil before the first command
	watching  bool        // nobody reads what the client sends
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
		shaken: true, writing: make(chan struct{}, 1),
		remote: addrOf(conn.RemoteAddr()), local: addrOf(conn.LocalAddr()),
	}
	takeUrgent(conn)
	if early, ok := conn.(*tls.Conn); ok { // nothing is said on it yet
		c.raw = early.NetConn()
		c.beginTLS()
		c.private = true
	}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
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

// enter begins a call of the library, which release ends. It is false when the session has ended: the goroutine of a transfer
// outlives it, and may find nothing of it any more.
func (c *session) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false
	}
	c.retain()
	return true
}

// retain and release count who still uses the session. Only who has entered it may retain it.
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
	c.cancel(errConnection)
	c.mu.Lock()
	c.ended = true
	if c.watchdog != nil {
		c.watchdog.Stop()
	}
	if t := c.transfer; t != nil {
		t.fail(errConnection)
		c.endTransfer(t)
	}
	c.mu.Unlock()
	c.writeRecords()
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
		c.cancel(errConnection)
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

// end breaks off all that the session does. The client is told by whoever ends it, if at all.
func (c *session) end(why error) {
	c.cancel(why)
	c.endData()
	c.poke()
}

// watch looks after the client while nobody reads from it, so that what takes long ends when the client goes.
func (c *session) watch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watching = true
	if c.watchdog == nil {
		c.watchdog = time.AfterFunc(watchEvery, c.look)
	} else {
		c.watchdog.Reset(watchEvery)
	}
}

func (c *session) unwatch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watching = false; c.watchdog != nil {
		c.watchdog.Stop()
	}
}

// look is called by the watchdog.
func (c *session) look() {
	if !c.enter() {
		return
	}
	defer c.release()
	if hungUp(c.raw, 0) {
		c.end(errConnection)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watching && !c.ended {
		c.watchdog.Reset(watchEvery)
	}
}

// dismiss tells the client why the session ends, and ends it, whatever it does. It does not wait for a client that takes nothing.
func (c *session) dismiss(ctx context.Context, why error) {
	if !c.enter() {
		return
	}
	defer c.release()
	c.failed(c.current(), why)
	_ = c.raw.SetWriteDeadline(time.Now().Add(dismissTimeout)) // of what is being written
	select {
	case c.writing <- struct{}{}:
		c.sayLast(c.farewell(why))
		<-c.writing
	case <-ctx.Done():
	}
	c.end(errEnd)
}

// sayLast sends an answer after which there is none. Called with writing.
func (c *session) sayLast(text string) {
	c.mu.Lock()
	stream, shaken := c.stream, c.shaken
	c.mu.Unlock()
	if c.mute || !shaken {
		return
	}
	c.mute = true
	_ = c.raw.SetWriteDeadline(time.Now().Add(dismissTimeout))
	if _, err := io.WriteString(stream, text+"\r\n"); err != nil {
		c.log.Debug("answer not sent", "error", err)
	}
}

// Read implements net.Conn: it returns a command, or a part of one, at a time, so that the library never has more than what it
// works on.
func (c *session) Read(p []byte) (int, error) {
	c.unwatch()
	defer c.watch()
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
			c.watch()
			out := fn()
			c.unwatch()
			if out != "" {
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
		if err := c.over(); err != nil {
			return "", c.goodbye(err)
		}
		if line, ok := c.take(); ok {
			return line, nil
		}
		if err := c.limitSilence(); err != nil {
			return "", c.goodbye(err)
		}
		if len(c.in) > maxLine {
			c.say("500 The line is too long.")
			return "", errEnd
		}
		if err := c.fill(); err != nil {
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

// over is why no command is worked on any more.
func (c *session) over() error {
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	if c.srv.stopping.Load() && c.current() == nil {
		return errStop
	}
	return nil
}

// limitSilence sets until when the client may be silent; the error says that it has been for too long, or that the session is
// over.
func (c *session) limitSilence() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil { // before the deadline, which then lets Read return
		return context.Cause(c.ctx)
	}
	l, now := &c.srv.limits, time.Now()
	var deadline time.Time
	switch {
	case c.transfer != nil: // has its own clock
	case len(c.queue) > 0: // the transfer has ended since take looked
		deadline = longAgo
	case c.srv.stopping.Load():
		return errStop
	case c.user == nil:
		if deadline = c.stranger.Add(time.Duration(l.login)); !now.Before(deadline) {
			return errNoLogin
		}
	case c.idle > 0:
		if deadline = c.last.Add(time.Duration(c.idle)); !now.Before(deadline) {
			return errIdle
		}
	}
	return c.raw.SetReadDeadline(deadline)
}

// fill reads what the client sends. A deadline that passes is no error: there may be something else to do.
func (c *session) fill() error {
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
	c.watch()
	defer c.unwatch()
	select {
	case <-t.done:
		return nil
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	}
}

// shakeHands completes a TLS handshake, once.
func (c *session) shakeHands(stream net.Conn) error {
	conn, ok := stream.(*tls.Conn)
	c.mu.Lock()
	done := c.shaken
	c.mu.Unlock()
	if !ok || done {
		return nil
	}
	_ = c.raw.SetDeadline(time.Now().Add(min(c.srv.handshake, time.Duration(c.srv.limits.login))))
	if err := conn.HandshakeContext(c.ctx); err != nil {
		c.log.Info("TLS handshake failed", "error", err)
		return err
	}
	c.mu.Lock()
	c.shaken = true
	c.mu.Unlock()
	return errors.Join(c.limitSilence(), c.raw.SetWriteDeadline(time.Time{}))
}

// goodbye tells the client why the session ends.
func (c *session) goodbye(why error) error {
	if text := c.farewell(why); text != "" {
		c.say(text)
	}
	return why
}

// farewell is the last answer of a session; "" if the client is gone, or knows.
func (c *session) farewell(why error) string {
	switch {
	case errors.Is(why, errStop):
		return "421 The server stops."
	case errors.Is(why, errIdle):
		c.mu.Lock()
		defer c.mu.Unlock()
		return "421 No command for " + c.idle.String() + "."
	case errors.Is(why, errNoLogin):
		return "421 No login for " + c.srv.limits.login.String() + "."
	}
	return ""
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
