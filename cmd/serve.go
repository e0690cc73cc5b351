package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
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

type outcome struct {
	service *service
	err     error
}

// serve runs the services until a stop is asked for or one of them fails; then it stops them all.
func (r *runner) serve() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer r.tasks.Wait()
	r.state.Store(running)

	outcomes := make(chan outcome, len(r.services))
	for _, s := range r.services {
		go func() { outcomes <- outcome{s, s.serve(ctx)} }()
	}
	serving := map[string]bool{}
	for _, s := range r.services {
		serving[s.name] = true
	}

	var failures []error
	var graceOver, forced <-chan time.Time
	var sweep <-chan time.Time // closes what was still on its way out of Accept
	asked := r.asked
	stop := func(why string) {
		if ctx.Err() != nil {
			return
		}
		r.state.Store(stopping)
		r.notify("STOPPING=1")
		wait := time.Duration(r.opts.grace)
		r.log.Info(why+", stopping", "open_connections", r.endpoints.Connections(""), "grace", wait)
		cancel()
		graceOver = time.After(wait)
	}
	force := func(why string) {
		if forced == nil {
			if n := r.endpoints.CloseConns(); n > 0 {
				r.log.Warn(why+", closed open connections", "connections", n)
			}
			forced = time.After(lastResort)
			sweep = time.Tick(50 * time.Millisecond)
		}
	}
	for len(serving) > 0 {
		select {
		case sig := <-r.signals:
			switch {
			case !isStop(sig):
				r.tasks.Go(func() { r.handle(ctx, sig) })
			case ctx.Err() == nil:
				stop("received " + signalName(sig))
			default:
				force("received " + signalName(sig) + " again")
			}
		case <-asked:
			asked = nil
			stop("asked to stop")
		case o := <-outcomes:
			delete(serving, o.service.name)
			if o.err != nil {
				r.log.Error("service failed", "error", o.err)
				failures = append(failures, o.err)
				stop("service " + o.service.name + " failed")
			}
		case <-graceOver:
			force("grace period is over")
		case <-sweep:
			r.endpoints.CloseConns()
		case <-forced:
			return errors.Join(append(failures, fmt.Errorf("%s did not stop within %v of losing the connections", names(serving), lastResort))...)
		}
	}
	return errors.Join(failures...)
}

func names(set map[string]bool) string {
	var list []string
	for name := range set {
		list = append(list, name)
	}
	return strings.Join(list, ", ")
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
