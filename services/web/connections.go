package web

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// freshTimeout is how long a connection without a request may stay when the service stops: enough for a request that is
// on its way. http.Server.Shutdown alone waits five seconds for it, as browsers open connections in advance.
const freshTimeout = 500 * time.Millisecond

// connections follows the connections of one http.Server. It is safe for concurrent use.
type connections struct {
	open sync.WaitGroup

	mu       sync.Mutex
	fresh    map[net.Conn]struct{} // nothing has come yet
	stopping bool
}

func newConnections() *connections { return &connections{fresh: map[net.Conn]struct{}{}} }

// changed is the server's ConnState hook.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		c.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		defer c.open.Done()
	case http.StateIdle:
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if state != http.StateNew {
		delete(c.fresh, conn)
		return
	}
	c.fresh[conn] = struct{}{}
	if c.stopping {
		expire(conn)
	}
}

// hurry ends connections that stay without a request. The server takes the deadline away when a request comes.
func (c *connections) hurry() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	for conn := range c.fresh {
		expire(conn)
	}
}

func expire(conn net.Conn) {
	_ = conn.SetReadDeadline(time.Now().Add(freshTimeout)) // a connection that is closed needs none
}

// wait returns when each connection has been closed or taken over, and its goroutine is about to end. The server must
// not accept any more.
func (c *connections) wait() { c.open.Wait() }
