package accounts

import (
	"container/list"
	"context"
	"fmt"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"github.com/gtwistd/gtwistd/internal/peer"
)

const (
	// maxSuspects bounds the memory of a Guard: of more addresses, and of more names, the one that was not seen for the longest
	// time is forgotten.
	maxSuspects = 1 << 14
	// MaxFailures is the largest number of failures that a ban may come after: more of one suspect are not kept.
	MaxFailures = 100
)

// GuardOptions say how failed logins are answered. The zero value does nothing; DefaultGuard is a good beginning.
type GuardOptions struct {
	// Delay holds back the answer to the first failure, twice that to the second, and so on up to MaxDelay. 0 is no delay.
	Delay, MaxDelay time.Duration
	// Failures, from 1 to MaxFailures, is how many failures within Window get an address banned for Ban. An address is what
	// peer.Customer returns. 0 bans nobody.
	Failures int
	// UserFailures, from 1 to MaxFailures, is how many get a user banned, wherever he comes from. 0, the default, bans none: with it
	// anybody who knows a name can keep its owner out. Some rules for auditors demand it.
	UserFailures int
	// Window is how long a failure is remembered.
	Window time.Duration
	// Ban is how long a ban lasts.
	Ban time.Duration
	// Trusted are networks whose failures are not counted and which no ban is for.
	Trusted []netip.Prefix
}

// DefaultGuard returns what is right for most: delays from 1 s to 16 s, and a ban of 15 minutes after 10 failures in as many
// minutes.
func DefaultGuard() GuardOptions {
	return GuardOptions{Delay: time.Second, MaxDelay: 16 * time.Second, Failures: 10, Window: 10 * time.Minute, Ban: 15 * time.Minute}
}

// BannedError says who is kept out. Its text may go to the client (FTP 421 at the greeting, 530 at a login).
type BannedError struct {
	// Left is how long the ban still lasts.
	Left time.Duration
}

// Error implements error.
func (e *BannedError) Error() string {
	left := e.Left.Round(time.Second)
	if left > time.Minute {
		left = e.Left.Round(time.Minute)
	}
	return fmt.Sprintf("too many failed logins, try again in %v", max(left, time.Second))
}

// Guard slows down and keeps out who guesses passwords. It knows nothing of FTP. Use NewGuard to make one. It is safe for
// concurrent use and starts no goroutine.
//
//	attempt, err := guard.Try(ctx, address, name)
//	if err != nil {
//		return err // banned
//	}
//	right, err := users.Verify(ctx, name, password)
//	if err != nil {
//		attempt.Abandon()
//		return err
//	}
//	penalty := attempt.Done(right)
//	return penalty.Wait(ctx) // and answer then
type Guard struct {
	opts GuardOptions
	seed maphash.Seed

	mu               sync.Mutex
	addresses, users suspects
}

// suspects are those who failed, or try now.
type suspects struct {
	limit int // of failures, 0 for none
	byKey map[uint64]*list.Element
	order list.List // of *suspect, the last one seen in front
}

// suspect is an address or a user.
type suspect struct {
	key      uint64
	failures []failure // the oldest first
	trying   int
	until    time.Time     // of the ban
	changed  chan struct{} // closed when one of those who try is done; nil if nobody waits
}

// failure is one of a user's, by the hash of the name.
type failure struct {
	user uint64
	at   time.Time
}

// NewGuard makes a Guard.
func NewGuard(opts GuardOptions) *Guard {
	return &Guard{
		opts: opts, seed: maphash.MakeSeed(),
		addresses: suspects{limit: min(opts.Failures, MaxFailures), byKey: map[uint64]*list.Element{}},
		users:     suspects{limit: min(opts.UserFailures, MaxFailures), byKey: map[uint64]*list.Element{}},
	}
}

// Banned returns a *BannedError if nobody may log in from an address, for a refusal before a name is asked for. An invalid
// address, of a unix socket, is never banned.
func (g *Guard) Banned(from netip.Addr) error {
	if g.exempt(from) {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.addresses.banned(maphash.Comparable(g.seed, peer.Customer(from)), time.Now())
}

// Bans returns how many addresses and users are banned now.
func (g *Guard) Bans() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	return g.addresses.bans(now) + g.users.bans(now)
}

func (g *Guard) exempt(from netip.Addr) bool {
	return from.IsValid() && contains(g.opts.Trusted, from)
}

// Attempt is one login whose password is being looked at. It ends with Done or Abandon, once.
type Attempt struct {
	guard         *Guard
	address, user *suspect // nil for who is exempt
	name          uint64
}

