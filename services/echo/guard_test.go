package echo

import (
	"encoding/binary"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"
)

func TestWhoIsAnswered(t *testing.T) {
	tests := []struct {
		name   string
		sender net.Addr
		want   bool
	}{
		{"a client", &net.UDPAddr{Port: 40000}, true},
		{"the first user port", &net.UDPAddr{Port: 1024}, true},
		{"no port", &net.UDPAddr{Port: 0}, false},
		{"echo", &net.UDPAddr{Port: 7}, false},
		{"chargen", &net.UDPAddr{Port: 19}, false},
		{"tftp", &net.UDPAddr{Port: 69}, false},
		{"another echo on our port", &net.UDPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 7007}, false},
		{"another socket of ours", &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 7008}, false},
		{"not UDP", &net.UnixAddr{Name: "x"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newGuard([]int{7007, 7008})
			if got := g.mayAnswer(tt.sender, []byte("x"), time.Now()); got != tt.want {
				t.Errorf("mayAnswer(%v) = %v, want %v", tt.sender, got, tt.want)
			}
		})
	}
}

// TestRepetitionsAreBounded says what is left of a burst, and that it does not count what is new.
func TestRepetitionsAreBounded(t *testing.T) {
	g, client, now := newGuard(nil), &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 40000}, time.Unix(1e9, 0)
	answered := func(n int, payload string, at time.Time) (yes int) {
		for range n {
			if g.mayAnswer(client, []byte(payload), at) {
				yes++
			}
		}
		return yes
	}
	if got := answered(2*repeatBurst, "again", now); got != repeatBurst+1 {
		t.Errorf("%d repetitions at once are answered, want the first and %d", got, repeatBurst)
	}
	if got := answered(1, "new", now); got != 1 {
		t.Error("something new is not answered")
	}
	for ms := 1; ms <= 1000; ms++ {
		now = now.Add(time.Millisecond)
		if got := answered(3, "again", now); got != 1 {
			t.Fatalf("%d repetitions are answered after %d ms, want one each", got, ms)
		}
	}
	if got := answered(2*repeatBurst, "again", now.Add(time.Hour)); got != repeatBurst {
		t.Errorf("%d repetitions at once are answered after a rest, want %d", got, repeatBurst)
	}
	numbered, yes := make([]byte, 64), 0
	for i := range 4 * repeatBurst {
		binary.BigEndian.PutUint64(numbered, uint64(i))
		if g.mayAnswer(client, numbered, now) {
			yes++
		}
	}
	if yes != 4*repeatBurst {
		t.Errorf("%d of %d different datagrams are answered", yes, 4*repeatBurst)
	}
}

// TestLoopEnds lets two services find datagrams from each other. They begin with little left, to be done sooner.
func TestLoopEnds(t *testing.T) {
	const looping, left = 50, 500
	one, two := packetSocket(t), packetSocket(t)
	for i := range looping {
		if _, err := two.WriteTo([]byte{byte(i)}, one.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	s := &server{log: slog.New(slog.DiscardHandler)}
	var sockets sync.WaitGroup
	defer sockets.Wait()
	for _, pc := range []net.PacketConn{one, two} {
		g := newGuard(nil)
		for i := range g.repeats {
			g.repeats[i] = bucket{taken: repeatBurst - left, since: time.Now()}
		}
		sockets.Go(func() { _ = s.answerOn(pc, g) })
		defer pc.Close()
	}
	for deadline := time.Now().Add(30 * time.Second); s.unanswered.Load() < looping; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d datagrams are out of the loop", s.unanswered.Load(), looping)
		}
	}
}

func packetSocket(t *testing.T) net.PacketConn {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.Close() })
	return pc
}

func BenchmarkGuard(b *testing.B) {
	g, client, payload := newGuard([]int{7007}), &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 40000}, make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		g.mayAnswer(client, payload, time.Now())
	}
}
