package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/gtwistd/gtwistd/plugins"
)

const (
	// portAuto is the word for --port that means the first port that is free.
	portAuto = "auto"

	firstAutoPort    = 8080
	firstAutoPortTLS = 8443
	autoPorts        = 100 // tried one after the other
)

// listenAuto binds the first port from first on that nobody has; endpoint makes the description of a port, such as
// "tcp:8080". Each port that is taken is told in the log, with who has it if the system tells. Any other error ends the
// search and is returned as it is.
func listenAuto(ctx context.Context, env *plugins.Env, first int, endpoint func(port int) string) (net.Listener, error) {
	for port := first; ; port++ {
		l, err := env.Listen(ctx, endpoint(port))
		switch {
		case err == nil:
			return l, nil
		case !inUse(err):
			return nil, err
		case port == first+autoPorts-1:
			return nil, fmt.Errorf("--port auto: ports %d to %d are all in use, the last one: %w", first, port, err)
		}
		env.Log.InfoContext(ctx, "port in use, trying the next", "port", port, "holder", hint(err))
	}
}

// suggestAuto adds to an error of a port that is in use how to get another one.
func suggestAuto(err error) error {
	if !inUse(err) {
		return err
	}
	const other = "--port auto takes the next free one"
	if who := hint(err); who != "" {
		return &hintedError{err, who + "; " + other}
	}
	return &hintedError{err, other}
}

// hintedError is an error with another hint.
type hintedError struct {
	error
	hint string
}

func (e *hintedError) Hint() string  { return e.hint }
func (e *hintedError) Unwrap() error { return e.error }

// wsaAddrInUse is what Windows says for EADDRINUSE, and no error elsewhere (Winsock, WSAEADDRINUSE).
const wsaAddrInUse = syscall.Errno(10048)

func inUse(err error) bool {
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, wsaAddrInUse)
}

// hint is what an error suggests, "" if nothing.
func hint(err error) string {
	var hinter interface{ Hint() string }
	if errors.As(err, &hinter) {
		return hinter.Hint()
	}
	return ""
}
