package proxy

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestRest follows an upstream through failures, rest, the request that tries it, and its return.
func TestRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rest = 10 * time.Second
		b := &balance{log: slog.New(slog.DiscardHandler), maxFails: 2, rest: rest,
			list: []*upstream{{target: target{name: "a"}}, {target: target{name: "b"}}}}
		pick := func(want string) turn {
			t.Helper()
			var tried set
			got, ok := b.pick(&tried)
			if !ok || got.name != want {
				t.Fatalf("picked %q, %v, want %s; %s", got.name, ok, want, b.states(time.Now()))
			}
			return got
		}
		fail := func(u turn) {
			b.failed(u)
			b.release(u)
		}

		fail(pick("a"))
		b.release(pick("b"))
		time.Sleep(rest + 1)
		fail(pick("a")) // the first failure is too old to count
		b.release(pick("b"))
		fail(pick("a"))
		for range 3 {
			b.release(pick("b"))
		}

		time.Sleep(rest)
		probe := pick("a")
		one, two := pick("b"), pick("b") // though b is busier now
		b.release(probe)                 // its client has left
		probe = pick("a")
		fail(probe) // once is enough
		b.release(pick("b"))
		if states := strings.Join(b.states(time.Now()), ", "); states != "a (rests for 10s), b" {
			t.Errorf("states = %s", states)
		}

		time.Sleep(rest)
		probe = pick("a")
		b.answered(probe)
		b.release(probe)
		pick("a") // the less busy
		b.release(one)
		b.release(two)

		var tried set
		for range b.list {
			if _, ok := b.pick(&tried); !ok {
				t.Error("an upstream is left out")
			}
		}
		if _, ok := b.pick(&tried); ok || b.more(tried) {
			t.Error("an upstream is picked twice")
		}
	})
}

// TestLeastBad says that when all rest, the one whose rest ends first is asked.
func TestLeastBad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &balance{log: slog.New(slog.DiscardHandler), maxFails: 1, rest: time.Minute, list: []*upstream{{}, {}, {}}}
		for _, i := range []int{1, 2, 0} {
			u := turn{upstream: b.list[i]}
			u.active++
			b.failed(u)
			b.release(u)
			time.Sleep(time.Second)
		}
		var tried set
		for _, want := range []int{1, 2, 0} {
			if got, _ := b.pick(&tried); got.upstream != b.list[want] {
				t.Errorf("not upstream %d is picked", want)
			}
		}
	})
}
