package web

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gtwistd/gtwistd/services/web/lane"
	"github.com/gtwistd/gtwistd/services/web/proxy"
)

// statusGone is what the access log says when a client left before there was an answer, as in nginx.
const statusGone = 499

// front stands before all handlers: it finds out who the client is, writes the access record and turns a panic into a log
// record and an answer.
type front struct {
	next   http.Handler
	access *accessLog
	log    *slog.Logger
	guards *guards
	hsts   string // Strict-Transport-Security for https, "" for none
}

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	peer := peerOf(r.RemoteAddr)
	res := &response{ResponseWriter: w, head: r.Method == http.MethodHead, began: time.Now()}
	res.client = f.guards.proxies.client(peer, r.Header["X-Forwarded-For"])
	lane.Begun(r.Context())
	defer f.finish(res, r)
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	if f.guards.proxies.trusts(peer) {
		scheme = f.guards.proxies.scheme(peer, scheme, r.Header["X-Forwarded-Proto"])
		name := "" // of a unix socket
		if peer.IsValid() {
			name = peer.String()
		}
		r = r.WithContext(proxy.Trust(r.Context(), name))
	} else {
		dropForwarded(r.Header)
	}
	r = f.guards.watchBody(res, r)
	if r.ProtoMajor == 2 {
		res.guards = f.guards // of HTTP/1 it is the connection that is watched
	}
	if f.hsts != "" && scheme == "https" {
		res.Header().Set("Strict-Transport-Security", f.hsts)
	}
	if r.ProtoMajor == 1 && len(r.TransferEncoding) > 0 {
		// RFC 9112 section 6.1: the connection must end after a request that had a Content-Length as well, since another
		// server on the way may have cut it elsewhere. net/http removes that header, so it ends after each such request.
		res.Header().Set("Connection", "close")
	}
	if r.URL.Opaque != "" {
		// "GET other:80" is no form of a target, RFC 9112 section 3.2, and its path would be taken for the root.
		http.Error(res, http.StatusText(http.StatusBadRequest), http.StatusBadRequest)
		return
	}
	f.next.ServeHTTP(res, r)
}

func (f *front) finish(res *response, r *http.Request) {
	failure := recover()
	if failure != nil && failure != http.ErrAbortHandler {
		f.log.Error("panic in a handler", "method", r.Method, "path", r.URL.Path,
			"panic", fmt.Sprint(failure), "stack", string(debug.Stack()))
		if res.status == 0 {
			http.Error(res, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			failure = nil
		}
	}
	if f.access != nil {
		if r.ProtoMajor == 1 { // the system takes more than the client
			res.sent = max(0, res.sent-lane.Lost(r.Context()))
		}
		now := time.Now()
		f.access.write(&record{
			client: res.client, user: res.user,
			method: r.Method, uri: r.RequestURI, proto: r.Proto, host: r.Host,
			referer: firstOf(r.Header, "Referer"), agent: firstOf(r.Header, "User-Agent"),
			status: res.outcome(failure != nil), sent: res.sent, end: now, took: now.Sub(res.began),
		})
	}
	if failure != nil {
		panic(http.ErrAbortHandler) // the answer is not whole: the connection, or the HTTP/2 stream, must break
	}
}

// response remembers the status and counts the bytes of a body. Handlers below find who the client is there.
type response struct {
	http.ResponseWriter
	status int   // 0 until the final header is written
	sent   int64 // bytes of the body taken by the server
	head   bool  // the server swallows the body
	began  time.Time
	client netip.Addr // invalid behind a unix socket
	user   string     // who gave a right password
	guards *guards    // nil if nobody has to look at how fast the client reads
}

// setUser tells the access log who the user is.
func (r *response) setUser(name string) { r.user = name }

func (r *response) clientAddr() netip.Addr { return r.client }

// setUser tells the access log who the user of a request is. The writer is the one that a handler has, whatever is around it.
func setUser(w http.ResponseWriter, name string) {
	if s, ok := within[interface{ setUser(string) }](w); ok {
		s.setUser(name)
	}
}

// clientOf returns the address of a request's client, or of its peer if nobody has found out more.
func clientOf(w http.ResponseWriter, r *http.Request) netip.Addr {
	if c, ok := within[interface{ clientAddr() netip.Addr }](w); ok {
		return c.clientAddr()
	}
	return peerOf(r.RemoteAddr)
}

// within looks for an ability in a ResponseWriter and in those that it wraps, as http.ResponseController does.
func within[T any](w http.ResponseWriter) (found T, ok bool) {
	for {
		if found, ok = w.(T); ok {
			return found, true
		}
		wrapper, wraps := w.(interface{ Unwrap() http.ResponseWriter })
		if !wraps {
			return found, false
		}
		w = wrapper.Unwrap()
	}
}

func (r *response) outcome(aborted bool) int {
	switch {
	case r.status != 0:
		return r.status
	case aborted:
		return statusGone
	}
	return http.StatusOK
}

// Unwrap lets http.ResponseController find flushing, hijacking and deadlines.
func (r *response) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (r *response) WriteHeader(status int) {
	if r.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *response) Write(p []byte) (int, error) {
	r.begin()
	defer r.guards.watchWrite(r.ResponseWriter, len(p))()
	n, err := r.ResponseWriter.Write(p)
	r.count(int64(n))
	return n, err
}

// ReadFrom implements io.ReaderFrom, without which a file would not go the way of sendfile.
func (r *response) ReadFrom(src io.Reader) (int64, error) {
	fast, ok := r.ResponseWriter.(io.ReaderFrom)
	if !ok {
		return io.Copy(struct{ io.Writer }{r}, src) // HTTP/2
	}
	r.begin()
	n, err := fast.ReadFrom(src)
	r.count(n)
	return n, err
}

func (r *response) begin() {
	if r.status == 0 {
		r.status = http.StatusOK
	}
}

func (r *response) count(n int64) {
	if !r.head {
		r.sent += n
	}
}

// serverLog takes what http.Server has to say: noise that clients make is at level debug, the rest at warn.
type serverLog struct{ log *slog.Logger }

// Write implements io.Writer for a log.Logger, which calls it once a message.
func (s serverLog) Write(p []byte) (int, error) {
	text := strings.TrimSpace(string(p))
	level := slog.LevelWarn
	for _, noise := range []string{"http: TLS handshake error", "http2: server", "http2: received GOAWAY"} {
		if strings.HasPrefix(text, noise) {
			level = slog.LevelDebug
		}
	}
	s.log.Log(context.Background(), level, text)
	return len(p), nil
}
