package pool

import "context"

// Future is the result of a call that was begun by Go.
type Future[T any] struct {
	done  chan struct{}
	value T
	err   error
}

// Go runs fn in a goroutine of the pool once a slot is free, and returns at once. What the call is refused with, and what
// becomes of a panic, is as in Do, but Wait tells it; runtime.Goexit becomes a *PanicError too. The end of ctx takes the
// call out of the queue; once fn runs it is left alone. A call that waits costs no goroutine.
func Go[T any](ctx context.Context, p *Pool, fn func() (T, error)) *Future[T] {
	f := &Future[T]{done: make(chan struct{})}
	p.start(ctx, &job{
		fn: func() error {
			v, err := fn()
			f.value = v
			return err
		},
		end: func(err error) {
			f.err = err
			close(f.done)
		},
	})
	return f
}

// Wait returns what fn returned, or ctx's error if ctx ends first; the call goes on then. Any number of goroutines may
// wait, any number of times.
func (f *Future[T]) Wait(ctx context.Context) (T, error) {
	select {
	case <-f.done:
		return f.value, f.err
	default:
	}
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		var zero T
		return zero, ctx.Err()
	}
}

// job is a Future's call without its type.
type job struct {
	fn  func() error
	end func(error) // called once, may be called with the pool's lock held
}

func (p *Pool) start(ctx context.Context, j *job) {
	if err := ctx.Err(); err != nil {
		j.end(err)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	slot, err := p.tryTake()
	if err != nil {
		j.end(err)
		return
	}
	if slot {
		p.begin(ctx, j)
		return
	}
	var unwatch func() bool
	w := p.enqueue(func(err error) {
		unwatch()
		if err != nil {
			j.end(err)
			return
		}
		p.begin(ctx, j)
	})
	unwatch = context.AfterFunc(ctx, func() {
		if p.abandon(w) {
			j.end(ctx.Err())
		}
	})
}

// begin runs j in a slot that the caller has taken.
func (p *Pool) begin(ctx context.Context, j *job) {
	p.goroutines.Go(func() {
		// Between the turn and this moment ctx may have ended: who gave up does not run.
		err := ctx.Err()
		defer func() { j.end(err) }()
		if err != nil {
			p.give()
			return
		}
		p.run(j.fn, &err)
	})
}
