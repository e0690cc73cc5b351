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

func (e *Error) Error() string {
	if e.Malformed {
		return fmt.Sprintf("endpoint %q: %v", e.Spec, e.Err)
	}
	return fmt.Sprintf("listen %s: %s", e.Spec, cause(e.Err))
}

// Hint says what would be right; empty if we cannot tell.
func (e *Error) Hint() string { return e.hint }

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

func faultf(format string, args ...any) *fault { return &fault{text: fmt.Sprintf(format, args...)} }

func (f *fault) suggest(format string, args ...any) *fault {
	f.hint = fmt.Sprintf(format, args...)
	return f
}

// nearest returns the candidate most like word, or "" if none is like it.
func nearest(word string, candidates []string) string {
	best, most := "", 1+len(word)/3
	for _, c := range candidates {
		if d := distance(word, c); d <= most {
			best, most = c, d-1
		}
	}
	return best
}

// distance counts the letters to insert, delete, replace or swap with their neighbour to turn a into b (the optimal string
// alignment distance).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			change := 1
			if a[i] == b[j] {
				change = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+change)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
