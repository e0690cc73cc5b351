package logfile

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	defaultBuffer = 1 << 20
	// batchPause is the least time between two writes under load; the first record after a pause is written at once. Each write
	// of many records costs a busy service two switches of threads.
	batchPause = 25 * time.Millisecond
	// throughBound is how long a record of level error waits for its write. A sink that is slower than that is not
	// waited for again until a write comes back.
	throughBound = 100 * time.Millisecond
	// closeBound is how long Close waits for a sink.
	closeBound = 5 * time.Second
	// healPause is the time between two attempts to write to a sink that failed, and between two reports of drops.
	healPause = time.Second
)

// ObserverOptions says how an Observer writes. The zero value is text, level info and above, no colour.
type ObserverOptions struct {
	Format Format
	Levels Levels
	// Color allows colours, in Console only. The caller knows about terminals and NO_COLOR.
	Color bool
	// Buffer is how many bytes of records may wait for the sink, 0 means 1 MiB. As many again may be on their way.
	Buffer int
	// Now is the clock, nil means time.Now. The location of what it returns is the zone of all times in the log.
	Now func() time.Time
	// Fallback is told in one line when the sink begins to fail. Nil means that nobody is told.
	Fallback io.Writer
	// Warn is told what Raw has no place for: how many records were dropped and why. Other formats ignore it.
	Warn func(msg string, args ...any)
}

// Stats counts records.
type Stats struct {
	// Written is how many records the sink has taken, Dropped how many are lost: the buffer was full, or the
	// observer was closed.
	Written, Dropped uint64
	// Err is why the sink takes nothing at present; the records wait in the buffer. Nil while all is well.
	Err error
}

// Observer formats records and has one goroutine write them to a sink, so that a service never waits for a disk. What the
// sink does not take waits in a bounded buffer; when that is full, records are dropped and counted, and the log says so once
// there is room. A record of level error is written through: its caller waits until it is written, for 100 ms at
// most, and not at all while the sink fails or hangs. All methods are safe for concurrent use.
type Observer struct {
	w        io.Writer
	closer   io.Closer // of a sink that NewSyslog made
	fallback io.Writer
	warn     func(msg string, args ...any)
	format   Format
	levels   Levels
	color    bool
	limit    int
	now      func() time.Time
	given    bool // now was given, so it also replaces the time in a record
	zone     *time.Location
	stamps   atomic.Pointer[stamp]
	scratch  sync.Pool

	wake, urgent chan struct{} // one token each: there is something; there is something that cannot wait
	quit, ended  chan struct{}

	mu      sync.Mutex
	buf     []byte    // records that wait
	records int       // how many they are
	begun   time.Time // of the record that is being composed behind buf
	message int       // where its message begins
	dropped int       // not yet reported
	stats   Stats
	waiters []chan error
	failure error // of the last attempt to write
	hung    bool  // a record of level error waited in vain
	closed  bool

	drain drain // belongs to the goroutine
}

// NewObserver starts an observer that writes to w, whole lines, several at a time. Close ends it; w stays the
// caller's.
func NewObserver(w io.Writer, o ObserverOptions) *Observer {
	ob := &Observer{
		w: w, fallback: o.Fallback, warn: o.Warn, format: o.Format, levels: o.Levels, color: o.Color, limit: o.Buffer,
		now: o.Now, given: o.Now != nil,
		wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1), quit: make(chan struct{}), ended: make(chan struct{}),
	}
	if ob.limit <= 0 {
		ob.limit = defaultBuffer
	}
	if ob.now == nil {
		ob.now = time.Now
	}
	ob.zone = ob.now().Location()
	ob.scratch.New = func() any { return &line{} }
	go ob.run()
	return ob
}

// Logger returns a logger whose records carry name as their service: [name#info]. An empty name is written as "-". It
// needs no closing.
func (o *Observer) Logger(name string) *slog.Logger { return slog.New(newHandler(o, name)) }

// Writer returns a writer each Write of which is one record of that service and level, such as a line of an access log. It
// allocates nothing, never blocks and never fails; a newline at the end is optional. Close does nothing. Below the
// level kept of that service everything is discarded.
func (o *Observer) Writer(name string, level slog.Level) io.WriteCloser {
	return &recordWriter{o: o, off: level < o.levels.Level(name), head: o.head(name, level), level: level}
}

// Stats returns the counts so far.
func (o *Observer) Stats() Stats {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.stats
	s.Err = o.failure
	return s
}

