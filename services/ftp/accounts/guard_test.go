package accounts

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func address(s string) netip.Addr {
	if s == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(s)
}

// guess makes one attempt.
func guess(t *testing.T, g *Guard, from, name string, right bool) (Penalty, error) {
	t.Helper()
	a, err := g.Try(t.Context(), address(from), name)
	if err != nil {
		return Penalty{}, err
	}
	return a.Done(right), nil
}

func TestGuardDelays(t *testing.T) {
	g := NewGuard(GuardOptions{Delay: time.Second, MaxDelay: 5 * time.Second, Window: time.Minute, Trusted: prefixes("10.0.0.0/8")})
	steps := []struct {
		from, name string
		right      bool
		want       time.Duration
	}{
		{"192.0.2.1", "alice", false, time.Second},
		{"192.0.2.1", "alice", false, 2 * time.Second},
		{"192.0.2.1", "bob", false, 4 * time.Second},      // the address failed before
		{"192.0.2.2", "alice", false, 4 * time.Second},    // the user did
		{"192.0.2.3", "carol", false, time.Second},        // neither
		{"192.0.2.1", "alice", false, 5 * time.Second},    // no longer than that
		{"10.0.0.1", "alice", false, 0},                   // trusted
		{"192.0.2.1", "alice", true, 0},                   // forgets what was alice's
		{"192.0.2.1", "dave", false, 2 * time.Second},     // and not what was bob's
		{"192.0.2.9", "alice", false, time.Second},        // alice begins anew
		{"", "alice", false, 2 * time.Second},             // a unix socket has only a name
		{"", "erin", false, time.Second},                  //
		{"2001:db8::1", "f", false, time.Second},          //
		{"2001:db8::ffff", "g", false, 2 * time.Second},   // one customer
		{"2001:db8:0:1::", "h", false, time.Second},       // another
		{"::ffff:192.0.2.3", "i", false, 2 * time.Second}, //
	}
	for i, step := range steps {
		p, err := guess(t, g, step.from, step.name, step.right)
		if err != nil || p.Delay != step.want || p.Ban != 0 {
			t.Errorf("step %d: %+v, %v, want a delay of %v", i, p, err, step.want)
		}
	}
	if g.Bans() != 0 {
		t.Errorf("%d are banned, want none", g.Bans())
	}
}

func TestGuardDoesNothing(t *testing.T) {
	g := NewGuard(GuardOptions{})
	if err := g.Banned(home); err != nil {
		t.Errorf("Banned() = %v", err)
	}
	for range 3 * MaxFailures {
		if p, err := guess(t, g, "192.0.2.1", "alice", false); err != nil || p != (Penalty{}) {
			t.Fatalf("%+v, %v, want nothing", p, err)
		}
	}
}

func TestGuardBans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(GuardOptions{Failures: 3, Window: time.Minute, Ban: time.Hour, Trusted: prefixes("10.0.0.0/8")})
		fail := func(from string, ban time.Duration) {
			t.Helper()
			if p, err := guess(t, g, from, "alice", false); err != nil || p.Ban != ban {
				t.Errorf("failure from %s = %+v, %v, want a ban of %v", from, p, err, ban)
			}
		}
		fail("192.0.2.1", 0)
		time.Sleep(59 * time.Second)
		fail("192.0.2.1", 0)
		time.Sleep(2 * time.Second) // the first failure is too old
		fail("192.0.2.1", 0)
		if err := g.Banned(address("192.0.2.1")); err != nil {
			t.Errorf("Banned() = %v after two failures", err)
		}
		fail("192.0.2.1", time.Hour)
		var banned *BannedError
		if err := g.Banned(address("::ffff:192.0.2.1")); !errors.As(err, &banned) || banned.Left != time.Hour {
			t.Errorf("Banned() = %v, want for an hour", err)
		}
		if _, err := guess(t, g, "192.0.2.1", "bob", true); !errors.As(err, &banned) {
			t.Errorf("Try() = %v, want a *BannedError", err)
		}
		if g.Bans() != 1 {
			t.Errorf("Bans() = %d, want 1", g.Bans())
		}
		fail("192.0.2.2", 0) // the user is not banned
		for range 9 {
			fail("10.0.0.1", 0)
			fail("", 0)
		}
		if err := g.Banned(address("10.0.0.1")); err != nil {
			t.Errorf("Banned() from a trusted network = %v", err)
		}
		if err := g.Banned(netip.Addr{}); err != nil {
			t.Errorf("Banned() of a unix socket = %v", err)
		}
		time.Sleep(time.Hour)
		if err := g.Banned(address("192.0.2.1")); err != nil || g.Bans() != 0 {
			t.Errorf("Banned() = %v after the ban, %d are", err, g.Bans())
		}
		fail("192.0.2.1", 0)
		fail("192.0.2.1", 0)
		fail("192.0.2.1", time.Hour)
	})
}

