package logfile

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// drain is the writing half of an Observer: what its one goroutine has in hands.
type drain struct {
	out       []byte // taken from the buffer and not yet written; stays while the sink fails
	records   int    // how many out holds
	spare     []byte // becomes the buffer at the next exchange
	waiters   []chan error
	last      time.Time // of the last attempt to write
	failure   error     // of the last attempt, nil if it went well
	cause     error     // why the sink failed, until the log has said so
	noticed   time.Time // when drops were last reported
	abandoned int       // records that Close gave up
}

// run writes until Close. A record that comes after a pause is written at once; under load there are batchPause between two
// writes, so that many records share one.
func (o *Observer) run() {
	defer close(o.ended)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		urgent := false
		select {
		case <-o.wake:
		case <-o.urgent:
			urgent = true
		case <-timer.C:
		case <-o.quit:
			o.finish()
			return
		}
		if rest := batchPause - time.Since(o.drain.last); rest > 0 && !urgent {
			timer.Reset(rest)
			select {
			case <-timer.C:
			case <-o.urgent:
			case <-o.quit:
				o.finish()
				return
			}
		}
		if again := o.pass(false); again > 0 {
			timer.Reset(again)
		} else {
			timer.Stop()
		}
	}
}

// pass writes what is left of the last attempt and then what the buffer holds. It returns when to try again if nobody
// asks before; 0 means that there is nothing to do.
func (o *Observer) pass(final bool) (again time.Duration) {
	d := &o.drain
	if len(d.out) > 0 && !o.put() {
		return healPause
	}
	pending := o.take(final)
	if len(d.out) > 0 && !o.put() {
		return healPause
	}
	o.release(&d.waiters, nil)
	if pending {
		return healPause
	}
	return 0
}

// take exchanges the buffers and adds a record about what was dropped. It reports whether drops remain to be reported.
func (o *Observer) take(final bool) (pending bool) {
	d := &o.drain
	report, lost := final || d.cause != nil || time.Since(d.noticed) >= healPause, 0
	o.mu.Lock()
	d.out, o.buf, d.spare = o.buf, d.spare[:0], nil
	d.records, o.records = o.records, 0
	d.waiters, o.waiters = append(d.waiters, o.waiters...), nil
	if report {
		lost, o.dropped = o.dropped, 0
	}
	pending = o.dropped > 0
	o.mu.Unlock()
	if lost > 0 || d.cause != nil {
		o.notice(lost)
		d.cause, d.noticed = nil, time.Now()
	}
	return pending
}

// notice puts a record about lost records behind those that came before them.
func (o *Observer) notice(lost int) {
	d := &o.drain
	text, level := fmt.Sprintf("%d records dropped: buffer full", lost), slog.LevelWarn
	switch {
	case d.cause != nil && lost == 0:
		text, level = fmt.Sprintf("log is written again, no record lost: %v", d.cause), slog.LevelInfo
	case d.cause != nil:
		text = fmt.Sprintf("%d records lost: %v", lost, d.cause)
	}
	if o.format == Raw {
		if o.warn != nil && lost > 0 {
			o.warn(text)
		}
		return
	}
	l := o.newLine()
	l.begin(o, o.now(), o.head("log", level))
	addMessage(l, o, text)
	l.end(o)
	d.out = append(d.out, l.buf...)
	d.records++
	o.scratch.Put(l)
}

// put writes out and reports whether the sink took it all. What it did not take, from the record that was cut, is kept.
func (o *Observer) put() bool {
	d := &o.drain
	n, err := o.w.Write(d.out)
	d.last = time.Now()
	if err == nil && n < len(d.out) {
		err = io.ErrShortWrite
	}
	done := d.records
	if end := o.boundary(d.out, n); end < len(d.out) {
		done = min(d.records, o.count(d.out[:end]))
		d.out = d.out[end:]
	} else {
		d.reuse()
	}
	d.records -= done
	o.mu.Lock()
	o.stats.Written += uint64(done)
	o.failure = err
	o.hung = false
	o.mu.Unlock()
	if err == nil {
		d.failure = nil
		return true
	}
	if d.failure == nil && o.fallback != nil {
		fmt.Fprintf(o.fallback, "gtwistd: log: %v; records wait in memory, what has no room is counted as lost\n", err)
	}
	d.failure, d.cause = err, err
	o.release(&d.waiters, err)
	o.mu.Lock()
	waiters := o.waiters
	o.waiters = nil
	o.mu.Unlock()
	o.release(&waiters, err)
	return false
}

// reuse keeps the memory of out for the next exchange, unless a burst has made it far larger than what is usual.
func (d *drain) reuse() {
	const small = 64 << 10
	if cap(d.out) <= small || len(d.out) >= cap(d.out)/4 {
		d.spare = d.out[:0]
	}
	d.out = nil
}

func (o *Observer) release(waiters *[]chan error, err error) {
	for _, w := range *waiters {
		w <- err
	}
	*waiters = nil
}

// finish makes the last attempt and gives up what the sink does not take.
func (o *Observer) finish() {
	o.pass(true)
	d := &o.drain
	o.mu.Lock()
	d.abandoned = d.records + o.records
	o.stats.Dropped += uint64(d.abandoned)
	waiters := o.waiters
	o.waiters, o.buf, d.out = nil, nil, nil
	o.mu.Unlock()
	o.release(&waiters, d.failure)
}

// boundary returns the end of the last whole record in b[:n].
func (o *Observer) boundary(b []byte, n int) int {
	for end := n; end > 0; end-- {
		if b[end-1] == '\n' && (end == len(b) || b[end] != '\t' || !o.multiline()) {
			return end
		}
	}
	return 0
}

// count returns the number of records in b, which ends with one.
func (o *Observer) count(b []byte) int {
	n := bytes.Count(b, []byte{'\n'})
	if o.multiline() {
		n -= bytes.Count(b, []byte("\n\t"))
	}
	return n
}

// multiline reports whether a record's further lines begin with a tab.
func (o *Observer) multiline() bool { return o.format != JSON && o.format != Raw }