// Flush waits until everything logged so far is written. The error is that of the sink, or ctx's if that ends first.
func (o *Observer) Flush(ctx context.Context) error {
	wait := make(chan error, 1)
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return nil
	}
	o.waiters = append(o.waiters, wait)
	o.mu.Unlock()
	token(o.urgent)
	select {
	case err := <-wait:
		return err
	case <-o.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close writes what waits, for five seconds at most, and ends the goroutine. Later records count as dropped. The error says how
// many records were lost because the sink failed at the end. If the sink hangs, the goroutine ends when it comes back.
func (o *Observer) Close() error {
	o.mu.Lock()
	first := !o.closed
	o.closed = true
	o.mu.Unlock()
	if first {
		close(o.quit)
	}
	select {
	case <-o.ended:
	case <-time.After(closeBound):
		return fmt.Errorf("log: a write takes longer than %v", closeBound)
	}
	if !first {
		return nil
	}
	if o.closer != nil {
		o.closer.Close()
	}
	if n := o.drain.abandoned; n > 0 {
		return fmt.Errorf("log: %d records lost: %w", n, o.drain.failure)
	}
	return nil
}

// add appends one record, which ends with a newline.
func (o *Observer) add(record []byte) {
	o.mu.Lock()
	o.keep(append(o.buf, record...))
}

// keep makes b the buffer, which is what it was and one record more, if there is room. It unlocks mu.
func (o *Observer) keep(b []byte) {
	if o.closed || len(b) > o.limit {
		if !o.closed {
			o.buf = b[:len(o.buf)] // for the next one, if it has grown
		}
		o.stats.Dropped++
		o.dropped++
		o.mu.Unlock()
		return
	}
	first, half := len(o.buf) == 0, len(o.buf) <= o.limit/2 && len(b) > o.limit/2
	o.buf = b
	o.records++
	o.mu.Unlock()
	if first {
		token(o.wake)
	}
	if half {
		token(o.urgent)
	}
}

// through waits until what was added is written, within bounds.
func (o *Observer) through() {
	wait := make(chan error, 1)
	o.mu.Lock()
	if o.closed || o.hung || o.failure != nil {
		o.mu.Unlock()
		return
	}
	o.waiters = append(o.waiters, wait)
	o.mu.Unlock()
	token(o.urgent)
	timer := time.NewTimer(throughBound)
	defer timer.Stop()
	select {
	case <-wait:
	case <-o.ended:
	case <-timer.C:
		o.mu.Lock()
		o.hung = true
		o.mu.Unlock()
	}
}

// token puts a token into a channel that holds one.
func token(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// recordWriter is what Writer returns. It also is a plugins.RecordWriter.
type recordWriter struct {
	o     *Observer
	off   bool
	head  []byte
	level slog.Level
}

func (w *recordWriter) Write(p []byte) (int, error) {
	o, text := w.o, bytes.TrimRight(p, "\r\n")
	switch {
	case w.off:
	case o.format == Raw, o.format == Text && printable(text):
		b, _ := w.Begin(time.Time{})
		w.End(append(b, text...))
	default:
		l := w.line(o.now(), text)
		o.add(l.buf)
		o.scratch.Put(l)
		w.through()
	}
	return len(p), nil
}

// Begin locks the observer and returns its buffer, where the record is to be appended. To look at the clock, as at is zero,
// costs as much as all else.
func (w *recordWriter) Begin(at time.Time) (buf []byte, ok bool) {
	if w.off {
		return nil, false
	}
	o := w.o
	if o.given || at.IsZero() && o.format != Raw {
		at = o.now()
	}
	o.mu.Lock()
	b := o.buf
	if o.format == Text {
		b = append(append(b, o.stampOf(at).text...), w.head...)
	}
	o.begun, o.message = at, len(b)
	return b, true
}

// End takes what came of the buffer and unlocks. It does not read what was written a moment ago, which costs a processor more
// than to write it.
func (w *recordWriter) End(b []byte) {
	o := w.o
	if o.format != Raw && o.format != Text {
		l := w.line(o.begun, bytes.TrimRight(b[o.message:], "\r\n"))
		b = append(o.buf, l.buf...)
		o.scratch.Put(l)
	} else if n := len(b); n == o.message || b[n-1] != '\n' {
		b = append(b, '\n')
	}
	o.keep(b)
	w.through()
}

// line is a record in a format that does more than put something before it.
func (w *recordWriter) line(at time.Time, text []byte) *line {
	l := w.o.newLine()
	l.begin(w.o, at, w.head)
	addMessage(l, w.o, text)
	l.end(w.o)
	return l
}

func (w *recordWriter) through() {
	if w.level >= slog.LevelError {
		w.o.through()
	}
}

func (w *recordWriter) Close() error { return nil }
