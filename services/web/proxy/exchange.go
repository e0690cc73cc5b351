package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// silence is the cause of a context that a timeout has ended.
type silence struct {
	while string
	d     time.Duration
}

func (s silence) Error() string { return fmt.Sprintf("%s for %v", s.while, s.d) }

// exchange is one request and its answer.
type exchange struct {
	h     *Handler
	w     http.ResponseWriter
	r     *http.Request
	body  *upload // nil if there is none
	tried set
	broke bool // an upstream that had the request has closed the connection

	valid     atomic.Bool // the transport has found nothing wrong with the request
	connected atomic.Bool // there was a connection, so the upstream may have seen the request
	heard     atomic.Bool // something of an answer came

	link atomic.Pointer[link] // which the last attempt went over; nil if it speaks HTTP/2

	mu       sync.Mutex
	answered atomic.Bool // set under mu: the handler's goroutine alone has w, and the timer is its own
	timer    *time.Timer // ends the attempt; nil if no timeout is set
}

// try asks one upstream. It returns true if another must be asked.
func (x *exchange) try() bool {
	t, ok := x.h.balance.pick(&x.tried)
	if !ok {
		x.refuse(http.StatusBadGateway)
		return false
	}
	defer x.h.balance.release(t)
	ctx, cancel := context.WithCancelCause(x.r.Context())
	defer cancel(nil)
	x.watch(cancel)
	defer x.unwatch()

	upgrade := x.h.upgradeOf(&t.target, x.r)
	res, err := t.transport.RoundTrip(x.request(ctx, &t.target, upgrade))
	if err != nil {
		return x.failed(ctx, t, err)
	}
	x.settle()
	x.h.balance.answered(t)
	if res.StatusCode == http.StatusSwitchingProtocols {
		x.tunnel(t, res, upgrade)
		return false
	}
	defer res.Body.Close()
	x.relay(ctx, t, res)
	return false
}

// request returns what the upstream gets, whose body is the client's. It has no trailer, which RFC 9110 section 6.5.1 lets
// go: some upstreams take one for a part of the header, where nobody but us says who the client is. And net/http writes
// into the client's map as the body ends, perhaps while the transport goes through it, which no program survives.
func (x *exchange) request(ctx context.Context, t *target, upgrade string) *http.Request {
	out := x.r.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:              func(string) { x.valid.Store(true) },
		GotConn:              x.got,
		GotFirstResponseByte: func() { x.heard.Store(true) },
		Got1xxResponse:       x.inform,
	}))
	out.URL = t.location(x.h.prefix, x.r.URL)
	out.Host = x.h.hostFor(t, x.r)
	out.Header = x.requestHeader(t, upgrade)
	out.RequestURI, out.Close, out.TransferEncoding = "", false, nil
	out.Body, out.GetBody, out.Trailer = nil, nil, nil
	if x.body != nil {
		out.Body = x.body
	}
	return out
}

// inform hands a 1xx answer on; a goroutine of the transport calls it. 100 is not for us: net/http sends it when the body
// is read, so when the upstream wants it, and nothing else must be written at that moment.
func (x *exchange) inform(status int, header textproto.MIMEHeader) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.answered.Load() || status == http.StatusContinue || x.r.Header["Expect"] != nil || !x.r.ProtoAtLeast(1, 1) {
		return nil
	}
	// What others have put into the header is for the answer, and must be there again.
	h := x.w.Header()
	saved := h.Clone()
	clear(h)
	copyEndToEnd(h, http.Header(header))
	x.w.WriteHeader(status)
	clear(h)
	for name, values := range saved {
		h[name] = values
	}
	return nil
}

// watch begins an attempt, which cancel ends when nothing moves for too long.
func (x *exchange) watch(cancel context.CancelCauseFunc) {
	x.connected.Store(false)
	if x.h.options.answerTimeout == 0 && x.h.options.readTimeout == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	d := x.h.options.answerTimeout
	x.timer = time.AfterFunc(positive(d), func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.answered.Load() {
			cancel(silence{"nothing more of the answer", x.h.options.readTimeout})
		} else if d > 0 {
			cancel(silence{"no answer", d})
		}
	})
}

