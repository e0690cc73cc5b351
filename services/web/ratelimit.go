package web

import (
	"container/list"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/gtwistd/gtwistd/internal/peer"
)

// requestRate is a flag value: how many requests a client may make. "10/s", "100/m" or "1000/h" let so many come at once, and
// then so many in each second, minute or hour, evenly; "10/s:20" lets 20 come at once. The zero value, "off", is no limit.
type requestRate struct {
	count, burst int
	per          time.Duration
}

// maxCount bounds the numbers of a rate; beyond it there is no point in one.
const maxCount = 1_000_000

// Set implements pflag.Value.
func (z *requestRate) Set(s string) error {
	if s == "off" {
		*z = requestRate{}
		return nil
	}
	each, burst, hasBurst := strings.Cut(s, ":")
	count, unit, _ := strings.Cut(each, "/")
	parsed := requestRate{per: unitOf(unit)}
	if parsed.per == 0 {
		return errors.New("not a rate such as 10/s, 100/m, 1000/h or, with 20 at once, 10/s:20; nor off")
	}
	var err error
	if parsed.count, err = parseCount(count); err != nil {
		return err
	}
	parsed.burst = parsed.count
	if hasBurst {
		if parsed.burst, err = parseCount(burst); err != nil {
			return err
		}
	}
	*z = parsed
	return nil
}

func unitOf(name string) time.Duration {
	switch name {
	case "s":
		return time.Second
	case "m":
		return time.Minute
	case "h":
		return time.Hour
	}
	return 0
}

func parseCount(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n < 1 || n > maxCount {
		return 0, fmt.Errorf("%q is not a number of requests from 1 to %d", s, maxCount)
	}
	return int(n), nil
}

// String implements pflag.Value.
func (z *requestRate) String() string {
	if z.count == 0 {
		return "off"
	}
	unit := map[time.Duration]string{time.Second: "s", time.Minute: "m", time.Hour: "h"}[z.per]
	text := fmt.Sprintf("%d/%s", z.count, unit)
	if z.burst != z.count {
		text += fmt.Sprintf(":%d", z.burst)
	}
	return text
}

// Type implements pflag.Value.
func (z *requestRate) Type() string { return "N/s[:BURST]" }

func (z *requestRate) limit() rate.Limit { return rate.Limit(float64(z.count) / z.per.Seconds()) }

// maxClients bounds the memory for rates, about 20 MB of it. Of more clients the one that was not seen for the longest time
// is forgotten, and so may begin anew.
const maxClients = 1 << 16

// limiter knows how many requests each client may still make. Clients are IPv4 addresses and the first 64 bits of IPv6
// addresses, which is what one customer gets. It has no goroutine and is safe for concurrent use.
type limiter struct {
	rate requestRate
	now  func() time.Time
	max  int // of clients

	mu      sync.Mutex
	clients map[netip.Addr]*list.Element
	order   list.List // of *account, the last one seen in front
}

// account is the tokens of one client.
type account struct {
	client netip.Addr
	tokens *rate.Limiter
}

func newLimiter(z requestRate) *limiter {
	return &limiter{rate: z, now: time.Now, max: maxClients, clients: map[netip.Addr]*list.Element{}}
}

// wait counts a request of client and returns 0, or does not count it, as it is one too many, and returns when the client may
// try again. An invalid address, of a unix socket, is always let through: it stands for everybody behind it.
func (l *limiter) wait(client netip.Addr) time.Duration {
	if l.rate.count == 0 || !client.IsValid() {
		return 0
	}
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	tokens := l.account(peer.Customer(client)).tokens
	if tokens.AllowN(now, 1) {
		return 0
	}
	missing := 1 - tokens.TokensAt(now)
	return max(time.Duration(missing/float64(l.rate.limit())*float64(time.Second)), 1)
}

// account, called with mu held, returns the account of a client and moves it to the front.
func (l *limiter) account(client netip.Addr) *account {
	if place, ok := l.clients[client]; ok {
		l.order.MoveToFront(place)
		return place.Value.(*account)
	}
	if l.order.Len() >= l.max {
		oldest := l.order.Remove(l.order.Back()).(*account)
		delete(l.clients, oldest.client)
	}
	a := &account{client, rate.NewLimiter(l.rate.limit(), l.rate.burst)}
	l.clients[client] = l.order.PushFront(a)
	return a
}

// rateLimit answers with 429 and Retry-After, RFC 6585 section 4, what a client asks for too often.
type rateLimit struct {
	next    http.Handler
	limiter *limiter
}

// newRateLimit returns next itself if there is no limit.
func newRateLimit(next http.Handler, z requestRate) http.Handler {
	if z.count == 0 {
		return next
	}
	return &rateLimit{next, newLimiter(z)}
}

// ServeHTTP implements http.Handler.
func (l *rateLimit) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if wait := l.limiter.wait(clientOf(w, r)); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		refuse(w, r, http.StatusTooManyRequests)
		return
	}
	l.next.ServeHTTP(w, r)
}
