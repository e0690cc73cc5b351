package pool

import "time"

// Stats are the figures of a pool at one moment, and the sums since it was made.
type Stats struct {
	// Size is the number of slots; Busy of them are taken, Idle are free. Busy exceeds Size for a while after a pool was
	// made smaller.
	Size, Busy, Idle int
	// Queued calls wait for a slot; more than QueueLimit are refused.
	Queued, QueueLimit int

	// Done counts the calls that ran to their end, whichever it was; Panics those of them that panicked; Rejected those
	// refused with ErrFull.
	Done, Panics, Rejected uint64
	// Waited counts the calls that had to wait, whether they ran then or gave up. WaitTotal is the sum of their waiting
	// times, WaitMax the longest.
	Waited             uint64
	WaitTotal, WaitMax time.Duration
}

// Stats returns the present figures.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Stats{
		Size:       p.size,
		Busy:       p.busy,
		Idle:       max(p.size-p.busy, 0),
		Queued:     p.queue.Len(),
		QueueLimit: p.queueLimit,
		Done:       p.done,
		Panics:     p.panics,
		Rejected:   p.rejected,
		Waited:     p.waits.count,
		WaitTotal:  p.waits.total,
		WaitMax:    p.waits.longest,
	}
}

type waits struct {
	count          uint64
	total, longest time.Duration
}

func (w *waits) add(d time.Duration) {
	w.count++
	w.total += d
	w.longest = max(w.longest, d)
}
