// Package daemon turns a program into a daemon, one mechanism at a time: Detach starts a copy of the program in a session
// of its own and waits until it is ready, Lock holds the pidfile, TakeInherited collects the descriptors that came with
// the process, Redirect catches what is written to stdout and stderr, Confine gives up root, and a Notifier talks to the
// service manager. Package cmd calls them in order; nothing here keeps state beyond what it returns.
//
// A start, seen from both sides:
//
//	parent := daemon.Detached(os.Getenv) // first thing in main
//	inherited := daemon.TakeInherited(parent)
//	if wantDaemon && parent == nil {
//		result, err := daemon.Detach(ctx, daemon.Program{Executable: executable, Args: os.Args, …})
//		… print result.Text or err, and exit
//	}
//	… lock, bind, confine
//	parent.Ready("web: http://127.0.0.1:8080/")
//
// On systems other than Unix only the pidfile works; the rest answers with an error that wraps errors.ErrUnsupported.
package daemon

import (
	"fmt"
	"os"
)

// marker names the environment variable that tells a detached copy the pid of the process that started it.
const marker = "GTWISTD_DETACHED"

// Program says how Detach starts the copy.
type Program struct {
	Executable     string     // path of the file to run, not searched for in PATH
	Args           []string   // all of os.Args: the first is the name the program was called by
	Env            []string   // the whole environment; empty means an empty one
	Stdout, Stderr *os.File   // handed on until the copy redirects them; nil means closed
	Inherited      *Inherited // handed on under their numbers, with the variables that name them; nil means that nothing is done about them
}

// Result is what a detached copy said when it was ready.
type Result struct {
	Text string // what it gave to Ready
	PID  int    // its process id; 0 if it could not be started
}

// StartError is why a detached copy did not become ready: its own words, or ours if it died without a word.
type StartError struct {
	Code       int    // exit code for the whole program
	Reason     string // the error, complete
	Suggestion string // hint; empty means that there is none
}

// Error implements error.
func (e *StartError) Error() string { return e.Reason }

// Hint returns the suggestion.
func (e *StartError) Hint() string { return e.Suggestion }

// ExitCode returns the code with which the program should end.
func (e *StartError) ExitCode() int { return e.Code }

// failure is an error in our own words that still wraps its cause, perhaps with a hint.
type failure struct {
	text  string
	hint  string
	cause error
}

func (f *failure) Error() string { return f.text }
func (f *failure) Hint() string  { return f.hint }
func (f *failure) Unwrap() error { return f.cause }

func failuref(cause error, hint, format string, args ...any) error {
	return &failure{text: fmt.Sprintf(format, args...), hint: hint, cause: cause}
}
