package ftp

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gtwistd/gtwistd/internal/cork"
)

const (
	// listBuffer is how much of a listing is sent at once.
	listBuffer = 32 << 10
	// sendChunk is how much of a file goes to one call of sendfile.
	sendChunk = 1 << 20
	// copyBuffer is what is read of a connection or file at once, where the kernel does not copy.
	copyBuffer = 256 << 10
	// rateGrace is when a transfer's rate begins to matter.
	rateGrace = 15 * time.Second
)

var (
	errStalled   = errors.New("stalled")
	errSlow      = errors.New("too slow")
	errReuse     = errors.New("TLS session not resumed")
	errTruncated = errors.New("TLS connection closed without notice")
)

var noAddr netip.AddrPort

// dataListener waits for the data connection of one session, or, in active mode, makes it. It is what the library gets in the
// place of the listener that it made.
type dataListener struct {
	*net.TCPListener
	srv    *server
	port   int
	ctx    context.Context //nolint:containedctx // ends with Close, for the dialer
	cancel context.CancelFunc

	mu      sync.Mutex
	session *session
	active  netip.AddrPort // where to connect to; invalid in passive mode
	private bool
	conn    *dataConn
}

func (s *server) newDataListener(l *net.TCPListener) *dataListener {
	d := &dataListener{TCPListener: l, srv: s, port: l.Addr().(*net.TCPAddr).Port}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passive[d.port] = d
	return d
}

// dataListener finds the listener on a port; nil if there is none.
func (s *server) dataListener(port int) *dataListener {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.passive[port]
}

// serve tells the listener whose it is, before the client knows its port.
func (d *dataListener) serve(c *session, active netip.AddrPort, private bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.session, d.active, d.private = c, active, private
}

// Accept implements net.Listener. Of connections, only one of the session's own client counts; others are closed, and the
// client's can still come.
func (d *dataListener) Accept() (net.Conn, error) {
	d.mu.Lock()
	c, active, private := d.session, d.active, d.private
	d.mu.Unlock()
	if c == nil {
		return nil, net.ErrClosed
	}
	tcp, err := d.connect(c, active)
	if err != nil {
		return nil, err
	}
	conn := newDataConn(c, tcp, private)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conn = conn
	return conn, nil
}

func (d *dataListener) connect(c *session, active netip.AddrPort) (*net.TCPConn, error) {
	if active.IsValid() {
		// From the address that the client knows, RFC 959 section 3.3 but for port 20, which needs root and gives nothing.
		local := c.local.Addr()
		dialer := net.Dialer{Timeout: connectTimeout, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0))}
		conn, err := dialer.DialContext(d.ctx, "tcp", active.String())
		if err != nil {
			return nil, err
		}
		return conn.(*net.TCPConn), nil
	}
	for {
		conn, err := d.AcceptTCP()
		if err != nil {
			return nil, err
		}
		if peer := addrOf(conn.RemoteAddr()); !c.mayConnect(peer.Addr()) {
			c.log.Warn("data connection refused", "peer", peer)
			_ = conn.Close()
			continue
		}
		return conn, nil
	}
}

// mayConnect says whether a data connection may come from an address. Whoever came through a unix socket is on this machine.
func (c *session) mayConnect(peer netip.Addr) bool {
	if !c.remote.IsValid() {
		return peer.IsLoopback()
	}
	return peer == c.remote.Addr()
}

// Close implements net.Listener.
func (d *dataListener) Close() error {
	d.cancel()
	d.srv.mu.Lock()
	if d.srv.passive[d.port] == d {
		delete(d.srv.passive, d.port)
	}
	d.srv.mu.Unlock()
	return d.TCPListener.Close()
}

// end closes the listener and the connection, so that whoever waits for them goes on.
func (d *dataListener) end() {
	_ = d.Close()
	d.mu.Lock()
	conn := d.conn
	d.mu.Unlock()
	if conn != nil {
		_ = conn.abort()
	}
}

// dataConn is a data connection. Reads and writes have deadlines that move as long as bytes do; what is written is gathered
// until Flush. One goroutine uses it, and any may close it.
//
// Nothing is embedded: io.Copy must not find a way past TLS.
type dataConn struct {
	wire     *wire
	session  *session
	transfer *transfer // nil if the client has connected before it said what for
	pace     pace      // nil for no limit
	stream   net.Conn  // wire, or TLS on it
	secure   *tls.Conn // stream if it is TLS
	started  bool
	gathered []byte
	finished atomic.Bool // the library is done with it
	closing  sync.Once
	err      error
}

func newDataConn(c *session, tcp *net.TCPConn, private bool) *dataConn {
	c.retain()
	t := c.current()
	w := &wire{TCPConn: tcp, limits: &c.srv.limits, began: time.Now()}
	d := &dataConn{wire: w, session: c, transfer: t, stream: w}
	c.mu.Lock()
	if c.user != nil {
		d.pace = c.user.pace
	}
	c.mu.Unlock()
	if private {
		d.secure = tls.Server(w, c.srv.tls.Config)
		d.stream = d.secure
	}
	return d
}

