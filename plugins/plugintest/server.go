package plugintest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins"
)

// Server is a service that runs on a Host, in a goroutine that the test's cleanup waits for. Its methods are safe for
// concurrent use.
type Server struct {
	*Host
	// Service is what Make returned.
	Service plugins.Service

	drain context.CancelFunc
	done  chan struct{} // closed when Serve has returned
	err   error         // what it returned; read it after done
}

// Start makes the service with these arguments and serves it until the test ends. An error before it serves, and one
// that nobody asked Wait or Stop for, fails the test.
func Start(t testing.TB, p plugins.Plugin, args ...string) *Server {
	t.Helper()
	srv, err := launch(t, p, args)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Stop(); err != nil {
			t.Errorf("%s: %v", srv.Env.Name, err)
		}
	})
	return srv
}

func launch(t testing.TB, p plugins.Plugin, args []string) (*Server, error) {
	maker, fs, err := bind(p)
	if err != nil {
		return nil, err
	}
	if err := parse(fs, args); err != nil {
		return nil, fmt.Errorf("%s %q: %w", p.Name, args, err)
	}
	host := NewHost(t, p.Name)
	svc, err := maker.Make(t.Context(), host.Env)
	if err != nil {
		host.closeAll()
		return nil, fmt.Errorf("%s %q: %w", p.Name, args, err)
	}
	if preparer, ok := svc.(plugins.Preparer); ok {
		if err := preparer.Prepare(t.Context()); err != nil {
			host.closeAll()
			return nil, fmt.Errorf("%s %q: %w", p.Name, args, err)
		}
	}
	// Not t.Context: it ends before cleanups run, and a test decides itself when its service drains.
	ctx, drain := context.WithCancel(context.WithoutCancel(t.Context()))
	srv := &Server{Host: host, Service: svc, drain: drain, done: make(chan struct{})}
	go func() {
		defer close(srv.done)
		srv.err = svc.Serve(ctx)
	}()
	t.Cleanup(func() { _ = srv.Stop() })
	return srv, nil
}

// Drain begins the grace period: it ends the context of Serve and does not wait.
func (s *Server) Drain() { s.drain() }

// Stop drains, lets the service take leave and closes the open connections as soon as it listens no more, as the runner does at
// the end of the grace period, and waits. It may be called again.
func (s *Server) Stop() error {
	s.drain()
	if err := s.awaitListenersClosed(); err != nil {
		return err
	}
	if l, ok := s.Service.(plugins.Leaver); ok {
		ctx, cancel := context.WithTimeout(context.Background(), giveUp)
		defer cancel()
		l.Leave(ctx)
	}
	// More than once, as a connection may have been on its way out of Accept.
	for deadline := time.Now().Add(giveUp); time.Now().Before(deadline); {
		s.CloseConns()
		select {
		case <-s.done:
			return s.err
		case <-time.After(10 * time.Millisecond):
		}
	}
	return errHangs
}

// Wait returns what Serve returned, or an error if it hangs.
func (s *Server) Wait() error {
	select {
	case <-s.done:
		return s.err
	case <-time.After(giveUp):
		return errHangs
	}
}

var errHangs = errors.New("the service hangs: Serve does not return")

// awaitListenersClosed waits until the service has closed what it listens on, or has ended.
func (s *Server) awaitListenersClosed() error {
	for deadline := time.Now().Add(giveUp); time.Now().Before(deadline); {
		if len(s.open()) == 0 {
			return nil
		}
		select {
		case <-s.done:
			return nil
		case <-time.After(time.Millisecond):
		}
	}
	return fmt.Errorf("listeners are still open after cancel: %v", s.open())
}
