package ftp

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	ftpserver "github.com/fclairamb/ftpserverlib"

	"github.com/gtwistd/gtwistd/plugins"
)

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

// Close implements net.Conn. At QUIT the library calls it before it closes what waits for a data connection.
func (c *session) Close() error {
	var err error
	c.closing.Do(func() {
		c.endData()
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

// endData closes the data connection, or what waits for one.
func (c *session) endData() {
	c.mu.Lock()
	d := c.data
	c.mu.Unlock()
	if d != nil {
		d.end()
	}
}
