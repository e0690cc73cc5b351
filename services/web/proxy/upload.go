package proxy

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

var errEnded = errors.New("the request has been answered")

// upload is the body of a request on its way to an upstream. A goroutine of the transport reads it, also for a while
// after the answer; the handler ends that before it returns.
type upload struct {
	src   io.Reader
	x     *exchange
	begun atomic.Bool
	whole atomic.Bool

	reading sync.Mutex // held while the client is waited for
	mu      sync.Mutex
	ended   bool
	err     error // of the client
}

// Read implements io.Reader.
func (u *upload) Read(p []byte) (int, error) {
	u.reading.Lock()
	defer u.reading.Unlock()
	u.begun.Store(true)
	if u.isEnded() {
		return 0, errEnded
	}
	u.x.pause(true)
	n, err := u.src.Read(p)
	u.x.pause(false)
	switch {
	case err == io.EOF:
		u.whole.Store(true)
	case err != nil:
		u.mu.Lock()
		u.err = err
		u.mu.Unlock()
	}
	return n, err
}

// Close implements io.Closer, for the transport. The body itself is the server's to close: it would wait for the client.
func (u *upload) Close() error { return nil }

func (u *upload) isEnded() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.ended
}

// failure returns what is wrong with the client's body.
func (u *upload) failure() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.err
}

// statusOfBody tells the client what was wrong with its body.
func statusOfBody(err error) int {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return http.StatusRequestTimeout
	}
	return http.StatusBadRequest
}

// endEarly makes an answer that comes before the end of an HTTP/1 request the last one of its connection, as nobody knows
// how much of the request is still to come.
func (x *exchange) endEarly() {
	if x.body != nil && !x.body.whole.Load() && x.r.ProtoMajor == 1 {
		x.w.Header().Set("Connection", "close")
	}
}

// endUpload returns when nobody reads the body any more. The connection ends after an early answer; net/http still takes
// some of the body, so that the answer is not lost in a reset, but not for long.
func (x *exchange) endUpload() {
	u := x.body
	u.mu.Lock()
	u.ended = true
	u.mu.Unlock()
	if u.whole.Load() {
		return
	}
	rc := http.NewResponseController(x.w) // one that has no deadlines is not net/http's
	if !u.reading.TryLock() {
		_ = rc.SetReadDeadline(time.Now()) // wakes who waits for the client
		u.reading.Lock()
	}
	defer u.reading.Unlock()
	_ = rc.SetReadDeadline(time.Now().Add(lingerTimeout))
}
