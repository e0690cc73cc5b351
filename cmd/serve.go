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
	"sync"
	"syscall"
	"time"
)

// lastResort is how long services may take to return once their connections have been closed.
const lastResort = 5 * time.Second

// farewellTimeout is how long services may take to tell their clients that their connections are about to be closed.
const farewellTimeout = time.Second

// survivePipes makes the loss of the reader of stdout an error of that write and not the end of the process. Unlike an
// ignored signal, children do not inherit it.
func survivePipes() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// catchSignals takes the signals that stop; the others have been taken since Main began. Until the services run, a stop
// ends ctx, so that a start that waits for something is abandoned.
func (r *runner) catchSignals() (ctx context.Context, cancel func()) {
	survivePipes()
	r.stops = make(chan os.Signal, 2) // the third says no more than the second
	signal.Notify(r.stops, os.Interrupt, syscall.SIGTERM)
	ctx, cancelStart := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	return ctx, func() {
		cancelStart()
		signal.Stop(r.stops)
		signal.Stop(r.signals)
	}
}

// outcome is what a service's Serve returned.
type outcome struct {
	service *service
	err     error
}

// serve runs the services until a stop is asked for or one of them fails; then it stops them all. A reload that is under
// way is waited for like a service.
func (r *runner) serve() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	outcomes := make(chan outcome, len(r.services))
	busy := map[string]bool{}
	for _, s := range r.services {
		busy[s.name] = true
		go func() { outcomes <- outcome{s, s.serve(ctx)} }()
	}

	var failures []error
	down := shutdown{runner: r, cancel: cancel}
	errands := errands{do: func(name string) { r.handle(ctx, name) }, done: make(chan string, 1)}
	for asked := r.asked; len(busy) > 0 || errands.current != ""; {
		select {
		case sig := <-r.stops:
			down.signalled("received " + signalName(sig))
		case sig := <-r.signals:
			if name := signalName(sig); name == "SIGHUP" && r.terminal.gone() {
				down.signalled("the terminal was closed")
			} else {
				errands.add(name)
			}
		case <-errands.done:
			errands.next()
		case <-asked:
			asked = nil
			down.begin("asked to stop")
		case o := <-outcomes:
			delete(busy, o.service.name)
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
			if errands.current != "" {
				busy["the handling of "+errands.current] = true
			}
			failures = append(failures, fmt.Errorf("%s did not end within %v of losing the connections", names(busy), lastResort))
			return errors.Join(failures...)
		}
	}
	return errors.Join(failures...)
}

// errands handles one signal after the other; one that is waiting already need not wait twice.
type errands struct {
	do      func(name string)
	done    chan string // buffered, so that the last one can always end
	current string      // "" when there is nothing to do
	waiting []string
}

func (e *errands) add(name string) {
	switch {
	case e.current == "":
		e.current = name
		go func() { e.do(name); e.done <- name }()
	case !slices.Contains(e.waiting, name):
		e.waiting = append(e.waiting, name)
	}
}

func (e *errands) next() {
	e.current = ""
	if len(e.waiting) > 0 {
		name := e.waiting[0]
		e.waiting = e.waiting[1:]
		e.add(name)
	}
}

// shutdown is the course of a stop. Its channels are nil until their phase has begun.
type shutdown struct {
	runner *runner
	cancel context.CancelFunc // tells the services

	ordered   bool // by a signal
	graceOver <-chan time.Time
	sweep     <-chan time.Time // closes connections that were still on their way out of Accept
	givenUp   <-chan time.Time
}

// signalled is called for each signal that asks for a stop; the second one allows no grace.
func (s *shutdown) signalled(why string) {
	if s.ordered {
		s.force(why + " again")
		return
	}
	s.ordered = true
	s.begin(why)
}

func (s *shutdown) begin(why string) {
	if s.graceOver != nil {
		return
	}
	r := s.runner
	r.state.Store(stopping)
	r.notify("STOPPING=1")
	grace, open := time.Duration(r.opts.grace), r.endpoints.Connections("")
	attrs := []any{"open_connections", open, "grace", grace}
	if open > 0 && r.parent == nil && r.terminal != nil {
		attrs = append(attrs, "at_once", "Ctrl-C again") // a person waits
	}
	r.log.Info(why+", stopping", attrs...)
	s.graceOver = time.After(grace)
	s.cancel()
}

func (s *shutdown) force(why string) {
	if s.givenUp != nil {
		return
	}
	s.runner.leave()
	if n := s.runner.endpoints.CloseConns(); n > 0 {
		s.runner.log.Warn(why+", closed open connections", "connections", n)
	}
	s.sweep = time.Tick(50 * time.Millisecond)
	s.givenUp = time.After(lastResort)
}

// leave lets services tell their clients, all at once.
func (r *runner) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), farewellTimeout)
	defer cancel()
	var leaving sync.WaitGroup
	for _, s := range r.services {
		leaving.Go(func() { s.leave(ctx) })
	}
	leaving.Wait()
}

func names(set map[string]bool) string {
	return strings.Join(slices.Sorted(maps.Keys(set)), ", ")
}

// handle carries out a signal that does not stop the process. Nothing that goes wrong here ends it.
func (r *runner) handle(ctx context.Context, name string) {
	var err error
	switch name {
	case "SIGHUP":
		err = r.reload(ctx)
	case "SIGUSR1":
		err = r.rotate()
	default:
		r.log.Warn("received " + name + ", which has no meaning here")
	}
	if err != nil {
		attrs := []any{"error", err}
		if hint := hintOf(err); hint != "" {
			attrs = append(attrs, "hint", hint)
		}
		r.log.Error("received "+name, attrs...)
	}
}

// reload reopens the logs, reads the certificates anew and lets every service read its files anew. It goes on after an error,
// so that one service does not keep the others from reloading, and returns all errors.
func (r *runner) reload(ctx context.Context) error {
	if !r.reloads.TryLock() {
		return errBusy
	}
	defer r.reloads.Unlock()
	if !r.state.CompareAndSwap(running, reloading) {
		return fmt.Errorf("not now: %v", r.state.Load())
	}
	defer r.state.CompareAndSwap(reloading, running)
	if err := r.notifier.Reloading(); err != nil {
		r.log.Warn("service manager", "error", err)
	}
	defer r.notify("READY=1")

	errs := []error{r.logs.reopen(), r.certs.Reload(ctx)}
	for _, s := range r.services {
		errs = append(errs, s.reload(ctx))
	}
	err := errors.Join(errs...)
	if err == nil {
		r.log.Info("reloaded")
	}
	r.logs.flush(time.Second) // whoever asked for it finds it in the log
	return err
}

// reopen opens the logs anew that were moved away.
func (r *runner) reopen() error {
	if !r.reloads.TryLock() {
		return errBusy
	}
	defer r.reloads.Unlock()
	return r.logs.reopen()
}

// rotate opens the logs anew that were moved away and begins the others anew.
func (r *runner) rotate() error {
	if !r.reloads.TryLock() {
		return errBusy
	}
	defer r.reloads.Unlock()
	err := r.logs.rotate()
	if err == nil {
		r.log.Info("log rotated or opened anew")
	}
	return err
}

// errBusy keeps reloads from queueing up behind one that hangs.
var errBusy = errors.New("a reload or rotation is under way")