func TestGuardBansUsers(t *testing.T) {
	g := NewGuard(GuardOptions{UserFailures: 2, Window: time.Minute, Ban: time.Minute, Trusted: prefixes("10.0.0.0/8")})
	for i, want := range []time.Duration{0, time.Minute} {
		if p, err := guess(t, g, fmt.Sprintf("192.0.2.%d", i), "alice", false); err != nil || p.Ban != want {
			t.Errorf("failure %d = %+v, %v, want a ban of %v", i, p, err, want)
		}
	}
	if _, err := guess(t, g, "192.0.2.9", "alice", true); err == nil {
		t.Error("alice is not banned")
	}
	if _, err := guess(t, g, "10.0.0.1", "alice", true); err != nil {
		t.Errorf("from a trusted network: %v", err)
	}
	if _, err := guess(t, g, "192.0.2.1", "bob", true); err != nil {
		t.Errorf("another user: %v", err)
	}
}

func TestBannedErrorText(t *testing.T) {
	for left, want := range map[time.Duration]string{
		time.Millisecond:                "too many failed logins, try again in 1s",
		59_600 * time.Millisecond:       "too many failed logins, try again in 1m0s",
		14*time.Minute + 40*time.Second: "too many failed logins, try again in 15m0s",
	} {
		if got := (&BannedError{left}).Error(); got != want {
			t.Errorf("%v: %q, want %q", left, got, want)
		}
	}
}

// TestGuardAtOnce lets many guess at the same time: no more may than a ban allows.
func TestGuardAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(GuardOptions{Failures: 5, Window: time.Hour, Ban: time.Hour})
		var guesses, most, now atomic.Int64
		var work sync.WaitGroup
		for i := range 100 {
			work.Go(func() {
				a, err := g.Try(t.Context(), home, fmt.Sprint("user", i))
				if err != nil {
					return
				}
				guesses.Add(1)
				most.Store(max(most.Load(), now.Add(1)))
				time.Sleep(time.Second) // the hash
				now.Add(-1)
				a.Done(false)
			})
		}
		work.Wait()
		if guesses.Load() != 5 || most.Load() > 5 {
			t.Errorf("%d guesses, %d at once, want 5", guesses.Load(), most.Load())
		}
	})
}

// TestGuardLetsManyIn says that who has the right password waits only for others of the same address.
func TestGuardLetsManyIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(GuardOptions{Failures: 5, Window: time.Hour, Ban: time.Hour})
		began := time.Now()
		var in atomic.Int64
		var work sync.WaitGroup
		for range 50 {
			work.Go(func() {
				a, err := g.Try(t.Context(), home, "alice")
				if err != nil {
					t.Error(err)
					return
				}
				time.Sleep(time.Second)
				in.Add(1)
				a.Done(true)
			})
		}
		work.Wait()
		if len(g.addresses.byKey) != 0 || g.users.order.Len() != 0 {
			t.Error("who did nothing wrong is remembered")
		}
		if in.Load() != 50 || time.Since(began) != 10*time.Second {
			t.Errorf("%d are in after %v, want 50 after 10s", in.Load(), time.Since(began))
		}
	})
}

func TestGuardGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(GuardOptions{Failures: 1, Window: time.Hour, Ban: time.Hour, Delay: time.Minute})
		first, err := g.Try(t.Context(), home, "alice")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := g.Try(ctx, home, "bob"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Try() = %v, want the context's error", err)
		}
		first.Abandon()
		second, err := g.Try(t.Context(), home, "bob")
		if err != nil {
			t.Fatalf("Try() after the first gave up = %v", err)
		}
		p := second.Done(false)
		if p.Delay != time.Minute || p.Ban != time.Hour {
			t.Errorf("Done() = %+v", p)
		}
		if err := p.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait() = %v, want the context's error", err)
		}
		began := time.Now()
		if err := p.Wait(t.Context()); err != nil || time.Since(began) != time.Minute {
			t.Errorf("Wait() = %v after %v", err, time.Since(began))
		}
		if err := (Penalty{}).Wait(t.Context()); err != nil {
			t.Errorf("Wait() for nothing = %v", err)
		}
	})
}

// TestGuardForgets guesses from more addresses, and at more names, than are remembered.
func TestGuardForgets(t *testing.T) {
	g := NewGuard(GuardOptions{Failures: 3, UserFailures: 3, Window: time.Hour, Ban: time.Hour})
	for i := range maxSuspects + 100 {
		from := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		a, err := g.Try(t.Context(), from, fmt.Sprint(i))
		if err != nil {
			t.Fatal(err)
		}
		a.Done(false)
		_ = g.Banned(home) // to ask makes nobody a suspect
	}
	for name, l := range map[string]*suspects{"addresses": &g.addresses, "users": &g.users} {
		if len(l.byKey) != maxSuspects || l.order.Len() != maxSuspects {
			t.Errorf("%d and %d %s are remembered, want %d", len(l.byKey), l.order.Len(), name, maxSuspects)
		}
	}
}
