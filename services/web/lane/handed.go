package lane

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// based is what the http.Server gets of us.
type based interface {
	net.Conn
	base() *conn
}

func (c *conn) base() *conn { return c }

// secure is a connection under TLS. The http.Server finds the state in it.
type secure struct{ *conn }

// ConnectionState tells the http.Server about TLS.
func (s secure) ConnectionState() tls.ConnectionState { return s.tls.ConnectionState() }

// Read gives net/http the rest of its request and, when that is answered, the next one.
func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c.settle()
	if c.due == 0 && !c.idle {
		return c.glimpse(p)
	}
	if c.due == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
		c.idle = false
	}
	if int64(len(p)) > c.due {
		p = p[:c.due]
	}
	n, err := c.take(p)
	if c.due != loose {
		c.due -= int64(n)
	}
	return n, err
}

func (c *conn) take(p []byte) (int, error) {
	if c.w == c.r {
		return c.Conn.Read(p)
	}
	n := copy(p, (*c.buf)[c.r:c.w])
	if c.r += n; c.r == c.w {
		c.release()
	}
	return n, nil
}

// glimpse is what net/http gets while it works on an answer: it reads one byte to learn when the client leaves. The byte
// stays with us as well, since it begins the next request.
func (c *conn) glimpse(p []byte) (int, error) {
	if c.buf == nil {
		c.buf = c.lane.buffers.Get().(*[]byte)
	}
	if c.r+c.ahead == c.w {
		if err := c.more(); err != nil {
			if c.w == c.r {
				c.release()
			}
			return 0, err
		}
	}
	p[0] = (*c.buf)[c.r+c.ahead]
	c.ahead++
	return 1, nil
}

// changed is told by the http.Server.
func (c *conn) changed(state http.ConnState) {
	switch state {
	case http.StateActive:
		c.state.CompareAndSwap(handed, taken)
	case http.StateIdle:
		if c.due == loose {
			c.line = c.line[:0] // of the next request nothing will be known
			c.begun.Store(false)
			return // the connection is net/http's own; if it speaks HTTP/2, it reads while it tells this
		}
		c.idle = true
		if c.due != 0 {
			c.due = loose // net/http and we do not agree on where the next request begins: it knows better
		}
	case http.StateHijacked:
		c.settle()
		c.r += c.ahead
		c.ahead, c.due = 0, loose
		if c.r == c.w {
			c.release()
		}
	}
}

// settle is called whenever net/http does something with the connection. After it has told that it has the request, it looks
// whether it is shut down, and only then does something.
func (c *conn) settle() {
	if c.state.Load() == taken && c.state.CompareAndSwap(taken, given) {
		c.lane.settled(c)
	}
}

// connKey is for the context value that holds a request's connection.
type connKey struct{}

// ConnContext is the hook of the http.Server.
func (l *Lane) ConnContext(ctx context.Context, nc net.Conn) context.Context {
	if c, ok := nc.(based); ok {
		return context.WithValue(ctx, connKey{}, c.base())
	}
	return ctx
}

// Begun says that a handler has a request, by its context, and will record it. What the http.Server answers without a handler
// is recorded by the lane.
func Begun(ctx context.Context) {
	if c, ok := ctx.Value(connKey{}).(*conn); ok {
		c.begun.Store(true)
	}
}

// SetReadDeadline implements net.Conn for the http.Server and handlers.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.settle()
	c.readBy.Store(0)
	return c.Conn.SetReadDeadline(t)
}
