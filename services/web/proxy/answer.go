package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
)

// relay hands the answer on, piece by piece as it comes.
func (x *exchange) relay(ctx context.Context, t turn, res *http.Response) {
	x.header(res)
	x.w.WriteHeader(res.StatusCode)
	if err := x.copy(res); err != nil {
		if x.r.Context().Err() == nil && err != errClient {
			x.h.log.WarnContext(x.r.Context(), "upstream failed in the middle of an answer",
				"upstream", t.name, "method", x.r.Method, "path", x.r.URL.Path, "error", reason(ctx, err))
		}
		panic(http.ErrAbortHandler) // so that nobody takes it for the whole answer
	}
	res.Body.Close()
	x.trailer(res)
}

// header copies what is end-to-end. The upstream's word counts more than that of the handlers before us, but what makes
// a list stays one.
func (x *exchange) header(res *http.Response) {
	h := x.w.Header()
	before := [][]string{h["Vary"], h["Set-Cookie"]}
	if l := x.link.Load(); l != nil {
		res.Header["Connection"] = l.named()
	}
	copyEndToEnd(h, res.Header)
	for i, name := range []string{"Vary", "Set-Cookie"} {
		if ours := before[i]; len(ours) > 0 && len(res.Header[name]) > 0 {
			h[name] = append(slices.Clone(ours), res.Header[name]...)
		}
	}
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // or net/http guesses
	}
	if len(res.Trailer) > 0 {
		names := make([]string, 0, len(res.Trailer))
		for name := range res.Trailer {
			names = append(names, name)
		}
		h["Trailer"] = []string{strings.Join(names, ", ")}
	}
	x.endEarly()
}

// trailer copies what came after the body, whether it was announced or not.
func (x *exchange) trailer(res *http.Response) {
	if len(res.Trailer) == 0 {
		return
	}
	h := x.w.Header()
	for name, values := range res.Trailer {
		if !names(h["Trailer"], name) {
			name = http.TrailerPrefix + name
		}
		h[name] = values
	}
	// Without it net/http would give a short answer a length, and no trailer.
	_ = http.NewResponseController(x.w).Flush()
}

// errClient says that the client takes no more.
var errClient = errors.New("the client takes no more")

// copy copies the body. errClient says that it is the client's fault.
func (x *exchange) copy(res *http.Response) error {
	rc := http.NewResponseController(x.w)
	if res.ContentLength < 0 && x.r.Method != http.MethodHead && !flushed(rc) {
		return errClient // nobody knows when the first piece comes
	}
	buffer := x.h.buffers.Get().(*[]byte)
	defer x.h.buffers.Put(buffer)
	var copied int64
	for {
		x.wait()
		n, err := res.Body.Read(*buffer)
		x.unwatch()
		copied += int64(n)
		if n > 0 {
			if _, err := x.w.Write((*buffer)[:n]); err != nil {
				return errClient
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case copied == res.ContentLength:
			// net/http flushes at the end: one write for a small answer.
		case !flushed(rc):
			return errClient
		}
	}
}

// flushed returns false if the client takes no more. A writer that does not know how to flush is no reason to say so.
func flushed(rc *http.ResponseController) bool {
	err := rc.Flush()
	return err == nil || errors.Is(err, http.ErrNotSupported)
}

// wait starts the clock for the next piece of the answer.
func (x *exchange) wait() {
	if x.timer != nil {
		x.timer.Reset(positive(x.h.options.readTimeout))
	}
}
