package ftp

import (
	"context"
	"net"
	"net/netip"
	"sync"
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

// listenData takes a port of all interfaces for data connections.
func listenData(port int) (*net.TCPListener, error) {
	return net.ListenTCP("tcp", &net.TCPAddr{Port: port})
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
