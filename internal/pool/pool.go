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
	"sync"
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
	mu         sync.Mutex
	size, busy int
	queue      list.List // of *waiter, first come first; empty whenever a slot is free
	queueLimit int
	closed     bool
	drained    chan struct{} // closed when the pool is closed and nothing runs or waits
	isDrained  bool

	done, panics, rejected uint64
	waits                  waits

	goroutines sync.WaitGroup // those begun by Go
}

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
	return &Pool{size: max(slots, 1), queueLimit: max(queue, 0), drained: make(chan struct{})}
}

// Do runs fn in the caller's goroutine once a slot is free, and returns its error. It returns ctx's error if ctx ends
// before fn begins, ErrFull or ErrClosed if the call is refused, and a *PanicError if fn panics; in the first three cases
// fn never runs. A runtime.Goexit in fn gives the slot back and ends the caller's goroutine, as it must.
func (p *Pool) Do(ctx context.Context, fn func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := p.take(ctx); err != nil {
		return err
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
	p.mu.Lock()
	defer p.mu.Unlock()
	p.size = max(n, 1)
	p.handOut()
}

// Close refuses new calls with ErrClosed and waits until all that run or wait have ended. When ctx ends first, the waiting
// calls are refused too, and the error says how many calls still run: they cannot be interrupted. Close may be called
// again, to wait longer.
func (p *Pool) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.handOut()
	p.mu.Unlock()
	select {
	case <-p.drained:
	case <-ctx.Done():
		if running, cancelled := p.refuseWaiting(); running > 0 {
			return fmt.Errorf("worker pool: %d calls still running, %d waiting ones cancelled: %w", running, cancelled, ctx.Err())
		}
	}
	p.goroutines.Wait()
	return nil
}

func (p *Pool) refuseWaiting() (running, cancelled int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	running, cancelled = p.busy, p.queue.Len()
	for p.queue.Len() > 0 {
		p.leave(p.queue.Front().Value.(*waiter)).turn(ErrClosed)
	}
	p.handOut()
	return running, cancelled
}

// take takes a slot, waiting for one if it must.
func (p *Pool) take(ctx context.Context) error {
	p.mu.Lock()
	slot, err := p.tryTake()
	if slot || err != nil {
		p.mu.Unlock()
		return err
	}
	turn := make(chan error, 1)
	w := p.enqueue(func(err error) { turn <- err })
	p.mu.Unlock()
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

// give gives a slot back.
func (p *Pool) give() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy--
	p.handOut()
}

// tryTake, called with mu held, takes a slot if one is free. Without a slot and an error there is a place in the queue.
func (p *Pool) tryTake() (slot bool, err error) {
	switch {
	case p.closed:
		return false, ErrClosed
	case p.busy < p.size:
		p.busy++
		return true, nil
	case p.queue.Len() >= p.queueLimit:
		p.rejected++
		return false, ErrFull
	}
	return false, nil
}

// enqueue, called with mu held, puts a call at the end of the queue.
func (p *Pool) enqueue(turn func(error)) *waiter {
	w := &waiter{turn: turn, since: time.Now()}
	w.place = p.queue.PushBack(w)
	return w
}

// handOut, called with mu held after every change, is the one place where slots go to those who wait.
func (p *Pool) handOut() {
	for p.busy < p.size && p.queue.Len() > 0 {
		p.busy++
		p.leave(p.queue.Front().Value.(*waiter)).turn(nil)
	}
	if p.closed && p.busy == 0 && !p.isDrained {
		p.isDrained = true
		close(p.drained)
	}
}

// leave, called with mu held, takes w out of the queue.
func (p *Pool) leave(w *waiter) *waiter {
	p.queue.Remove(w.place)
	w.place = nil
	p.waits.add(time.Since(w.since))
	return w
}

// abandon takes w out of the queue if it is still there.
func (p *Pool) abandon(w *waiter) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.place == nil {
		return false
	}
	p.leave(w)
	return true
}
