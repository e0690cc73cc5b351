package accounts

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// turn is the time for which one caller gets the whole rate, so that those who share it take turns.
	turn = 50 * time.Millisecond
	// credit is how much of a pause can be made up for.
	credit = 100 * time.Millisecond
	// nap is the shortest time worth a timer: less is waited for together with what comes next.
	nap = time.Millisecond
)

// limiter lets so many bytes a second pass, of all its callers together, who get equal parts. The zero value has no limit. It
// is safe for concurrent use.
type limiter struct {
	rate atomic.Int64

	mu   sync.Mutex
	free time.Time // when all that was let through so far is paid for
}

// SetRate sets the bytes a second from now on; 0 is no limit. Who waits already goes on after a turn of the old rate.
func (l *limiter) SetRate(rate int64) { l.rate.Store(rate) }

// Chunk returns how many bytes a transfer should move between two calls of Wait, a tenth of a second's, at least 512 and at
// most most, which is also what it returns if there is no limit.
func (l *limiter) Chunk(most int) int {
	rate := l.rate.Load()
	if rate <= 0 {
		return most
	}
	return int(min(max(rate/10, 512), int64(most)))
}

// Wait returns when n bytes may be sent, or the next may be received after n. The error is ctx's. Without a limit it returns
// at once.
func (l *limiter) Wait(ctx context.Context, n int) error {
	for left := int64(n); left > 0; {
		rate := l.rate.Load()
		if rate <= 0 {
			break
		}
		part := min(left, max(int64(float64(rate)*turn.Seconds()), 1))
		if err := l.pay(ctx, time.Duration(float64(part)/float64(rate)*float64(time.Second))); err != nil {
			return err
		}
		left -= part
	}
	return ctx.Err()
}

// pay waits until what came before is paid for, and this, too.
func (l *limiter) pay(ctx context.Context, price time.Duration) error {
	now := time.Now()
	l.mu.Lock()
	if earliest := now.Add(-credit); l.free.Before(earliest) {
		l.free = earliest
	}
	l.free = l.free.Add(price)
	wait := l.free.Sub(now)
	l.mu.Unlock()
	if wait < nap {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		l.mu.Lock()
		l.free = l.free.Add(-price)
		l.mu.Unlock()
		return ctx.Err()
	}
}
