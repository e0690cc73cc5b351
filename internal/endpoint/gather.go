package endpoint

import (
	"io"
	"sync"
)

// gathering makes one write of many. It is safe for concurrent use.
type gathering struct {
	to io.Writer

	mu    sync.Mutex
	buf   []byte // what waits; its capacity is the caller's
	ended bool
}

// write takes p, or sends it and what waits. It returns false if the gathering has ended.
func (g *gathering) write(p []byte) (n int, taken bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return 0, false, nil
	}
	if len(g.buf)+len(p) > cap(g.buf) {
		if err := g.flush(); err != nil {
			return 0, true, err
		}
	}
	if len(p) > cap(g.buf) {
		n, err = g.to.Write(p)
		return n, true, err
	}
	g.buf = append(g.buf, p...)
	return len(p), true, nil
}

func (g *gathering) end() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
	return g.flush()
}

func (g *gathering) flush() error {
	if len(g.buf) == 0 {
		return nil
	}
	_, err := g.to.Write(g.buf)
	g.buf = g.buf[:0]
	return err
}

// Gather makes Write keep what it gets in buf, which the connection owns until Release, and send it when buf is full. It is
// for TLS, which writes each record of 16 KiB by itself: together they cost far less. Only one call of Gather may be without
// its Release. What is written other than by Write does not wait.
func (c *tcpConn) Gather(buf []byte) {
	c.gathering.Store(&gathering{to: c.TCPConn, buf: buf[:0]})
}

// Release sends what waits. The error is that of sending it; an earlier one was returned by Write.
func (c *tcpConn) Release() error {
	g := c.gathering.Load()
	if g == nil {
		return nil
	}
	err := g.end() // first, so that no other write overtakes what waits
	c.gathering.Store(nil)
	return err
}

// Write implements net.Conn.
func (c *tcpConn) Write(p []byte) (int, error) {
	if g := c.gathering.Load(); g != nil {
		if n, taken, err := g.write(p); taken {
			return n, err
		}
	}
	return c.TCPConn.Write(p)
}
