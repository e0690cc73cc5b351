package ftp

import (
	"crypto/tls"
	"net"
	"syscall"
	"time"
)

// hungUp says whether the peer of a connection is gone, or the connection is closed, or whether that happens while it waits. It
// takes nothing from what is to be read. False is also what is said where nobody can tell.
func hungUp(conn net.Conn, wait time.Duration) bool {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	s, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := s.SyscallConn()
	gone := err != nil
	if err == nil && raw.Control(func(fd uintptr) { gone = hasHungUp(int(fd), wait) }) != nil {
		gone = true // closed
	}
	return gone
}

// watchEvery is how often it is looked whether the client is still there, while a command takes long.
const watchEvery = 500 * time.Millisecond

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
	c.mu.Lock()
	// While somebody reads, what the client sent before it went counts.
	gone := c.watching && hungUp(c.raw, 0)
	if c.watching && !gone && !c.ended {
		c.watchdog.Reset(watchEvery)
	}
	c.mu.Unlock()
	if gone {
		c.end(errConnection)
	}
}
