package static

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"syscall"
)

// refusal is an upload that is not taken, and why in one line.
type refusal struct {
	status int
	reason string
}

func (e *refusal) Error() string { return e.reason }

var (
	errLocked    = &refusal{http.StatusLocked, "another upload of it is under way"}
	errExists    = &refusal{http.StatusConflict, "it exists"}
	errInstead   = &refusal{http.StatusConflict, "it would be sent in place of a file that exists"}
	errDirectory = &refusal{http.StatusConflict, "it is a directory"}
	errSpecial   = &refusal{http.StatusConflict, "it is no regular file"}
	errCondition = &refusal{http.StatusPreconditionFailed, "it is not what the condition says"}
	errName      = &refusal{http.StatusForbidden, "files with such a name are not taken"}
	errNowhere   = &refusal{http.StatusConflict, "no such directory"}
)

// offsetError says that an upload does not go on where the part ends.
type offsetError struct{ size int64 }

func (e *offsetError) Error() string { return "not where the unfinished upload ends" }

// refuseUpload answers that an upload was not taken, and why, after what there is to say before.
func (h *Handler) refuseUpload(w http.ResponseWriter, r *http.Request, err error, before string) {
	if isGone(r.Context(), err) {
		panic(http.ErrAbortHandler) // nobody is there to be answered
	}
	status, reason := refusalOf(err)
	if offset, ok := errors.AsType[*offsetError](err); ok {
		w.Header().Set(uploadOffset, strconv.FormatInt(offset.size, 10))
	}
	if status == http.StatusServiceUnavailable || status == http.StatusLocked {
		w.Header().Set("Retry-After", retryAfter)
	}
	// Of a disk that is full, or that refuses, the owner must hear.
	if _, ours := errors.AsType[*refusal](err); !ours && (status >= 500 && status != http.StatusServiceUnavailable || status == http.StatusForbidden) {
		h.config.Log.WarnContext(r.Context(), "cannot take an upload", "path", r.URL.Path, "error", err)
	}
	http.Error(w, before+http.StatusText(status)+": "+reason, status)
}

// isGone says whether the client has broken off. net/http ends the context also when a deadline passes.
func isGone(ctx context.Context, err error) bool {
	body, ok := errors.AsType[*bodyError](err)
	switch {
	case ok && errors.Is(body.err, os.ErrDeadlineExceeded):
		return false
	case ok && isAny(body.err, io.ErrUnexpectedEOF, syscall.ECONNRESET):
		return true
	}
	return ctx.Err() != nil
}

// refusalOf tells the client's mistakes from the disk's.
func refusalOf(err error) (status int, reason string) {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.status, r.reason
	}
	if b, ok := errors.AsType[*bodyError](err); ok {
		return b.refusal()
	}
	if o, ok := errors.AsType[*offsetError](err); ok {
		return http.StatusConflict, o.Error()
	}
	switch {
	case isAny(err, syscall.ENOSPC, syscall.EDQUOT):
		return http.StatusInsufficientStorage, "no room left"
	case errors.Is(err, syscall.EFBIG):
		return http.StatusRequestEntityTooLarge, "larger than a file can be"
	case errors.Is(err, syscall.ENXIO): // a FIFO, opened for writing
		return http.StatusConflict, errSpecial.reason
	case isAny(err, fs.ErrExist, syscall.EISDIR):
		return http.StatusConflict, errExists.reason
	case errors.Is(err, syscall.EROFS):
		return http.StatusForbidden, "the file system is read-only"
	case errors.Is(err, fs.ErrPermission):
		return http.StatusForbidden, "permission denied"
	case isAny(err, syscall.ENAMETOOLONG, syscall.EINVAL, syscall.EILSEQ):
		return http.StatusBadRequest, "no file can have that name"
	}
	if status := statusOf(err); status == http.StatusServiceUnavailable {
		return status, "try again later"
	}
	return http.StatusInternalServerError, "see the server's log"
}
