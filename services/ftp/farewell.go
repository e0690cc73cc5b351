package ftp

import (
	"context"
	"errors"
	"io"
	"time"
)

// dismiss tells the client why the session ends, and ends it, whatever it does. It does not wait for a client that takes nothing.
func (c *session) dismiss(ctx context.Context, why error) {
	if !c.enter() {
		return
	}
	defer c.release()
	c.failed(c.current(), why)
	_ = c.raw.SetWriteDeadline(time.Now().Add(dismissTimeout)) // of what is being written
	select {
	case c.writing <- struct{}{}:
		c.sayLast(c.farewell(why))
		<-c.writing
	case <-ctx.Done():
	}
	c.end(errEnd)
}

// sayLast sends an answer after which there is none. Called with writing.
func (c *session) sayLast(text string) {
	c.mu.Lock()
	stream, shaken := c.stream, c.shaken
	c.mu.Unlock()
	if c.mute || !shaken {
		return
	}
	c.mute = true
	_ = c.raw.SetWriteDeadline(time.Now().Add(dismissTimeout))
	if _, err := io.WriteString(stream, text+"\r\n"); err != nil {
		c.log.Debug("answer not sent", "error", err)
	}
}

var (
	errEnd     = errors.New("the session ends")
	errStop    = errors.New("the server stops")
	errIdle    = errors.New("idle for too long")
	errNoLogin = errors.New("no login in time")
)

// goodbye tells the client why the session ends.
func (c *session) goodbye(why error) error {
	if text := c.farewell(why); text != "" {
		c.say(text)
	}
	return why
}

// farewell is the last answer of a session; "" if the client is gone, or knows.
func (c *session) farewell(why error) string {
	switch {
	case errors.Is(why, errStop):
		return "421 The server stops."
	case errors.Is(why, errIdle):
		c.mu.Lock()
		defer c.mu.Unlock()
		return "421 No command for " + c.idle.String() + "."
	case errors.Is(why, errNoLogin):
		return "421 No login for " + c.srv.limits.login.String() + "."
	}
	return ""
}