// Try begins a login. Whoever logs in at the same time from the same address counts as failed until it is known that he did
// not, so that many guesses at once are no way around a ban; if that makes too many, Try waits for one of them. The error is a
// *BannedError, or ctx's.
func (g *Guard) Try(ctx context.Context, from netip.Addr, name string) (*Attempt, error) {
	if g.exempt(from) {
		return &Attempt{guard: g}, nil
	}
	a := &Attempt{guard: g, name: maphash.String(g.seed, name)}
	for {
		wait, err := g.try(a, from)
		if err != nil || wait == nil {
			return a, err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// try begins the attempt, or returns a channel to wait for.
func (g *Guard) try(a *Attempt, from netip.Addr) (<-chan struct{}, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	a.user = g.users.get(a.name)
	a.user.forget(now.Add(-g.opts.Window))
	if from.IsValid() {
		a.address = g.addresses.get(maphash.Comparable(g.seed, peer.Customer(from)))
		a.address.forget(now.Add(-g.opts.Window))
	}
	for _, s := range []*suspect{a.address, a.user} {
		if err := s.banned(now); err != nil {
			return nil, err
		}
	}
	if wait := a.address.full(g.addresses.limit); wait != nil {
		return wait, nil
	}
	if wait := a.user.full(g.users.limit); wait != nil {
		return wait, nil
	}
	a.address.begin()
	a.user.begin()
	return nil, nil
}

// Penalty is what follows a failed login. The zero value is none.
type Penalty struct {
	// Delay is how long to hold back the answer.
	Delay time.Duration
	// Ban is how long this failure got the address or the user banned, 0 if it did not: a reason for a record.
	Ban time.Duration
}

// Wait returns after the delay, or with ctx's error when that ends.
func (p Penalty) Wait(ctx context.Context) error {
	if p.Delay <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(p.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Abandon ends an attempt of which it never was known whether the password is right.
func (a *Attempt) Abandon() {
	a.guard.mu.Lock()
	defer a.guard.mu.Unlock()
	a.end()
}

// Done ends an attempt. What went wrong with the user's password before is forgotten if it was right, but not what went wrong
// from the same address with those of others: else one password of one's own would be enough to guess those of all.
func (a *Attempt) Done(right bool) Penalty {
	g := a.guard
	g.mu.Lock()
	defer g.mu.Unlock()
	a.end()
	if right {
		a.address.pardon(a.name)
		a.user.pardon(a.name)
		g.addresses.drop(a.address)
		g.users.drop(a.user)
		return Penalty{}
	}
	f := failure{a.name, time.Now()}
	count := max(a.address.fail(f), a.user.fail(f))
	p := Penalty{Delay: g.delay(count)}
	until := f.at.Add(g.opts.Ban)
	addressBanned, userBanned := a.address.ban(g.addresses.limit, until), a.user.ban(g.users.limit, until)
	if addressBanned || userBanned {
		p.Ban = g.opts.Ban
	}
	return p
}

func (a *Attempt) end() {
	a.address.finish()
	a.user.finish()
}

// delay doubles with each failure.
func (g *Guard) delay(failures int) time.Duration {
	d := g.opts.Delay
	for i := 1; i < failures && d < g.opts.MaxDelay; i++ {
		d *= 2
	}
	if failures == 0 {
		return 0
	}
	return min(d, max(g.opts.MaxDelay, g.opts.Delay))
}

// get returns the suspect of that key and moves it to the front.
func (l *suspects) get(key uint64) *suspect {
	if place, ok := l.byKey[key]; ok {
		l.order.MoveToFront(place)
		return place.Value.(*suspect)
	}
	if l.order.Len() >= maxSuspects {
		oldest := l.order.Remove(l.order.Back()).(*suspect)
		delete(l.byKey, oldest.key)
	}
	s := &suspect{key: key}
	l.byKey[key] = l.order.PushFront(s)
	return s
}

// drop makes room for those who are suspect still.
func (l *suspects) drop(s *suspect) {
	if s == nil || len(s.failures) > 0 || s.trying > 0 || !s.until.IsZero() {
		return
	}
	if place, ok := l.byKey[s.key]; ok && place.Value == s {
		l.order.Remove(place)
		delete(l.byKey, s.key)
	}
}

func (l *suspects) banned(key uint64, now time.Time) error {
	if place, ok := l.byKey[key]; ok {
		return place.Value.(*suspect).banned(now)
	}
	return nil
}

func (l *suspects) bans(now time.Time) (n int) {
	for place := l.order.Front(); place != nil; place = place.Next() {
		if place.Value.(*suspect).banned(now) != nil {
			n++
		}
	}
	return n
}

// The methods of a suspect do nothing for nil.

func (s *suspect) banned(now time.Time) error {
	if s == nil || !now.Before(s.until) {
		return nil
	}
	return &BannedError{Left: s.until.Sub(now)}
}

// forget drops the failures before a time.
func (s *suspect) forget(before time.Time) {
	if s == nil {
		return
	}
	n := 0
	for n < len(s.failures) && s.failures[n].at.Before(before) {
		n++
	}
	s.failures = s.failures[n:]
	if len(s.failures) == 0 {
		s.failures = nil
	}
}

// full returns a channel to wait for if no more may try at once.
func (s *suspect) full(limit int) <-chan struct{} {
	if s == nil || limit <= 0 || s.trying == 0 || len(s.failures)+s.trying < limit {
		return nil
	}
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}

func (s *suspect) begin() {
	if s != nil {
		s.trying++
	}
}

func (s *suspect) finish() {
	if s == nil {
		return
	}
	s.trying--
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// fail adds a failure and returns how many there are.
func (s *suspect) fail(f failure) int {
	if s == nil {
		return 0
	}
	if len(s.failures) >= MaxFailures {
		s.failures = s.failures[1:]
	}
	s.failures = append(s.failures, f)
	return len(s.failures)
}

func (s *suspect) pardon(user uint64) {
	if s == nil {
		return
	}
	var left []failure
	for _, f := range s.failures {
		if f.user != user {
			left = append(left, f)
		}
	}
	s.failures = left
}

// ban begins one that lasts until a time if the failures are too many. After it they are counted anew.
func (s *suspect) ban(limit int, until time.Time) bool {
	if s == nil || limit <= 0 || len(s.failures) < limit {
		return false
	}
	s.until, s.failures = until, nil
	return true
}
