package echo

import (
	"hash/maphash"
	"net"
	"net/netip"
	"slices"
	"time"
)

const (
	// repeatBurst and repeatRate bound the answers to datagrams that a sender has sent before: so many at once, and so many
	// a second in the long run. Between two machines in one place, a datagram in a loop comes back at tens of thousands a
	// second: the burst lasts for a few seconds, and then one that is not answered ends the loop for good. Farther
	// apart a loop is slower; one that never gets over the rate is not stopped, and does no harm.
	repeatBurst = 50_000
	repeatRate  = 1_000

	// A socket's buffer holds a few hundred datagrams, hence no more of them are in a loop.
	rememberedDatagrams = 4096
	rememberedSenders   = 256
)

// firstUserPort is the first port that a system gives to its users. Those below belong to services.
const firstUserPort = 1024

// guard decides which datagrams of one socket are answered. A datagram with a forged sender could make two services talk
// to each other for ever. It needs a fixed amount of memory, whoever sends; one goroutine uses it.
type guard struct {
	own  []int // ports of this service's own sockets
	seed maphash.Seed

	// answered has hashes of sender and payload, each in the place that it says itself. What falls into a taken place
	// takes it.
	answered [rememberedDatagrams]uint64
	// repeats is found by a hash of the sender; some share one.
	repeats [rememberedSenders]bucket
}

func newGuard(own []int) *guard { return &guard{own: own, seed: maphash.MakeSeed()} }

// mayAnswer refuses senders that could answer our answer: our own sockets, another echo on one of our port numbers, or one
// of the old services that answer anything, all below port 1024 (echo, daytime, chargen, time, TFTP; CVE-1999-0103 and
// CVE-2024-2169). Of the others it bounds the repetitions, since what a loop brings is what we have sent, unchanged.
func (g *guard) mayAnswer(sender net.Addr, payload []byte, now time.Time) bool {
	from, ok := sender.(*net.UDPAddr)
	if !ok || from.Port < firstUserPort || slices.Contains(g.own, from.Port) {
		return false
	}
	who := from.AddrPort()
	return !g.repeated(who, payload) || g.repeats[maphash.Comparable(g.seed, who)%rememberedSenders].take(now)
}

// repeated says whether this sender has sent this before, as far as that is remembered, and remembers it.
func (g *guard) repeated(who netip.AddrPort, payload []byte) bool {
	var h maphash.Hash
	h.SetSeed(g.seed)
	maphash.WriteComparable(&h, who)
	_, _ = h.Write(payload)
	sum := h.Sum64()
	place := &g.answered[sum%rememberedDatagrams]
	before := *place
	*place = sum
	return before == sum
}

// bucket holds repeatBurst tokens and gets repeatRate a second. The zero value is full.
type bucket struct {
	taken int       // tokens that are missing
	since time.Time // when that was so
}

// take takes a token if there is one.
func (b *bucket) take(now time.Time) bool {
	// In whole tokens: what is left of the time counts for the next one.
	if back := int(now.Sub(b.since).Seconds() * repeatRate); back >= b.taken {
		b.taken, b.since = 0, now
	} else if back > 0 {
		b.taken -= back
		b.since = b.since.Add(time.Duration(back) * time.Second / repeatRate)
	}
	if b.taken == repeatBurst {
		return false
	}
	b.taken++
	return true
}
