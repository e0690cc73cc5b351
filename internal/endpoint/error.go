package endpoint

import (
	"errors"
	"fmt"
	"net"
	"os"
)

// Error says what is wrong with a description, or why it could not be listened on. It wraps the cause, so that
// errors.Is finds fs.ErrPermission, fs.ErrNotExist or syscall.EADDRINUSE.
type Error struct {
	// Spec is the description: as it was given if Malformed, else in canonical form.
	Spec string
	// Malformed tells a mistake in the description, to be answered as a usage error, from a refusal by the system.
	Malformed bool
	// Err is the cause.
	Err error

	hint string
}

// Error implements error.
func (e *Error) Error() string {
	if e.Malformed {
		return fmt.Sprintf("endpoint %q: %v", e.Spec, e.Err)
	}
	return fmt.Sprintf("listen %s: %s", e.Spec, cause(e.Err))
}

// Hint says what would be right; empty if we cannot tell.
func (e *Error) Hint() string { return e.hint }

// Unwrap returns what caused it, for package errors.
func (e *Error) Unwrap() error { return e.Err }

// cause leaves out what *net.OpError and *os.SyscallError add: the address, which our text already names, and the name of
// the system call.
func cause(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && error(op) == err {
		err = op.Err
	}
	var sys *os.SyscallError
	if errors.As(err, &sys) && error(sys) == err {
		err = sys.Err
	}
	return err.Error()
}

// fault is a mistake found while parsing, before it is known which description it belongs to.
type fault struct {
	text string
	hint string
}

func (f *fault) Error() string { return f.text }
func (f *fault) Hint() string  { return f.hint }

func faultf(format string, args ...any) *fault { return &fault{text: fmt.Sprintf(format, args...)} }

func (f *fault) suggest(format string, args ...any) *fault {
	f.hint = fmt.Sprintf(format, args...)
	return f
}
