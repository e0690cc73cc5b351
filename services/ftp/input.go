package ftp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"time"
)

const (
	// maxLine is the longest command, in bytes; the library takes 4096 with the end of the line.
	maxLine = 4000
	// maxQueue is how many commands wait for the end of a transfer; the next is not read before.
	maxQueue = 64
)

// Read implements net.Conn: it returns a command, or a part of one, at a time, so that the library never has more than what it
// works on.
func (c *session) Read(p []byte) (int, error) {
	c.unwatch()
	defer c.watch()
	if len(c.rest) == 0 {
		line, err := c.next()
		if err != nil {
			c.endData()
			return 0, io.EOF
		}
		c.rest = append(append(c.rest, line...), "\r\n"...)
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	if len(c.rest) == 0 {
		c.rest = nil
	}
	return n, nil
}

// next returns the next command for the library. After an error the session ends; the client has been told why.
func (c *session) next() (string, error) {
	for {
		if fn := c.turn; fn != nil {
			c.turn = nil
			c.watch()
			out := fn()
			c.unwatch()
			if out != "" {
				return out, nil
			}
		}
		line, err := c.nextLine()
		if err != nil {
			return "", err
		}
		if out, ok := c.command(line); ok {
			return out, nil
		}
	}
}

// nextLine returns the client's next line that may be worked on now. While a transfer runs that is only what is about the
// transfer; the rest waits in a queue, so that ABOR is seen.
func (c *session) nextLine() (string, error) {
	for {
		if err := c.over(); err != nil {
			return "", c.goodbye(err)
		}
		if line, ok := c.take(); ok {
			return line, nil
		}
		if err := c.limitSilence(); err != nil {
			return "", c.goodbye(err)
		}
		if len(c.in) > maxLine && bytes.IndexByte(c.in[:maxLine+1], '\n') < 0 { // else they wait for a place in the queue
			c.say("500 The line is too long.")
			return "", errEnd
		}
		if err := c.fill(); err != nil {
			return "", err
		}
	}
}

// take finds a line that may be worked on.
func (c *session) take() (string, bool) {
	c.mu.Lock()
	busy := c.transfer != nil
	opened := busy && c.transfer.opened
	c.mu.Unlock()
	if len(c.queue) > 0 && (!busy || opened && isUrgent(c.queue[0])) {
		line := c.queue[0]
		c.queue = c.queue[1:]
		c.abort(line)
		return line, true
	}
	for len(c.queue) < maxQueue {
		i := bytes.IndexByte(c.in, '\n')
		if i < 0 || i > maxLine {
			return "", false
		}
		line := string(clean(c.in[:i], c.secure))
		if c.in = c.in[i+1:]; len(c.in) == 0 {
			c.in = nil
		}
		switch {
		case !busy:
			return line, true
		case !isUrgent(line):
			c.queue = append(c.queue, line)
		case opened:
			c.abort(line)
			return line, true
		default: // the library waits for a connection, and hears nothing until then
			if verb, _ := cut(line); verb == "ABOR" {
				c.abort(line)
				c.endData()
			}
			c.queue = slices.Insert(c.queue, c.urgent(), line)
		}
	}
	return "", false
}

// urgent is how many lines at the front of the queue are.
func (c *session) urgent() int {
	if i := slices.IndexFunc(c.queue, func(line string) bool { return !isUrgent(line) }); i >= 0 {
		return i
	}
	return len(c.queue)
}

// abort notes that it is the client who ends the transfer, if it is.
func (c *session) abort(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if verb, _ := cut(line); verb == "ABOR" && c.transfer != nil {
		c.transfer.fail(errAborted)
	}
}

// over is why no command is worked on any more.
func (c *session) over() error {
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	if c.srv.stopping.Load() && c.current() == nil {
		return errStop
	}
	return nil
}

// limitSilence sets until when the client may be silent; the error says that it has been for too long, or that the session is
// over.
func (c *session) limitSilence() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil { // before the deadline, which then lets Read return
		return context.Cause(c.ctx)
	}
	l, now := &c.srv.limits, time.Now()
	var deadline time.Time
	switch {
	case c.transfer != nil: // has its own clock
	case len(c.queue) > 0: // the transfer has ended since take looked
		deadline = longAgo
	case c.srv.stopping.Load():
		return errStop
	case c.user == nil:
		if deadline = c.stranger.Add(time.Duration(l.login)); !now.Before(deadline) {
			return errNoLogin
		}
	case c.idle > 0:
		if deadline = c.last.Add(time.Duration(c.idle)); !now.Before(deadline) {
			return errIdle
		}
	}
	return c.raw.SetReadDeadline(deadline)
}

// fill reads what the client sends. A deadline that passes is no error: there may be something else to do.
func (c *session) fill() error {
	if len(c.queue) >= maxQueue {
		return c.await()
	}
	c.mu.Lock()
	stream := c.stream
	c.mu.Unlock()
	if err := c.shakeHands(stream); err != nil {
		return err
	}
	if cap(c.in)-len(c.in) < 64 {
		c.in = append(make([]byte, 0, 2*cap(c.in)+512), c.in...)
	}
	n, err := stream.Read(c.in[len(c.in):cap(c.in)])
	c.in = c.in[:len(c.in)+n]
	if n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		c.mu.Lock()
		if n > 0 {
			c.last = time.Now()
		}
		c.mu.Unlock()
		return nil
	}
	return err
}

// await waits for the end of the transfer: the queue is full.
func (c *session) await() error {
	c.mu.Lock()
	t := c.transfer
	c.mu.Unlock()
	if t == nil {
		return nil
	}
	c.watch()
	defer c.unwatch()
	select {
	case <-t.done:
		return nil
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	}
}
