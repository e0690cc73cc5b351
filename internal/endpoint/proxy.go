package endpoint

import (
	"bufio"
	"net"
	"sync"
	"time"

	proxyproto "github.com/pires/go-proxyproto"
)

const (
	// headerTime is how long a proxy may take to send its header, which comes with the first packet.
	headerTime = 5 * time.Second
	// maxPending is how many connections may wait for their header; more wait in the system's queue.
	maxPending = 1024
)

// proxyListener hands out connections once their PROXY protocol header is read, so that RemoteAddr never blocks and one
// slow peer does not hold up others. Its goroutines start with the first Accept and end with Close.
type proxyListener struct {
	inner *listener
	ready chan net.Conn
	slots chan struct{}

	start sync.Once
	ended chan struct{} // closed when nothing more is accepted; err is set before
	err   error
	tasks sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	pending map[net.Conn]struct{}
}

func newProxyListener(l *listener) *proxyListener {
	return &proxyListener{
		inner: l, ready: make(chan net.Conn), slots: make(chan struct{}, maxPending),
		ended: make(chan struct{}), pending: map[net.Conn]struct{}{},
	}
}

func (p *proxyListener) Addr() net.Addr { return p.inner.Addr() }

func (p *proxyListener) Accept() (net.Conn, error) {
	p.start.Do(func() { p.tasks.Go(p.run) })
	select {
	case c := <-p.ready:
		return c, nil
	case <-p.ended:
		return nil, p.err
	}
}

// Close stops listening, closes the connections that were not handed out, and waits for the goroutines.
func (p *proxyListener) Close() error {
	err := p.inner.Close()
	p.mu.Lock()
	p.closed = true
	for c := range p.pending {
		c.Close()
	}
	p.mu.Unlock()
	p.start.Do(func() { p.tasks.Go(p.run) }) // so that a later Accept gets the listener's own error
	p.tasks.Wait()
	return err
}

func (p *proxyListener) run() {
	defer close(p.ended)
	for {
		c, err := p.inner.Accept()
		if err != nil {
			p.err = err
			return
		}
		select {
		case p.slots <- struct{}{}:
		case <-p.inner.done:
			c.Close()
			continue
		}
		p.tasks.Go(func() { p.greet(c) })
	}
}

// hold notes a connection for Close, which may already be over.
func (p *proxyListener) hold(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending[c] = struct{}{}
	return !p.closed
}

func (p *proxyListener) release(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pending, c)
}

// greet reads the header and offers the connection to Accept.
func (p *proxyListener) greet(c net.Conn) {
	defer func() { <-p.slots }()
	conn, err := p.readHeader(c)
	if err != nil {
		c.Close()
		p.inner.reg.dropped.Add(1)
		info := p.inner.socket.info
		p.inner.set.log.Info("connection dropped: no PROXY header", "service", info.Owner, "endpoint", info.Spec, "peer", c.RemoteAddr().String(), "error", err)
		return
	}
	select {
	case p.ready <- conn:
	case <-p.inner.done:
		c.Close()
	case <-p.ended:
		c.Close()
	}
}

func (p *proxyListener) readHeader(c net.Conn) (net.Conn, error) {
	defer p.release(c)
	if !p.hold(c) {
		return nil, net.ErrClosed
	}
	r := bufio.NewReader(c)
	h, err := proxyproto.ReadHeaderTimeout(c, r, headerTime)
	if err != nil {
		return nil, err
	}
	return proxied(c, h, r), nil
}
