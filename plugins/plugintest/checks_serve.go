package plugintest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/gtwistd/gtwistd/plugins"
)

// bindErrorReturned lets one bind after the other meet an address in use, and says whether Make returns that error.
func bindErrorReturned(t testing.TB, p plugins.Plugin, c Config) error {
	probe, err := launch(t, p, c.Args)
	if err != nil {
		return err
	}
	if err := probe.Stop(); err != nil {
		return err
	}
	binds := len(probe.Addrs())
	if binds == 0 {
		return errors.New("nothing was bound through env by Make")
	}
	for n := range binds {
		if err := bindError(t, p, c, n); err != nil {
			return fmt.Errorf("bind %d of %d in use: %w", n+1, binds, err)
		}
	}
	return nil
}

func bindError(t testing.TB, p plugins.Plugin, c Config, n int) error {
	before := goroutines()
	maker, fs, err := bind(p)
	if err != nil {
		return err
	}
	if err := parse(fs, c.Args); err != nil {
		return err
	}
	host := NewHost(t, p.Name)
	host.occupy = n + 1
	svc, err := maker.Make(t.Context(), host.Env)
	host.closeAll()
	if !errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("Make() = %v, want an error that wraps %v", err, syscall.EADDRINUSE) //nolint:errorlint // may be nil
	}
	if svc != nil {
		return fmt.Errorf("Make() = %T beside an error, want nil", svc)
	}
	return before.leaked()
}

// cancelEnds says whether a service without connections ends with nil, its listeners closed and no goroutine left.
func cancelEnds(t testing.TB, p plugins.Plugin, c Config) error {
	before := goroutines()
	srv, err := launch(t, p, c.Args)
	if err != nil {
		return err
	}
	srv.Drain()
	if err := srv.Wait(); err != nil {
		return fmt.Errorf("Serve() = %w, want nil after cancel", err)
	}
	if open := srv.open(); len(open) > 0 {
		return fmt.Errorf("listeners are open after Serve returned: %v", open)
	}
	return before.leaked()
}

// graceEnds says whether a service with an open connection closes its listeners on cancel, and ends with nil once the
// runner has closed the connection.
func graceEnds(t testing.TB, p plugins.Plugin, c Config) error {
	before := goroutines()
	srv, err := launch(t, p, c.Args)
	if err != nil {
		return err
	}
	conn := c.Dial(t, srv.Addrs())
	if conn != nil {
		defer conn.Close()
	}
	if err := srv.Stop(); err != nil {
		return fmt.Errorf("Serve() = %w, want nil after the grace period", err)
	}
	return before.leaked()
}

// reportAndReload calls the optional abilities from many goroutines while the service runs; the race detector judges.
func reportAndReload(t testing.TB, p plugins.Plugin, c Config) error {
	before := goroutines()
	srv, err := launch(t, p, c.Args)
	if err != nil {
		return err
	}
	errs := make(chan error, 4)
	var wg sync.WaitGroup
	for range cap(errs) {
		wg.Go(func() { errs <- useAbilities(t.Context(), srv.Service) })
	}
	if conn := c.Dial(t, srv.Addrs()); conn != nil {
		defer conn.Close()
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return errors.Join(err, srv.Stop())
		}
	}
	if err := srv.Stop(); err != nil {
		return err
	}
	return before.leaked()
}

func useAbilities(ctx context.Context, svc plugins.Service) error {
	for range 20 {
		if r, ok := svc.(plugins.Reporter); ok {
			for _, a := range r.Report() {
				if a.Key == "" {
					return fmt.Errorf("Report() has an attribute without a key: %v", a.Value)
				}
			}
		}
		if r, ok := svc.(plugins.Reloader); ok {
			if err := r.Reload(ctx); err != nil {
				return fmt.Errorf("Reload() = %w, want nil as nothing has changed", err)
			}
		}
	}
	return nil
}

// twoInstances says whether one plugin can serve twice in one process.
func twoInstances(t testing.TB, p plugins.Plugin, c Config) error {
	before := goroutines()
	first, err := launch(t, p, c.Args)
	if err != nil {
		return err
	}
	second, err := launch(t, p, c.Args)
	if err != nil {
		return errors.Join(fmt.Errorf("the second instance: %w", err), first.Stop())
	}
	if err := errors.Join(first.Stop(), second.Stop()); err != nil {
		return err
	}
	return before.leaked()
}

// dialFirst connects to the first stream listener; nil if there is none.
func dialFirst(t testing.TB, addrs []net.Addr) net.Conn {
	t.Helper()
	for _, a := range addrs {
		if a.Network() != "tcp" && a.Network() != "unix" {
			continue
		}
		conn, err := net.Dial(a.Network(), a.String())
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	return nil
}

// census remembers which goroutines there were.
type census struct{ known goleak.Option }

func goroutines() census { return census{goleak.IgnoreCurrent()} }

// leaked waits a moment for goroutines that are about to end, and returns an error that shows those that stay.
func (c census) leaked() error {
	return goleak.Find(c.known, goleak.IgnoreTopFunction("testing.(*T).Run"))
}
