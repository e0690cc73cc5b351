package plugins

import (
	"errors"
	"fmt"
)

// ErrFull is returned by Pool.Do when its queue is full. A service answers it with "try again later" (HTTP 503, FTP 450, and 421
// at the login).
var ErrFull = errors.New("worker pool is full")

// UsageError says that the command line is wrong; the program prints it and exits with code 2.
type UsageError struct {
	// Reason names what is wrong, with the operand quoted: `--port "80x": not a port number`.
	Reason string
	// Suggestion says what would be right. Empty means that there is nothing to guess.
	Suggestion string
}

// Usagef returns a *UsageError without a suggestion.
func Usagef(format string, args ...any) error {
	return &UsageError{Reason: fmt.Sprintf(format, args...)}
}

// Error implements error.
func (e *UsageError) Error() string { return e.Reason }

// Hint returns the suggestion. The runner prints the Hint of the first error in a chain that has such a method.
func (e *UsageError) Hint() string { return e.Suggestion }