// positive returns d, or what is as good as for ever.
func positive(d time.Duration) time.Duration {
	if d == 0 {
		return 1<<63 - 1
	}
	return d
}

// unwatch ends an attempt.
func (x *exchange) unwatch() {
	if x.timer != nil {
		x.timer.Stop()
	}
}

// settle says that there is an answer: only the handler's own goroutine touches the timer and the ResponseWriter now.
func (x *exchange) settle() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.answered.Store(true)
	if x.timer != nil {
		x.timer.Stop()
	}
}

// pause stops the clock while the client is waited for, or starts it anew.
func (x *exchange) pause(waiting bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.timer == nil || x.answered.Load():
	case waiting:
		x.timer.Stop()
	default:
		x.timer.Reset(positive(x.h.options.answerTimeout))
	}
}

// failed decides what becomes of a request without an answer. It returns true if another upstream shall be asked.
func (x *exchange) failed(ctx context.Context, t turn, err error) bool {
	if status := x.clientFailed(); status != 0 {
		x.refuse(status)
		return false
	}
	if !x.valid.Load() {
		// HTTP/2 in front, for one, knows methods that HTTP/1 does not. No upstream is to blame.
		x.h.log.DebugContext(x.r.Context(), "request cannot be handed on", "path", x.r.URL.Path, "error", err)
		x.refuse(http.StatusBadRequest)
		return false
	}
	err = reason(ctx, err)
	if x.body == nil || x.body.stopped() != errCut {
		// One that has lost patience with a slow upload is in good health; else a few clients could put all to rest.
		x.h.balance.failed(t)
	}
	again := x.mayRepeat(ctx) && x.h.balance.more(x.tried)
	then, status := "ask another", statusOf(err)
	if !again {
		then = fmt.Sprint(status)
	}
	x.h.log.WarnContext(x.r.Context(), "upstream failed", "upstream", t.name, "method", x.r.Method, "path", x.r.URL.Path, "error", err, "answer", then)
	if !again {
		x.refuse(status)
	}
	return again
}

// reason tells what is behind err, when the context of the attempt has ended and the client has not left.
func reason(ctx context.Context, err error) error {
	if s, ok := errors.AsType[silence](context.Cause(ctx)); ok {
		return s
	}
	if errors.Is(err, context.Canceled) {
		return errCut
	}
	return err
}

// clientFailed returns the status for a client whose body is none, or 0. It panics if the client has left.
func (x *exchange) clientFailed() int {
	if x.body != nil {
		err := x.body.failure()
		switch {
		case x.body.stopped() == errCut && err == nil:
			return 0 // the context has ended because we have stopped to read
		case err != nil && (x.r.Context().Err() == nil || errors.Is(err, os.ErrDeadlineExceeded)):
			return statusOfBody(err)
		}
	}
	if x.r.Context().Err() != nil {
		panic(http.ErrAbortHandler)
	}
	return 0
}

// mayRepeat says whether another upstream may get the request: none has had it, or it is idempotent and had no effect that
// anybody has heard of. One that has broken two connections may well be what breaks them.
func (x *exchange) mayRepeat(ctx context.Context) bool {
	if !x.connected.Load() {
		return x.body == nil || !x.body.begun.Load()
	}
	if x.body != nil || x.broke || x.heard.Load() || ctx.Err() != nil {
		return false
	}
	x.broke = true
	switch x.r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete: // RFC 9110 section 9.2.2
		return true
	}
	return false
}

// statusOf tells an upstream that is too slow from one that is broken.
func statusOf(err error) int {
	var timeout net.Error
	if _, ok := errors.AsType[silence](err); ok || errors.As(err, &timeout) && timeout.Timeout() {
		return http.StatusGatewayTimeout
	}
	return http.StatusBadGateway
}

// refuse answers with a status of our own.
func (x *exchange) refuse(status int) {
	x.settle()
	x.endEarly()
	http.Error(x.w, http.StatusText(status), status)
}