// RemoteAddr implements net.Conn; the library cannot read an address with a zone.
func (d *dataConn) RemoteAddr() net.Addr {
	a := addrOf(d.wire.RemoteAddr())
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(a.Addr().WithZone(""), a.Port()))
}

// LocalAddr implements net.Conn.
func (d *dataConn) LocalAddr() net.Addr { return d.wire.LocalAddr() }

// SetDeadline implements net.Conn: the connection has its own.
func (d *dataConn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn, see SetDeadline.
func (d *dataConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn, see SetDeadline.
func (d *dataConn) SetWriteDeadline(time.Time) error { return nil }

// start completes the TLS handshake, which clients begin when they have heard that the transfer does.
func (d *dataConn) start() error {
	if d.started || d.secure == nil {
		return nil
	}
	_ = d.wire.TCPConn.SetDeadline(time.Now().Add(handshakeTimeout))
	d.wire.fixed = true
	err := d.secure.HandshakeContext(context.Background())
	d.wire.fixed = false
	if err != nil {
		return d.fail(err)
	}
	_ = d.wire.TCPConn.SetDeadline(time.Time{})
	d.started = true
	if d.secure.ConnectionState().DidResume || d.session.srv.reuse == reuseOff {
		return nil
	}
	d.session.log.Warn("a data connection did not resume a TLS session")
	if d.session.srv.reuse == tlsRequire {
		return d.fail(errReuse)
	}
	return nil
}

// fail notes an error for the transfer's record and answer.
func (d *dataConn) fail(err error) error {
	if err != nil && err != io.EOF {
		d.session.failed(d.transfer, err)
	}
	return err
}

// account counts bytes, and waits if they are too many for the user's bandwidth.
func (d *dataConn) account(upload bool, n int64) error {
	if d.transfer != nil {
		d.transfer.bytes.Add(n)
	}
	if d.pace == nil || n == 0 {
		return nil
	}
	return d.fail(d.pace.Wait(d.session.ctx, upload, int(n)))
}

// chunk returns how many bytes are moved at once, at most so many; a reload may change it.
func (d *dataConn) chunk(upload bool, most int) int {
	if d.pace == nil {
		return most
	}
	return d.pace.Chunk(upload, most)
}

// Read implements net.Conn.
func (d *dataConn) Read(p []byte) (int, error) {
	n, err := d.read(p)
	if err == nil {
		err = d.account(true, int64(n))
	}
	return n, err
}

// read does not count.
func (d *dataConn) read(p []byte) (int, error) {
	if err := d.start(); err != nil {
		return 0, err
	}
	n, err := d.stream.Read(p)
	if err == io.EOF && d.secure != nil && d.wire.eof {
		// Whoever can send a FIN could have ended the file here (RFC 4217 section 12.3).
		err = errTruncated
	}
	return n, d.fail(err)
}

// Write implements net.Conn.
func (d *dataConn) Write(p []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	if d.err = d.start(); d.err != nil {
		return 0, d.err
	}
	if len(p) == 0 {
		if listing := d.session.takeListing(d.transfer); listing != nil {
			d.gathered = listing
			return 0, d.flush()
		}
	}
	d.gathered = append(d.gathered, p...)
	if len(d.gathered) >= listBuffer {
		if err := d.flush(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// Flush sends what was written. The library calls it at the end of a transfer, before Close, and takes no notice of its
// error; the session does.
func (d *dataConn) Flush() error {
	d.finished.Store(true)
	return d.flush()
}

func (d *dataConn) flush() error {
	if d.err != nil || len(d.gathered) == 0 {
		return d.err
	}
	n, err := d.stream.Write(d.gathered)
	d.gathered = d.gathered[:0]
	if err == nil {
		err = d.account(false, int64(n))
	}
	d.err = d.fail(err)
	return d.err
}

// Close implements net.Conn. Before the end of the transfer somebody else breaks it off, without a word: TLS would write one
// among what the transfer writes.
func (d *dataConn) Close() error {
	var err error
	d.closing.Do(func() {
		if d.finished.Load() {
			err = d.stream.Close()
		} else {
			err = d.abort()
		}
		d.session.release()
	})
	return err
}

// abort closes the connection without a word. The library closes it once more.
func (d *dataConn) abort() error { return d.wire.TCPConn.Close() }

// send sends the rest of a file, in clear with sendfile(2), a chunk at a time so that a deadline can move.
func (d *dataConn) send(f *os.File) (int64, error) {
	if err := d.start(); err != nil {
		return 0, err
	}
	if d.secure != nil {
		return d.encrypt(f)
	}
	if raw, err := d.wire.SyscallConn(); err == nil { // else nothing can be sent either
		cork.In(raw) // until the end of the connection
	}
	var total int64
	for {
		chunk := int64(d.chunk(false, sendChunk))
		part := io.LimitedReader{R: f, N: chunk}
		n, err := d.wire.sendFile(&part)
		total += n
		if accountErr := d.account(false, n); err == nil {
			err = accountErr
		}
		if err != nil || n < chunk {
			return total, d.fail(err)
		}
	}
}

// encrypt sends the rest of a file under TLS. The records of a buffer go to the system at once.
func (d *dataConn) encrypt(f *os.File) (int64, error) {
	buf := d.session.srv.buffers.get()
	defer d.session.srv.buffers.put(buf)
	var total int64
	for {
		n, readErr := f.Read((*buf)[:d.chunk(false, copyBuffer)])
		if n > 0 {
			if err := d.wire.together(func() error {
				_, err := d.secure.Write((*buf)[:n])
				return err
			}); err != nil {
				return total, d.fail(err)
			}
			total += int64(n)
			if err := d.account(false, int64(n)); err != nil {
				return total, err
			}
		}
		switch {
		case readErr == io.EOF:
			return total, nil
		case readErr != nil:
			return total, d.fail(readErr)
		}
	}
}

// receive writes all that comes to w, in large pieces.
func (d *dataConn) receive(w io.Writer) (int64, error) {
	buf := d.session.srv.buffers.get()
	defer d.session.srv.buffers.put(buf)
	var total int64
	for {
		b := (*buf)[:d.chunk(true, copyBuffer)]
		n, err := d.fillUp(b)
		if n > 0 {
			written, writeErr := w.Write(b[:n])
			total += int64(written)
			if writeErr != nil {
				return total, writeErr
			}
			if err := d.account(true, int64(n)); err != nil {
				return total, err
			}
		}
		switch {
		case err == io.EOF:
			return total, nil
		case err != nil:
			return total, err
		}
	}
}

// fillUp reads until half of b is full, but not for what comes in small pieces, or until an error, which io.EOF is too.
func (d *dataConn) fillUp(b []byte) (n int, err error) {
	const small = 4 << 10
	for {
		got, err := d.read(b[n:])
		n += got
		if err != nil || got < small || n >= len(b)/2 {
			return n, err
		}
	}
}

// wire is the TCP connection, each of whose calls may take as long as something moves.
type wire struct {
	*net.TCPConn
	limits *limits
	began  time.Time
	moved  int64
	eof    bool // the peer has sent its FIN
	fixed  bool // the deadline is another's
	batch  []byte
	hold   bool // Write fills batch
}

func (w *wire) deadline() time.Time { return time.Now().Add(time.Duration(w.limits.stall)) }

// progress judges what a call has moved. again says that the deadline has passed and that it moved something.
func (w *wire) progress(n int64, err error) (again bool, _ error) {
	w.moved += n
	if rate := int64(w.limits.minRate); rate > 0 && (n > 0 || errors.Is(err, os.ErrDeadlineExceeded)) {
		if took := time.Since(w.began); took > rateGrace && w.moved < int64(took.Seconds()*float64(rate)) {
			return false, errSlow
		}
	}
	switch {
	case !errors.Is(err, os.ErrDeadlineExceeded) || w.fixed:
		return false, err
	case n > 0:
		return true, nil
	}
	return false, errStalled
}

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	if !w.fixed {
		_ = w.TCPConn.SetReadDeadline(w.deadline())
	}
	n, err := w.TCPConn.Read(p)
	w.eof = err == io.EOF
	_, err = w.progress(int64(n), err)
	return n, err
}

// Write implements net.Conn.
func (w *wire) Write(p []byte) (int, error) {
	if w.hold {
		w.batch = append(w.batch, p...)
		return len(p), nil
	}
	total := 0
	for {
		if !w.fixed {
			_ = w.TCPConn.SetWriteDeadline(w.deadline())
		}
		n, err := w.TCPConn.Write(p[total:])
		total += n
		again, err := w.progress(int64(n), err)
		if !again {
			return total, err
		}
	}
}

// together lets what fn writes go to the system in one call.
func (w *wire) together(fn func() error) error {
	w.hold = true
	err := fn()
	w.hold = false
	if err == nil {
		_, err = w.Write(w.batch)
	}
	w.batch = w.batch[:0]
	return err
}

// sendFile sends from a file without a way through this process, where the system can.
func (w *wire) sendFile(part *io.LimitedReader) (int64, error) {
	var total int64
	for {
		_ = w.TCPConn.SetWriteDeadline(w.deadline())
		before := part.N
		n, err := w.TCPConn.ReadFrom(part)
		part.N = before - n
		total += n
		again, err := w.progress(n, err)
		if !again {
			return total, err
		}
	}
}

// SetWriteDeadline implements net.Conn. TLS sets one in its Close, which moves like any other, and one that has passed after
// it.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// buffers lends memory for copies.
type buffers struct{ pool sync.Pool }

func (b *buffers) get() *[]byte {
	if buf, ok := b.pool.Get().(*[]byte); ok {
		return buf
	}
	buf := make([]byte, copyBuffer)
	return &buf
}

func (b *buffers) put(buf *[]byte) { b.pool.Put(buf) }
