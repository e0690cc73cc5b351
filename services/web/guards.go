package web

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
)

// guards are what a client may cost.
type guards struct {
	headerTimeout, idleTimeout plugins.Duration
	stall                      plugins.Duration
	minRate                    plugins.Size
	maxHeader                  plugins.Size
	maxConns, maxPerIP         int
	proxies                    trustedProxies
}

func (g *guards) flags(fs *pflag.FlagSet) {
	*g = guards{
		headerTimeout: plugins.Duration(20 * time.Second), idleTimeout: plugins.Duration(75 * time.Second),
		stall: plugins.Duration(20 * time.Second), minRate: 256, maxHeader: 64 << 10,
	}
	fs.Var(&g.headerTimeout, "header-timeout", "how long a TLS handshake, or the header of a request, may take (408); 0 for no limit")
	fs.Var(&g.idleTimeout, "idle-timeout", "how long a connection may wait for its next request; 0 for no limit")
	fs.Var(&g.minRate, "min-rate", "disconnect clients that send or take less than this each second on average; 0 for no limit")
	fs.Var(&g.stall, "stall-timeout", "how long a client may be slower than --min-rate")
	fs.Var(&g.maxHeader, "max-header", "answer 431 to requests with a larger header")
	fs.IntVar(&g.maxConns, "max-conns", 0, "answer 503 on more than `N` connections (default no limit)")
	fs.IntVar(&g.maxPerIP, "max-conns-per-ip", 0, "refuse more than `N` connections of one IPv4 address, or one /64 of IPv6 (default no limit)")
}

func (g *guards) accessFlags(fs *pflag.FlagSet) {
	fs.Var(&g.proxies, "trusted-proxy", "believe X-Forwarded-For and X-Forwarded-Proto of this proxy: an address, a network, private, loopback or unix; repeatable")
}

func (g *guards) check() error {
	switch {
	case g.maxHeader < 1<<10:
		return plugins.Usagef("--max-header %v: less than the 1KiB that every request needs", &g.maxHeader)
	case g.maxConns < 0:
		return plugins.Usagef("--max-conns %d: less than none", g.maxConns)
	case g.maxPerIP < 0:
		return plugins.Usagef("--max-conns-per-ip %d: less than none", g.maxPerIP)
	}
	return nil
}

// body is the body of a request whose client must send at a least rate.
type body struct {
	io.ReadCloser
	control *http.ResponseController
	guards  *guards
	began   time.Time
	read    int64
}

// watchBody returns the request with a body that fails with errSlow if its client is too slow. r stays as it is: in its body
// net/http sees whether a client that said "Expect: 100-continue" still waits for leave to send it, and must not be waited for.
func (g *guards) watchBody(w http.ResponseWriter, r *http.Request) *http.Request {
	if g.minRate <= 0 || r.Body == nil || r.Body == http.NoBody {
		return r
	}
	watched := r.WithContext(r.Context())
	watched.Body = &body{ReadCloser: r.Body, control: http.NewResponseController(w), guards: g, began: time.Now()}
	return watched
}

// watchWrite gives the client of an HTTP/2 stream its time for n bytes, until done is called: with a deadline a stream ends
// even if nobody writes.
func (g *guards) watchWrite(w http.ResponseWriter, n int) (done func()) {
	if g == nil || g.minRate <= 0 {
		return func() {}
	}
	need := time.Duration(g.stall) + time.Duration(float64(n)/float64(g.minRate)*float64(time.Second))
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(need)) // a stream that has ended needs none
	return func() { _ = control.SetWriteDeadline(time.Time{}) }
}

// errSlow wraps os.ErrDeadlineExceeded.
var errSlow = fmt.Errorf("the request's body comes too slowly: %w", os.ErrDeadlineExceeded)

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	allowed := time.Duration(b.guards.stall) + time.Duration(float64(b.read)/float64(b.guards.minRate)*float64(time.Second))
	// A client that was fast before may not rest for longer than one that was not.
	by := time.Now().Add(time.Duration(b.guards.stall))
	if limit := b.began.Add(allowed); limit.Before(by) {
		by = limit
	}
	_ = b.control.SetReadDeadline(by) // without it the connection has no deadlines, and no client
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return n, errSlow
	}
	return n, err
}
