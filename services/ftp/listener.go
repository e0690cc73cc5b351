package ftp

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"
)

var noAddr netip.AddrPort

// hurryTimeout is how long a data connection may take to come about when the server stops.
const hurryTimeout = time.Second

// dataListener waits for the data connection of one session, or, in active mode, makes it. It is what the library gets in the
// place of the listener that it made. It is closed when there is a connection, or when none has come in time, as ports are few.
type dataListener struct {
	*net.TCPListener
	srv    *server
	port   int
	ctx    context.Context //nolint:containedctx // ends with Close, for the dialer
	cancel context.CancelFunc
	closed chan struct{} // after ctx: nothing of it is left

	mu      sync.Mutex
	session *session
	active  netip.AddrPort // where to connect to; invalid in passive mode
	clock   *time.Timer    // nil before serve
	hurried bool
	expired bool
	conn    *dataConn
}

func (s *server) newDataListener(l *net.TCPListener) *dataListener {
	d := &dataListener{TCPListener: l, srv: s, port: l.Addr().(*net.TCPAddr).Port, closed: make(chan struct{})}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	d.register()
	return d
}

func (d *dataListener) register() {
	d.srv.mu.Lock()
	defer d.srv.mu.Unlock()
	d.srv.passive[d.port] = d
}

func (d *dataListener) unregister() {
	d.srv.mu.Lock()
	defer d.srv.mu.Unlock()
	if d.srv.passive[d.port] == d {
		delete(d.srv.passive, d.port)
	}
}

// dataListener finds the listener on a port; nil if there is none.
func (s *server) dataListener(port int) *dataListener {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.passive[port]
}

// moveToRange listens on a port of --passive-ports. The library has no range: it would take a port of it for active mode, too.
func (d *dataListener) moveToRange() error {
	if d.srv.ports.low == 0 {
		return nil
	}
	l, err := d.srv.listenInRange()
	if err != nil {
		return err
	}
	d.unregister()
	_ = d.TCPListener.Close()
	// The library sets deadlines on the listener that it made.
	*d.TCPListener = *l
	d.port = l.Addr().(*net.TCPAddr).Port
	d.register()
	return nil
}

var errNoPort = errors.New("all of --passive-ports are in use")

// listenInRange tries the ports one after the other, from anywhere among them.
func (s *server) listenInRange() (*net.TCPListener, error) {
	const most = 1000 // as long as one client may keep the system busy
	n := s.ports.high - s.ports.low + 1
	first := rand.IntN(n) //nolint:gosec // whoever guesses it has to come from the client's address
	err := errNoPort
	for i := range min(n, most) {
		port := s.ports.low + (first+i)%n
		if s.dataListener(port) != nil {
			continue
		}
		l, listenErr := net.ListenTCP("tcp", &net.TCPAddr{Port: port})
		if listenErr == nil {
			return l, nil
		}
		err = listenErr
	}
	return nil, err
}

// serve tells the listener whose it is, before the client knows its port.
func (d *dataListener) serve(c *session, active netip.AddrPort) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.session, d.active = c, active
	d.clock = time.AfterFunc(d.srv.connect, d.expire)
}

// expire is called by the clock.
func (d *dataListener) expire() {
	d.mu.Lock()
	d.expired = d.conn == nil && d.ctx.Err() == nil && !d.hurried && !d.active.IsValid()
	d.mu.Unlock()
	_ = d.Close()
}

// hasExpired says that a client in passive mode did not come in time.
func (d *dataListener) hasExpired() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.expired
}

// hurry lets a data connection come about soon, or not at all.
func (d *dataListener) hurry() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn == nil && d.clock != nil {
		d.hurried = true
		d.clock.Reset(hurryTimeout)
	}
}

// begin returns what Accept needs to know; the client has all the time again.
func (d *dataListener) begin() (*session, netip.AddrPort) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.clock != nil && !d.hurried && d.ctx.Err() == nil {
		d.clock.Reset(d.srv.connect)
	}
	return d.session, d.active
}

// Accept implements net.Listener. Of connections, only one of the session's own client counts; others are closed, and the
// client's can still come.
func (d *dataListener) Accept() (net.Conn, error) {
	c, active := d.begin()
	if c == nil || !c.enter() {
		return nil, net.ErrClosed
	}
	defer c.release()
	tcp, err := d.connect(c, active)
	if err != nil {
		if d.ctx.Err() != nil {
			_ = d.Close() // the port is free before the client hears of it
		}
		return nil, err
	}
	conn := newDataConn(c, tcp)
	d.mu.Lock()
	ended := d.ctx.Err() != nil // and whoever ended it has seen no connection
	d.conn = conn
	d.mu.Unlock()
	if ended {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	_ = d.Close()
	return conn, nil
}

func (d *dataListener) connect(c *session, active netip.AddrPort) (*net.TCPConn, error) {
	if active.IsValid() {
		// From the address that the client knows, RFC 959 section 3.3 but for port 20, which needs root and gives nothing.
		local := c.local.Addr()
		dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0))}
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

// Close implements net.Listener. A connection that it has accepted stays. When it returns, the port is free, whoever closed it.
func (d *dataListener) Close() error {
	d.mu.Lock()
	again := d.ctx.Err() != nil
	if d.cancel(); d.clock != nil {
		d.clock.Stop()
	}
	d.mu.Unlock()
	if again {
		<-d.closed
		return net.ErrClosed
	}
	defer close(d.closed)
	d.unregister()
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
