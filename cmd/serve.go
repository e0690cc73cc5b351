package cmd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// lastResort is how long services may take to return once their connections have been closed.
const lastResort = 5 * time.Second

// catchSignals takes all signals that mean something to the runner. Until the services run, a stop ends ctx, so that a
// start that waits for something is abandoned.
func (r *runner) catchSignals() (ctx context.Context, cancel func()) {
	signal.Ignore(syscall.SIGPIPE) // a vanished reader of stdout is an error of that write, not the end of the process
	r.signals = make(chan os.Signal, 16)
	signal.Notify(r.signals, handledSignals...)
	ctx, cancelStart := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	return ctx, func() {
		cancelStart()
		signal.Stop(r.signals)
	}
}

// outcome is what a service's Serve returned.
type outcome struct {
	service *service
	err     error
}

// serve runs the services until a stop is asked for or one of them fails; then it stops them all.
func (r *runner) serve() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer r.tasks.Wait()

	outcomes := make(chan outcome, len(r.services))
	serving := map[string]bool{}
	for _, s := range r.services {
		serving[s.name] = true
		go func() { outcomes <- outcome{s, s.serve(ctx)} }()
	}

	var failures []error
	down := shutdown{runner: r, cancel: cancel}
	for asked := r.asked; len(serving) > 0; {
		select {
		case sig := <-r.signals:
			if isStop(sig) {
				down.signalled(signalName(sig))
			} else {
				r.tasks.Go(func() { r.handle(ctx, sig) })
			}
		case <-asked:
			asked = nil
			down.begin("asked to stop")
		case o := <-outcomes:
			delete(serving, o.service.name)
			if o.err != nil {
				r.log.Error("service failed", "error", o.err)
				failures = append(failures, o.err)
				down.begin("service " + o.service.name + " failed")
			}
		case <-down.graceOver:
			down.force("grace period is over")
		case <-down.sweep:
			r.endpoints.CloseConns()
		case <-down.givenUp:
			failures = append(failures, fmt.Errorf("%s did not stop within %v of losing the connections", names(serving), lastResort))
			return errors.Join(failures...)
		}
	}
	return errors.Join(failures...)
}

// shutdown is the course of a stop. Its channels are nil until their phase has begun.
type shutdown struct {
	runner *runner
	cancel context.CancelFunc // tells the services

	graceOver <-chan time.Time
	sweep     <-chan time.Time // closes connections that were still on their way out of Accept
	givenUp   <-chan time.Time
}

// signalled is called for each signal that asks for a stop; from the second on it is an order.
func (s *shutdown) signalled(name string) {
	if s.graceOver == nil {
		s.begin("received " + name)
		return
	}
	s.force("received " + name + " again")
}

func (s *shutdown) begin(why string) {
	if s.graceOver != nil {
		return
	}
	r := s.runner
	r.state.Store(stopping)
	r.notify("STOPPING=1")
	grace := time.Duration(r.opts.grace)
	r.log.Info(why+", stopping", "open_connections", r.endpoints.Connections(""), "grace", grace)
	s.graceOver = time.After(grace)
	s.cancel()
}

func (s *shutdown) force(why string) {
	if s.givenUp != nil {
		return
	}
	if n := s.runner.endpoints.CloseConns(); n > 0 {
		s.runner.log.Warn(why+", closed open connections", "connections", n)
	}
	s.sweep = time.Tick(50 * time.Millisecond)
	s.givenUp = time.After(lastResort)
}

func names(set map[string]bool) string {
	return strings.Join(slices.Sorted(maps.Keys(set)), ", ")
}

func isStop(sig os.Signal) bool { return sig == os.Interrupt || sig == syscall.SIGTERM }

// handle carries out a signal that does not stop the process. Nothing that goes wrong here ends it.
func (r *runner) handle(ctx context.Context, sig os.Signal) {
	var err error
	switch signalName(sig) {
	case "SIGHUP":
		err = r.reload(ctx)
	case "SIGUSR1":
		err = r.rotate()
	default:
		r.log.Warn("received " + signalName(sig) + ", which has no meaning here")
	}
	if err != nil {
		r.log.Error("received "+signalName(sig), "error", err)
	}
}

// reload reopens the logs and lets every service read its files anew. It goes on after an error, so that one service
// does not keep the others from reloading, and returns all errors.
func (r *runner) reload(ctx context.Context) error {
	r.reloads.Lock()
	defer r.reloads.Unlock()
	if !r.state.CompareAndSwap(running, reloading) {
		return fmt.Errorf("not now: %v", r.state.Load())
	}
	defer r.state.CompareAndSwap(reloading, running)
	if err := r.notifier.Reloading(); err != nil {
		r.log.Warn("service manager", "error", err)
	}
	defer r.notify("READY=1")

	errs := []error{r.logs.reopen()}
	for _, s := range r.services {
		errs = append(errs, s.reload(ctx))
	}
	err := errors.Join(errs...)
	if err == nil {
		r.log.Info("reloaded")
	}
	return err
}

// reopen opens the logs anew that were moved away.
func (r *runner) reopen() error {
	r.reloads.Lock()
	defer r.reloads.Unlock()
	return r.logs.reopen()
}

// rotate opens the logs anew that were moved away and begins the others anew.
func (r *runner) rotate() error {
	r.reloads.Lock()
	defer r.reloads.Unlock()
	return r.logs.rotate()
}
