package ftp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"runtime/debug"
	"strconv"
	"syscall"
	"unicode"
	"unicode/utf8"

	ftpserver "github.com/fclairamb/ftpserverlib"

	"github.com/gtwistd/gtwistd/internal/part"
	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/services/ftp/accounts"
)

// maxShown is how much of a path an answer shows.
const maxShown = 1000

// failure is what the client is told of what went wrong.
type failure struct {
	code int
	text string
}

func (f *failure) String() string { return strconv.Itoa(f.code) + " " + f.text }

// Error implements error, for the transfer's record.
func (f *failure) Error() string { return f.text }

var (
	errAborted    = errors.New("aborted by the client")
	errConnection = errors.New("connection lost")
	errShort      = errors.New("shorter than the client said")
	errPanic      = errors.New("panic")
)

// caught is deferred where a panic would get to the library, which goes on without closing the file: it makes one the error of
// the call and of the transfer.
func (c *session) caught(t *transfer, err *error) {
	v := recover()
	if v == nil {
		return
	}
	c.log.Error("panic in a transfer", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	c.failed(t, errPanic)
	*err = errPanic
}

// failureOf says what went wrong with what has that path; "" for what everybody knows. No error's own text is in it, as it
// may hold paths that are nobody's business.
func (c *session) failureOf(path string, err error) *failure {
	f, known := c.wordsFor(path, err)
	if !known {
		c.log.Warn("a file cannot be served", "path", path, "error", err)
	}
	return f
}

const localError = "local error"

// wordsFor is failureOf without a record, which is wanted if the error is not known. It may be called with mu.
func (c *session) wordsFor(path string, err error) (f *failure, known bool) {
	if told, ok := errors.AsType[*failure](err); ok {
		return told, true
	}
	code, reason := c.brokenOff(err)
	if code == 0 {
		code, reason = reasonOf(err)
	}
	if known = code != 0; !known {
		code, reason = 451, localError
	}
	if path == "" {
		return &failure{code, sentence(reason)}, known
	}
	if len(path) > maxShown {
		path = path[:maxShown] + "…"
	}
	return &failure{code, oneLine(path) + ": " + reason + "."}, known
}

// brokenOff says why a transfer had to end; code 0 is for another reason.
func (c *session) brokenOff(err error) (code int, reason string) {
	switch {
	case errors.Is(err, errAborted):
		return 426, "transfer aborted"
	case errors.Is(err, errStop):
		return 426, "the server stops, transfer aborted"
	case errors.Is(err, errShort):
		return 426, "fewer bytes came than ALLO had said"
	case errors.Is(err, context.Canceled): // nobody hears it
		return 451, "the session ends"
	case errors.Is(err, errStalled):
		return 426, "nothing moved for " + c.srv.limits.stall.String() + ", transfer aborted"
	case errors.Is(err, errSlow):
		return 426, "too slow, transfer aborted"
	case errors.Is(err, errReuse):
		return 522, "the data connection must resume the TLS session of the control connection"
	case errors.Is(err, errTruncated), isNetwork(err):
		return 426, "data connection lost, transfer aborted"
	case errors.Is(err, errHandshake):
		return 522, "the TLS handshake of the data connection failed"
	}
	return 0, ""
}

// reasonOf says what is wrong with a file; code 0 is for what nobody has thought of.
func reasonOf(err error) (code int, reason string) {
	if refused, ok := errors.AsType[*refusal](err); ok {
		return refused.code, refused.reason
	}
	for _, r := range reasons {
		if isAny(err, r.of...) {
			return r.code, r.text
		}
	}
	if isEscape(err) {
		return 550, noSuchFile
	}
	return 0, ""
}

const noSuchFile = "no such file or directory"

// reasons are what clients are told of errors; the first that fits counts.
var reasons = []struct {
	code int
	text string
	of   []error
}{
	{552, accounts.ErrTooLarge.Error(), []error{accounts.ErrTooLarge}},
	{552, "quota exceeded", []error{ftpserver.ErrStorageExceeded, accounts.ErrQuota}},
	{452, "no room left", []error{syscall.ENOSPC, syscall.EDQUOT}},
	{450, part.ErrLocked.Error(), []error{part.ErrLocked}},
	{450, "busy, try again later", []error{plugins.ErrFull}},
	{550, "the file system is read-only", []error{syscall.EROFS}},
	{550, "the directory is not empty", []error{syscall.ENOTEMPTY}},
	{553, "no file can have that name", []error{syscall.ENAMETOOLONG, syscall.EINVAL, syscall.EILSEQ}},
	{550, "permission denied", []error{fs.ErrPermission}},
	{550, "it exists", []error{fs.ErrExist}},
	{550, noSuchFile, []error{syscall.ENOTDIR, syscall.ELOOP, fs.ErrNotExist}},
	{550, "it is a directory", []error{syscall.EISDIR}},
}

func isAny(err error, targets ...error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// isEscape says that a link leads out of the root. Package os has no name for it.
func isEscape(err error) bool { return bare(err).Error() == "path escapes from parent" }

func isNetwork(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) || isAny(err, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE, os.ErrDeadlineExceeded, errConnection) ||
		errors.As(err, new(tls.RecordHeaderError)) || errors.As(err, new(tls.AlertError))
}

// bare removes the operation and the paths that the caller knows.
func bare(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	if l, ok := errors.AsType[*os.LinkError](err); ok {
		return l.Err
	}
	return err
}

// sentence begins with a capital and ends with a full stop.
func sentence(s string) string {
	if r, n := utf8.DecodeRuneInString(s); n > 0 {
		s = string(unicode.ToUpper(r)) + s[n:]
	}
	return oneLine(s) + "."
}
