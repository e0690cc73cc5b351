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

var (
	errEnded = errors.New("the request has been answered")
	errCut   = errors.New("the connection was closed before the request was whole")
)

// upload is the body of a request on its way to an upstream. A goroutine of the transport reads it, also for a while
// after the answer; the handler ends that before it returns.
type upload struct {
	src   io.Reader
	x     *exchange
	begun atomic.Bool
	whole atomic.Bool
	link  atomic.Pointer[link] // over which it goes; nil if it does not matter

	reading sync.Mutex // held while the client is waited for
	mu      sync.Mutex
	end     error // why nothing more is wanted: errEnded, errCut, or nil
	err     error // of the client
}

// Read implements io.Reader.
func (u *upload) Read(p []byte) (int, error) {
	u.reading.Lock()
	defer u.reading.Unlock()
	u.begun.Store(true)
	if l := u.link.Load(); l != nil && l.closed.Load() {
		u.stop(errCut)
	}
	if err := u.stopped(); err != nil {
		return 0, err
	}
	u.x.pause(true)
	n, err := u.src.Read(p)
	u.x.pause(false)
	switch {
	case err == io.EOF:
		u.whole.Store(true)
	case err != nil:
		err = u.fail(err)
	}
	return n, err
}

// fail notes what reading from the client has met, if that is not our own doing.
func (u *upload) fail(err error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.end != nil {
		return u.end
	}
	u.err = err
	return err
}

// Close implements io.Closer, for the transport, which wants no more of the body. The body itself is the server's to
// close: it would wait for the client.
func (u *upload) Close() error {
	u.cut()
	return nil
}

// cut ends a Read that waits for the client, as the upstream takes no more. In HTTP/1 that also ends the request's
// context, see net/http's connReader, so it is not for when there is an answer.
func (u *upload) cut() {
	if !u.begun.Load() || u.whole.Load() || u.x.answered.Load() || u.x.r.Context().Err() != nil {
		return // in the last case the client's connection has failed, and Read with it
	}
	why := errCut
	if u.x.r.Context().Err() != nil {
		why = errEnded // the client has left, and so the transport closes what it has
	}
	u.stop(why)
	_ = http.NewResponseController(u.x.w).SetReadDeadline(time.Now())
}

func (u *upload) stop(why error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.end == nil {
		u.end = why
	}
}

func (u *upload) stopped() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.end
}

// failure returns what is wrong with the client's body. If it is what has ended the request, Read is about to know.
func (u *upload) failure() error {
	if u.x.r.Context().Err() != nil {
		u.reading.Lock()
		defer u.reading.Unlock()
	}
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
	u.stop(errEnded)
	if l := u.link.Load(); l != nil {
		l.user.CompareAndSwap(u, nil)
	}
	if u.whole.Load() {
		return
	}
	rc := http.NewResponseController(x.w) // one that has no deadlines is not net/http's
	if !u.reading.TryLock() {
		// A client that goes on to send wakes the reader itself. With a deadline that has passed, net/http takes no more of
		// a chunked body, and closes the connection under the client's feet.
		_ = rc.SetReadDeadline(time.Now().Add(wakeTimeout))
		u.reading.Lock()
	}
	defer u.reading.Unlock()
	_ = rc.SetReadDeadline(time.Now().Add(lingerTimeout))
}
