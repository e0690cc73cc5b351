// Package pool bounds how many blocking calls run at once: open, stat, readdir, hashing. Go lends a blocked goroutine its
// own thread, so what has to be rationed is the disk and the number of threads, not the waiting itself; that is why Do runs
// the function in the caller's goroutine and only makes it wait for a slot. Waiting is first come, first served, in a queue
// with a limit.
//
//	p := pool.New(64, 1024)
//	defer p.Close(ctx)
//	err := p.Do(ctx, func() (err error) { info, err = os.Stat(name); return err })
//
// For those who come from Twisted: deferToThread is Go, and its Deferred is the Future; callInThread is Go with a Future
// that nobody waits for; callMultipleInThread is DoAll; blockingCallFromThread is Future.Wait; suggestThreadPoolSize is
// Resize.
//
// A function that waits for another call of the same pool holds one slot while it wants a second; enough of them at once
// wait for each other until their contexts end. Functions given to a pool should not use it.
package pool

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

var (
	// ErrFull refuses a call because as many as the queue holds are waiting already.
	ErrFull = errors.New("worker pool is full")
	// ErrClosed refuses a call because Close was called before it began to run.
	ErrClosed = errors.New("worker pool is closed")
)

// Pool hands out slots. Use New to make one; it owns no goroutine until Go is called. All methods are safe for concurrent
// use.
type Pool struct {
	// state holds the slots taken (low 32 bits), the size (31 bits above) and the flag held. While held is clear a slot is
	// taken or given back by one compare-and-swap. While it is set only the owner of mu changes state.
	state atomic.Uint64

	mu         sync.Mutex
	queue      list.List // of *waiter, first come first; empty whenever a slot is free
	queueLimit int
	closed     bool
	drained    chan struct{} // closed when the pool is closed and nothing runs or waits
	isDrained  bool
	rejected   uint64
	waits      waits

	done, panics atomic.Uint64
	goroutines   sync.WaitGroup // those begun by Go
}

const (
	held     = 1 << 63
	sizeUnit = 1 << 32
)

func taken(state uint64) int { return int(state & math.MaxUint32) }
func size(state uint64) int  { return int(state &^ held / sizeUnit) }

// waiter is a call in the queue. Its turn is called once, with mu held: with nil a slot is handed over, with an error there
// will be none.
type waiter struct {
	turn  func(error)
	since time.Time
	place *list.Element // nil once it has left the queue
}

// New returns a pool of that many slots where at most queue calls wait for one. Fewer than 1 slot counts as 1, a queue below 0
// as 0, which means that a call is refused unless it can run at once. Close the pool when it is no longer needed.
func New(slots, queue int) *Pool {
	p := &Pool{queueLimit: max(queue, 0), drained: make(chan struct{})}
	p.state.Store(uint64(clampSize(slots)) * sizeUnit)
	return p
}

func clampSize(n int) int { return min(max(n, 1), math.MaxInt32) }

// Do runs fn in the caller's goroutine once a slot is free, and returns its error. It returns ctx's error if ctx ends
// before fn begins, ErrFull or ErrClosed if the call is refused, and a *PanicError if fn panics; in the first three cases
// fn never runs. A runtime.Goexit in fn gives the slot back and ends the caller's goroutine, as it must.
func (p *Pool) Do(ctx context.Context, fn func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !p.take() {
		if err := p.wait(ctx); err != nil {
			return err
		}
	}
	var err error
	p.run(fn, &err)
	return err
}

// DoAll runs the functions in order in one slot. The first error, or the end of ctx, leaves out the rest and is returned.
// Otherwise it is like Do.
func (p *Pool) DoAll(ctx context.Context, fns ...func() error) error {
	return p.Do(ctx, func() error {
		for _, fn := range fns {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := fn(); err != nil {
				return err
			}
		}
		return nil
	})
}

