// Package proxy is the kind of mount that hands requests on to other HTTP servers, the upstreams, and their answers back.
// What a client sends and what an upstream answers is streamed piece by piece, in both directions at once; an upgrade to
// WebSocket becomes a tunnel. Requests go to the upstream with the fewest under way; one that fails rests for a while.
//
// A Handler owns the connections to its upstreams; http.Transport makes and keeps them. httputil.ReverseProxy would do the
// rest, but it forwards any upgrade, empties the header that others have set when an upstream sends 1xx, rewrites queries,
// loses what a client sends along with its upgrade, and cannot say which upstream broke; see the files here.
//
// The path goes on as it came, escapes and double slashes included. If an upstream's address has a path, that takes the
// place of the mount's: at the mount /api, http://host/v1 gets /api/users as /v1/users, and http://host/ gets /users. A path
// that dot segments would lead out of the mount is refused.
package proxy

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gtwistd/gtwistd/plugins"
)

const (
	bufferSize       = 32 << 10 // bytes, while an answer is copied
	tunnelBufferSize = 8 << 10  // bytes, for each direction, as long as the tunnel is open

	// lingerTimeout bounds how long the rest of a request that was answered early, or of a tunnel of which one side has
	// ended, may take.
	lingerTimeout = 5 * time.Second

	// wakeTimeout is how long a client that has been answered early may take to send the next piece; then it is not waited for.
	wakeTimeout = 250 * time.Millisecond
)

// Handler is an http.Handler that proxies. It is safe for concurrent use.
type Handler struct {
	prefix   string // of the mount, without a slash at its end
	options  Options
	log      *slog.Logger
	balance  *balance
	buffers  sync.Pool // of *[]byte, bufferSize long
	tunnels  tunnels
	endDials context.CancelFunc
}

// New checks the options and returns a handler for the mount at path, which is "" for the root, with the upstream arg and
// those of o.Upstreams. It does not connect: upstreams may be started later. A wrong argument is a *plugins.UsageError.
// The caller closes the handler.
func New(_ context.Context, path, arg string, o *Options, env *plugins.Env) (*Handler, error) {
	targets, err := o.targets(arg)
	if err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	if err := o.checkTLS(targets); err != nil {
		return nil, err
	}
	tlsConfig, err := o.tlsConfig()
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancel(context.Background())
	h := &Handler{prefix: strings.TrimSuffix(path, "/"), options: *o, log: env.Log, endDials: end}
	h.balance = &balance{log: env.Log, maxFails: o.maxFails, rest: o.failTimeout}
	for _, t := range targets {
		h.balance.list = append(h.balance.list, &upstream{target: t, transport: o.transport(life, t, tlsConfig, &h.buffers)})
	}
	h.buffers.New = func() any {
		b := make([]byte, bufferSize)
		return &b
	}
	return h, nil
}

// Close ends tunnels and idle connections and waits for the tunnels. Call it when no request is under way but those that
// have become tunnels; what comes later is answered with 502.
func (h *Handler) Close() error {
	h.endDials()
	h.tunnels.close()
	for _, u := range h.balance.list {
		u.transport.CloseIdleConnections()
	}
	return nil
}

// Report returns one attribute, the upstreams and whether they rest.
func (h *Handler) Report() []slog.Attr {
	return []slog.Attr{slog.String("upstreams", strings.Join(h.balance.states(time.Now()), ", "))}
}

// ServeHTTP answers one request. It panics with http.ErrAbortHandler if the client has left, or if an answer breaks off.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{h: h, w: w, r: r}
	if status := h.refused(r); status != 0 {
		x.refuse(status)
		return
	}
	if r.ContentLength != 0 && r.Body != nil && r.Body != http.NoBody {
		x.body = &upload{src: r.Body, x: x}
		// An answer may begin before the request's end. Without this net/http would first read, and lose, the rest. HTTP/2
		// needs no leave for it.
		_ = http.NewResponseController(w).EnableFullDuplex()
		defer x.endUpload()
	}
	for x.try() {
	}
}

// refused returns the status for a request that no upstream may see, or 0.
func (h *Handler) refused(r *http.Request) int {
	switch {
	case r.Method == http.MethodConnect:
		return http.StatusMethodNotAllowed
	case r.URL.Opaque != "" || r.URL.Path != "" && r.URL.Path[0] != '/' || !validHost(r.Host):
		return http.StatusBadRequest
	case strings.Contains(r.URL.RawQuery, " "):
		return http.StatusBadRequest // HTTP/2 can bring one, and in HTTP/1 the request line would end there
	case leaves(strings.TrimPrefix(r.URL.Path, h.prefix)) && h.confined():
		return http.StatusBadRequest
	}
	return 0
}

// confined says whether only a part of an upstream is to be reached.
func (h *Handler) confined() bool {
	if h.prefix != "" {
		return true
	}
	for _, u := range h.balance.list {
		if strings.Trim(u.base, "/") != "" {
			return true
		}
	}
	return false
}
