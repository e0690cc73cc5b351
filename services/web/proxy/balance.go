package proxy

import (
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// maxUpstreams is how many fit into a set.
const maxUpstreams = 64

// set is a set of upstreams, by their place in the list.
type set uint64

func (s set) has(i int) bool { return s&(1<<i) != 0 }
func (s *set) add(i int)     { *s |= 1 << i }

// upstream is one server.
type upstream struct {
	target
	transport *http.Transport

	// The balance's lock guards these.
	active  int       // requests and tunnels under way
	fails   int       // in a row
	since   time.Time // of the first of them
	until   time.Time // when the rest is over; zero if it does not rest
	probing bool      // a request has been sent to see whether the rest is over
}

// balance chooses among upstreams and remembers how they fared. It is safe for concurrent use.
type balance struct {
	list     []*upstream // never changed
	log      *slog.Logger
	maxFails int
	rest     time.Duration

	mu   sync.Mutex
	next int // where to begin to look, so that equals take turns
}

// turn is one use of an upstream, which ends with release.
type turn struct {
	*upstream
	probe bool
}

// pick returns the upstream with the fewest requests that does not rest and is not in tried, to which it is added; when
// all rest, the one that has rested longest. ok is false when all were tried.
func (b *balance) pick(tried *set) (t turn, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	best, now := -1, time.Now()
	for i := range b.list {
		i = (b.next + i) % len(b.list)
		if !tried.has(i) && (best < 0 || b.list[i].better(b.list[best], now)) {
			best = i
		}
	}
	if best < 0 {
		return turn{}, false
	}
	b.next = (best + 1) % len(b.list)
	tried.add(best)
	u := b.list[best]
	u.active++
	t = turn{upstream: u, probe: !u.until.IsZero() && !u.probing}
	u.probing = u.probing || t.probe
	return t, true
}

func (u *upstream) better(other *upstream, now time.Time) bool {
	resting, otherRests := u.rests(now), other.rests(now)
	switch {
	case resting != otherRests:
		return otherRests
	case resting:
		return u.until.Before(other.until)
	}
	return u.active < other.active
}

func (u *upstream) rests(now time.Time) bool {
	return !u.until.IsZero() && (u.probing || now.Before(u.until))
}

func (b *balance) release(t turn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t.active--
	if t.probe {
		t.probing = false // if it has told nothing, because the client left, the next request shall tell
	}
}

// answered notes that the upstream has answered.
func (b *balance) answered(t turn) {
	b.mu.Lock()
	rested := !t.until.IsZero()
	t.fails, t.until, t.probing = 0, time.Time{}, false
	b.mu.Unlock()
	if rested {
		b.log.Info("upstream is back", "upstream", t.name)
	}
}

// failed notes a failure. The upstream rests if it has rested and still fails, or if it fails too often.
func (b *balance) failed(t turn) {
	if b.maxFails == 0 {
		return
	}
	b.mu.Lock()
	now := time.Now()
	if t.fails == 0 || now.Sub(t.since) > b.rest {
		t.fails, t.since = 0, now
	}
	t.fails++
	rested := !t.until.IsZero()
	if rested || t.fails >= b.maxFails {
		t.until, t.probing = now.Add(b.rest), false
	}
	begins, fails := !rested && !t.until.IsZero(), t.fails
	b.mu.Unlock()
	if begins {
		b.log.Warn("upstream rests", "upstream", t.name, "fails", fails, "for", b.rest)
	}
}

// states returns a text for each upstream.
func (b *balance) states(now time.Time) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []string
	for _, u := range b.list {
		text := u.name
		switch left := u.until.Sub(now); {
		case u.until.IsZero():
		case left > 0:
			text += fmt.Sprintf(" (rests for %v)", left.Round(time.Second))
		default:
			text += " (has failed)"
		}
		list = append(list, text)
	}
	return list
}

// more reports whether there is an upstream that is not in tried.
func (b *balance) more(tried set) bool { return tried != 1<<len(b.list)-1 }
