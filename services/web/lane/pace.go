package lane

import (
	"context"
	"net"
	"syscall"
	"time"
)

// pace is how a client takes what is written to it.
type pace struct {
	taken  int64         // bytes, in all
	credit time.Duration // how long it may take nothing from now on
}

// progress is what a client has taken of a connection.
type progress struct {
	taken   int64 // bytes that its system has acknowledged
	waiting bool  // there are more for it
}

const (
	// lump is how many bytes a client may read before its system tells: Linux frees what it has received in pieces of up to
	// 64 KiB, and others open a window of 64 KiB again when half of it is free (RFC 1122 section 4.2.3.3).
	lump = 64 << 10

	leastTick = 100 * time.Millisecond
)

// timeFor is how long n bytes take.
func timeFor(n, rate int64) time.Duration {
	return time.Duration(min(float64(n)/float64(rate), 1e9) * float64(time.Second))
}

// next returns the pace so much later. A client whose credit is below 0 is too slow.
func (p pace) next(seen progress, later time.Duration, rate int64, most time.Duration) pace {
	if !seen.waiting {
		return pace{seen.taken, most} // whatever the write waits for, it is not the client
	}
	return pace{seen.taken, min(most, p.credit+timeFor(seen.taken-p.taken, rate)-later)}
}

// watch has the watcher work while the lane serves or has connections. It is called with the lock held when that changes.
func (l *Lane) watch() {
	needed := canPace && l.config.MinRate > 0 && (l.serving > 0 || len(l.open) > 0)
	switch {
	case needed && l.unwatch == nil:
		l.unwatch = make(chan struct{})
		l.watchers++
		go l.watchUntil(l.unwatch) // Wait waits for it
	case !needed && l.unwatch != nil:
		close(l.unwatch)
		l.unwatch = nil
	}
}

// watchUntil looks at the clients again and again.
func (l *Lane) watchUntil(end <-chan struct{}) {
	defer l.change(func() { l.watchers-- })
	every := max(l.config.Stall/4, leastTick)
	tick := time.NewTicker(every)
	defer tick.Stop()
	var paces map[*conn]pace
	for last := l.now(); ; {
		select {
		case <-end:
			return
		case <-tick.C:
		}
		now := l.now()
		// When this process did not run, the clients could not take anything.
		paces = l.look(paces, min(now.Sub(last), 2*every))
		last = now
	}
}

// look cuts off the clients that are too slow, and returns the paces of the others to whom something is being written, as it
// was before.
func (l *Lane) look(before map[*conn]pace, later time.Duration) map[*conn]pace {
	rate := l.config.MinRate
	most := l.config.Stall + timeFor(lump, rate)
	after := make(map[*conn]pace, len(before))
	for _, c := range l.writers() {
		seen, ok := c.progress()
		if !ok {
			c.paced.Store(false)
			c.allow(fileChunk) // what is being written has no deadline yet
			continue
		}
		p, known := before[c]
		if !known {
			p = pace{seen.taken, most}
		}
		if p = p.next(seen, later, rate, most); p.credit < 0 {
			c.cut(seen.taken)
			continue
		}
		after[c] = p
	}
	return after
}

// writers are the connections that somebody writes to right now and whose client is to be watched.
func (l *Lane) writers() (list []*conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		if c.writing.Load() > 0 && c.paced.Load() && !c.handler.Load() {
			list = append(list, c)
		}
	}
	return list
}

// cut ends the connection: what is being written fails with a deadline, and what the client has not taken is dropped when
// the connection is closed, since it would keep its memory for minutes.
func (c *conn) cut(taken int64) {
	c.lane.slow.Add(1)
	c.lane.config.Log.Debug("connection cut off: the client takes too little", "client", c.client, "rate", c.lane.config.MinRate, "taken", taken)
	if tcp, ok := c.socket().(interface{ SetLinger(sec int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Conn.SetWriteDeadline(time.Unix(1, 0)) // a connection that is closed needs none
}

// Slow returns how many connections were cut off because their clients took too little.
func (l *Lane) Slow() int64 { return l.slow.Load() }

// socket is the connection without TLS.
func (c *conn) socket() net.Conn {
	if c.tls != nil {
		return c.tls.NetConn()
	}
	return c.Conn
}

// canBePaced tells whether the connection is one of TCP, whose client's progress the system may know.
func (c *conn) canBePaced() bool {
	_, tcp := c.socket().(interface{ SetNoDelay(bool) error })
	return canPace && tcp
}

// progress tells how far the client is, if the system knows.
func (c *conn) progress() (p progress, ok bool) {
	c.control(func(fd int) { p, ok = progressOf(fd) })
	return p, ok
}

// lost returns how many bytes of what was written have not reached the client of a connection that is broken, or 0 if that is
// not known.
func (c *conn) lost() int64 {
	if !c.broken.Load() || !c.paced.Load() || c.tls != nil {
		return 0
	}
	var n int64
	c.control(func(fd int) { n = unacknowledgedOf(fd) })
	return n
}

// control does something with the socket, if there is one.
func (c *conn) control(f func(fd int)) {
	s, ok := c.socket().(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := s.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { f(int(fd)) }) // if it is closed, nothing is known
	}
}

// Lost returns how many bytes of what was written to the connection of a request, by its context, have not reached the client,
// if writing has failed. It is 0 where that cannot be known, as under TLS.
func Lost(ctx context.Context) int64 {
	if c, ok := ctx.Value(connKey{}).(*conn); ok {
		return c.lost()
	}
	return 0
}
