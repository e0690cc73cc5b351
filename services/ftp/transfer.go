package ftp

import (
	"context"
	"sync/atomic"
	"time"
)

// transfer is a command with a data connection, from when the library gets it to its last answer.
type transfer struct {
	verb, path string
	start      int64 // of REST
	ascii      bool
	began      time.Time
	bytes      atomic.Int64
	done       chan struct{} // closed after the last answer

	// Guarded by the session's mu.
	opened bool // there is a data connection
	secure bool // it is encrypted
	open   bool // the file is
	late   bool // the record waits for the file to be closed
	err    error
	least  int64 // how many bytes must come, as ALLO said

	listing *listing // what LIST, NLST or MLSD sends; nil once somebody does
}

// fail keeps the first error. Called with the session's mu.
func (t *transfer) fail(err error) {
	if err != nil && t.err == nil {
		t.err = err
	}
}

// failed notes why the transfer that runs goes wrong.
func (c *session) failed(t *transfer, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t != nil {
		t.fail(err)
	}
}

// errNobody says that the data port was closed before the transfer could begin: the server stops, or the time was up.
var errNobody = &refusal{425, "nobody can come to the data port any more"}

// abandoned says why a transfer that has not begun never will; nil if it may.
func (c *session) abandoned(t *transfer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ctx.Err() != nil:
		return context.Cause(c.ctx)
	case t != nil && t.err != nil:
		return t.err
	case c.data != nil && c.data.ctx.Err() != nil:
		return errNobody
	}
	return nil
}

// current is the transfer that runs; nil if none does.
func (c *session) current() *transfer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.transfer
}

func (c *session) beginTransfer(verb, param string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &transfer{verb: verb, path: param, began: time.Now(), done: make(chan struct{}), secure: c.private, ascii: c.ascii}
	if verb == "RETR" || verb == "STOR" { // the others begin where they must
		t.start = c.start
	}
	if verb == "STOR" || verb == "APPE" || verb == "STOU" {
		t.least, c.allocated = c.allocated, 0
	}
	c.transfer = t
	c.srv.transfers.Add(1)
}

// endTransfer lets other commands have their turn. What was aborted is not over yet: its record comes when the file is closed.
// Called with mu.
func (c *session) endTransfer(t *transfer) {
	c.transfer = nil
	if t.listing != nil { // nobody came for it
		t.listing.close()
		t.listing = nil
	}
	close(t.done)
	c.srv.transfers.Add(-1)
	if t.late = t.open; !t.late {
		c.record(t)
	}
}

// fileOpened and fileClosed say when a transfer has a file, and at which offset it begins. Between them the session is in use.
func (c *session) fileOpened(t *transfer, offset int64) {
	c.retain()
	c.mu.Lock()
	defer c.mu.Unlock()
	if t != nil {
		t.open = true
		if t.verb == "STOR" { // ALLO is about the whole file, but for APPE about what is appended
			t.least -= offset
		}
	}
}

func (c *session) fileClosed(t *transfer) {
	defer c.release()
	c.mu.Lock()
	if t != nil {
		if t.open = false; t.late {
			c.record(t)
		}
	}
	c.mu.Unlock()
	c.writeRecords()
}

// doubt is how long the end of an upload in clear may be that of the client: the system of one that was killed ends its
// connections one after the other, in any order. Every upload waits for it, unless ALLO has said how long it is.
const doubt = 500 * time.Microsecond

// greatDoubt is the same for an upload that takes the place of a file: on a busy system the end of the commands comes later.
const greatDoubt = 20 * time.Millisecond

// interrupted says why an upload whose data have ended is not the whole file; nil if nothing speaks against it. In clear, the
// end of the data is the end of the connection, which comes also when the client dies; but then its commands end, too.
func (c *session) interrupted(t *transfer, replaces bool) error {
	if t == nil {
		return nil
	}
	gone, n := false, t.bytes.Load()
	if said := t.least > 0 && n >= t.least; !t.secure && !said {
		wait := doubt
		if replaces {
			wait = greatDoubt
		}
		gone = hungUp(c.raw, wait)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case gone:
		t.fail(errConnection)
	case n < t.least:
		t.fail(errShort)
	}
	return t.err
}
