package static

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// unhurried takes back the deadline of a body that is no upload: how fast one has to come is the server's to say.
func unhurried(w http.ResponseWriter) { _ = http.NewResponseController(w).SetReadDeadline(time.Time{}) }

// bodyError says that a request body came to an end before its end.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return e.err.Error() }
func (e *bodyError) Unwrap() error { return e.err }

func (e *bodyError) refusal() (status int, reason string) {
	if errors.Is(e.err, os.ErrDeadlineExceeded) {
		return http.StatusRequestTimeout, "the body came too slowly"
	}
	return http.StatusBadRequest, "the body is broken"
}

// errLong says that a body is longer than it may be.
var errLong = &refusal{http.StatusBadRequest, "the body is longer than its Content-Range"}

// bodyFailed returns the error for a body that could not be read: one longer than the server takes is a refusal.
func bodyFailed(err error) error {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("at most %d bytes", tooLarge.Limit)}
	}
	return &bodyError{err}
}

// receive copies a body that is no longer than limit, which negative is no limit. The error is a *bodyError if it is the
// client's, errLong, or a *refusal if the server takes no body of that length.
func receive(ctx context.Context, dst io.Writer, body io.Reader, limit int64) (n int64, err error) {
	buf := make([]byte, uploadChunk)
	for {
		got, readErr := body.Read(buf)
		if limit >= 0 && int64(got) > limit-n {
			return n, errLong
		}
		if _, err := dst.Write(buf[:got]); err != nil {
			return n, err
		}
		n += int64(got)
		switch {
		case readErr == io.EOF:
			return n, nil
		case readErr != nil:
			return n, bodyFailed(readErr)
		case ctx.Err() != nil:
			return n, &bodyError{ctx.Err()}
		}
	}
}

// contentRange is what a body is of the whole file (RFC 9110 section 14.4).
type contentRange struct{ first, length, total int64 }

// parseContentRange takes "bytes FIRST-LAST/TOTAL", and "bytes */TOTAL" for nothing more at the end of a file that is all
// there. No number is larger than an int64 holds.
func parseContentRange(s string) (c contentRange, ok bool) {
	unit, rest, found := strings.Cut(s, " ")
	if !found || !strings.EqualFold(unit, "bytes") {
		return c, false
	}
	span, total, found := strings.Cut(rest, "/")
	if !found {
		return c, false
	}
	if c.total, ok = digits(total); !ok {
		return contentRange{}, false
	}
	if span == "*" {
		c.first = c.total
		return c, true
	}
	first, last, found := strings.Cut(span, "-")
	from, firstOK := digits(first)
	to, lastOK := digits(last)
	if !found || !firstOK || !lastOK || from > to || to >= c.total {
		return contentRange{}, false
	}
	return contentRange{from, to - from + 1, c.total}, true
}

// digits reads a number of digits and nothing else.
func digits(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}
