package ftp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// listBuffer is how much of a listing is sent at once.
	listBuffer = 32 << 10
	// segment is the largest that TCP sends.
	segment = 64 << 10
	// sendChunk is how much is sent until the next look at the clock and the user's bandwidth, but for quick clients.
	sendChunk = 1 << 20
	// copyBuffer is what is read of a connection or file at once, where the kernel does not copy.
	copyBuffer = 256 << 10
)

var (
	errStalled   = errors.New("stalled")
	errSlow      = errors.New("too slow")
	errReuse     = errors.New("TLS session not resumed")
	errHandshake = errors.New("TLS handshake")
	errTruncated = errors.New("TLS connection closed without notice")
)

// dataConn is a data connection. Reads and writes have deadlines that move as long as bytes do; what is written is gathered
// until Flush. One goroutine uses it, and any may close it.
//
// Nothing is embedded: io.Copy must not find a way past TLS.
type dataConn struct {
	wire     *wire
	session  *session
	transfer *transfer // nil only if the session ended meanwhile
	user     *user     // nil likewise
	stream   net.Conn  // wire, or TLS on it
	secure   *tls.Conn // stream if it is TLS
	started  bool
	gathered []byte
	finished atomic.Bool // the library is done with it
	closing  sync.Once
	closed   context.Context //nolint:containedctx // ends with Close, or with the session
	stop     context.CancelFunc
	err      error
}

// newDataConn takes the connection over. Whether it is encrypted is decided now: PROT may have come after PASV.
func newDataConn(c *session, tcp *net.TCPConn) *dataConn {
	c.retain()
	takeUrgent(tcp)
	t := c.current()
	w := &wire{TCPConn: tcp, limits: &c.srv.limits}
	d := &dataConn{wire: w, session: c, transfer: t, stream: w}
	d.closed, d.stop = context.WithCancel(c.ctx)
	c.mu.Lock()
	config := c.tls
	d.user = c.user
	private := c.private
	c.mu.Unlock()
	if private {
		d.secure = tls.Server(w, config)
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
	_ = d.wire.TCPConn.SetDeadline(time.Now().Add(d.session.srv.handshake))
	d.wire.fixed = true
	err := d.secure.HandshakeContext(d.session.ctx)
	d.wire.fixed = false
	if err != nil {
		d.session.log.Info("TLS handshake failed on a data connection", "error", err)
		return d.fail(fmt.Errorf("%w: %w", errHandshake, err))
	}
	_ = d.wire.TCPConn.SetDeadline(time.Time{})
	d.started = true
	if d.secure.ConnectionState().DidResume || d.session.srv.reuse == reuseOff {
		return nil
	}
	d.session.log.Warn("a data connection did not resume the TLS session of its commands", "peer", addrOf(d.wire.RemoteAddr()))
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
	d.count(upload, n)
	return d.wait(upload, n)
}

func (d *dataConn) count(upload bool, n int64) {
	if d.transfer != nil {
		d.transfer.bytes.Add(n)
	}
	if moved := d.session.srv.moved; moved != nil && d.user != nil && n > 0 {
		moved(upload, int(n))
	}
}

// wait waits until so many bytes are paid for, unless the transfer is given up.
func (d *dataConn) wait(upload bool, n int64) error {
	if d.user == nil || n == 0 {
		return nil
	}
	return d.fail(d.user.account.Wait(d.closed, upload, int(n)))
}

// chunk returns how many bytes are moved at once, at most so many; a reload may change it.
func (d *dataConn) chunk(upload bool, most int) int {
	if d.user == nil {
		return most
	}
	return d.user.account.Chunk(upload, most)
}

// Read implements net.Conn. Only upload.ReadFrom reads, which catches panics.
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
func (d *dataConn) Write(p []byte) (n int, err error) {
	defer d.session.caught(d.transfer, &err)
	if d.err != nil {
		return 0, d.err
	}
	if d.err = d.start(); d.err != nil {
		return 0, d.err
	}
	if listing := d.session.takeListing(d.transfer); listing != nil {
		return len(p), d.list(listing)
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
func (d *dataConn) Flush() (err error) {
	defer d.session.caught(d.transfer, &err)
	d.finished.Store(true)
	return d.flush()
}

func (d *dataConn) flush() error {
	if d.err != nil || len(d.gathered) == 0 {
		return d.err
	}
	all := d.gathered
	d.gathered = d.gathered[:0] // also if deliver panics
	return d.deliver(all)
}

// deliver sends bytes, which stay the caller's.
func (d *dataConn) deliver(p []byte) error {
	n, err := d.stream.Write(p)
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
		d.stop()
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