// Resize changes the number of slots; below 1 counts as 1. Growing lets waiting calls run at once; shrinking lets running
// calls end, and new ones wait until fewer than n run.
func (p *Pool) Resize(n int) {
	p.hold()
	defer p.release()
	p.state.Store(held | uint64(clampSize(n))*sizeUnit | uint64(taken(p.state.Load())))
}

// Close refuses new calls with ErrClosed and waits until all that run or wait have ended. When ctx ends first, the waiting
// calls are refused too, and the error says how many calls still run: they cannot be interrupted. Close may be called
// again, to wait longer.
func (p *Pool) Close(ctx context.Context) error {
	p.hold()
	p.closed = true
	p.release()
	select {
	case <-p.drained:
	case <-ctx.Done():
		p.hold()
		running, queued := taken(p.state.Load()), p.queue.Len()
		for p.queue.Len() > 0 {
			p.leave(p.queue.Front().Value.(*waiter)).turn(ErrClosed)
		}
		p.release()
		if running > 0 {
			return fmt.Errorf("worker pool: %d calls still running, %d waiting ones cancelled: %w", running, queued, ctx.Err())
		}
	}
	p.goroutines.Wait()
	return nil
}

// take takes a slot if one is free and nobody waits.
func (p *Pool) take() bool {
	for {
		s := p.state.Load()
		if s&held != 0 || taken(s) >= size(s) {
			return false
		}
		if p.state.CompareAndSwap(s, s+1) {
			return true
		}
	}
}

// give gives a slot back.
func (p *Pool) give() {
	for {
		s := p.state.Load()
		if s&held != 0 {
			break
		}
		if p.state.CompareAndSwap(s, s-1) {
			return
		}
	}
	p.hold()
	p.state.Add(^uint64(0))
	p.release()
}

// hold makes the caller the only one who changes state.
func (p *Pool) hold() {
	p.mu.Lock()
	p.state.Or(held)
}

// release ends hold. It is the one place where slots go to those who wait. The flag stays while somebody waits, so that
// nobody overtakes, and for good once the pool is closed.
func (p *Pool) release() {
	defer p.mu.Unlock()
	s := p.state.Load()
	for taken(s) < size(s) && p.queue.Len() > 0 {
		s = p.state.Add(1)
		p.leave(p.queue.Front().Value.(*waiter)).turn(nil)
	}
	switch {
	case p.queue.Len() > 0:
	case !p.closed:
		p.state.And(^uint64(held))
	case taken(s) == 0 && !p.isDrained:
		p.isDrained = true
		close(p.drained)
	}
}

// join, called between hold and release, takes a slot or a place in the queue.
func (p *Pool) join(w *waiter) (slot bool, err error) {
	s := p.state.Load()
	switch {
	case p.closed:
		return false, ErrClosed
	case taken(s) < size(s):
		p.state.Add(1)
		return true, nil
	case p.queue.Len() >= p.queueLimit:
		p.rejected++
		return false, ErrFull
	}
	w.since = time.Now()
	w.place = p.queue.PushBack(w)
	return false, nil
}

// leave, called between hold and release, takes w out of the queue.
func (p *Pool) leave(w *waiter) *waiter {
	p.queue.Remove(w.place)
	w.place = nil
	p.waits.add(time.Since(w.since))
	return w
}

// abandon takes w out of the queue if it is still there.
func (p *Pool) abandon(w *waiter) bool {
	p.hold()
	defer p.release()
	if w.place == nil {
		return false
	}
	p.leave(w)
	return true
}

// wait is take for a caller who is ready to wait.
func (p *Pool) wait(ctx context.Context) error {
	turn := make(chan error, 1)
	w := &waiter{turn: func(err error) { turn <- err }}
	p.hold()
	slot, err := p.join(w)
	p.release()
	if slot || err != nil {
		return err
	}
	select {
	case err = <-turn:
	case <-ctx.Done():
		if p.abandon(w) {
			return ctx.Err()
		}
		err = <-turn
	}
	if err == nil && ctx.Err() != nil {
		p.give()
		err = ctx.Err()
	}
	return err
}
