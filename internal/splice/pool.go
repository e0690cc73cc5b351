package splice

import (
	"sync"
	"time"
)

const (
	// Chunk is how much is well sent by one call of Send.
	Chunk = 16 << 20

	// lent is the size of a pipe that Get lends. Each time that a client has taken all of it, it sleeps, and to wake it up costs as
	// much as to send 64 KiB; as long as one who has become slow takes what is left of it, others cannot have it.
	lent = 4 * Step
	// most are lent at the same time. They hold half of what a user without privileges may have in pipes.
	most = 8
	// kept is how long a pipe is kept that nobody wants.
	kept = 10 * time.Second
)

// pool is that of the process, for what bounds it is the process's, too.
var pool struct {
	mu    sync.Mutex
	out   int
	free  []*Pipe
	clock *time.Timer // calls drop; nil before the first pipe
}

// bound is how many are lent to leave most descriptors to others.
var bound = sync.OnceValue(func() int { return min(most, descriptors()/128) })

// Quick says whether a client that has taken so many bytes in that time takes enough for a pipe to be worth while: others would
// hold theirs for nothing.
func Quick(bytes int64, in time.Duration) bool { return float64(bytes) > 40e6*in.Seconds() }

// Get lends an empty pipe, or none: then others have them all, or the system gives no more. It is safe for concurrent use.
func Get() *Pipe {
	pool.mu.Lock()
	defer pool.mu.Unlock()
	if pool.out >= bound() {
		return nil
	}
	var p *Pipe
	if last := len(pool.free) - 1; last >= 0 {
		p, pool.free = pool.free[last], pool.free[:last]
	} else {
		made, err := New(lent)
		if err != nil {
			return nil // whoever asked goes on without
		}
		p = made
	}
	pool.out++
	return p
}

// Put takes a pipe back that Get has lent, or nil. What is in it goes.
func Put(p *Pipe) {
	if p == nil {
		return
	}
	pool.mu.Lock()
	defer pool.mu.Unlock()
	pool.out--
	if !p.isEmpty() {
		p.Close()
		return
	}
	pool.free = append(pool.free, p)
	if pool.clock == nil {
		pool.clock = time.AfterFunc(kept, drop)
	} else {
		pool.clock.Reset(kept)
	}
}

// drop closes what nobody has wanted for a while.
func drop() {
	pool.mu.Lock()
	defer pool.mu.Unlock()
	for _, p := range pool.free {
		p.Close()
	}
	pool.free = nil
}
