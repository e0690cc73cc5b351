package web

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/services/web/static"
)

// There is no ReadTimeout: net/http cancels the context of a request when it passes, also while a long download runs. A
// handler that reads bodies, or leaves them unread, bounds that itself.
const (
	headerTimeout  = 20 * time.Second // for a request's headers, and for a TLS handshake
	idleTimeout    = 75 * time.Second // between two requests of a connection
	maxHeaderBytes = 64 << 10         // with more the answer is 431
)

// site is one service: some listeners, one tree of files.
type site struct {
	env       *plugins.Env
	path      string // as on the command line
	files     *static.Handler
	access    *accessLog // nil means that nobody wants one
	listeners []net.Listener
}

var (
	_ plugins.Reloader = (*site)(nil)
	_ plugins.Reporter = (*site)(nil)
)

// Serve implements plugins.Service.
func (s *site) Serve(ctx context.Context) error {
	defer s.close()
	conns := newConnections()
	srv := &http.Server{
		Handler:           &front{next: s.files, access: s.access, log: s.env.Log},
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          log.New(serverLog{s.env.Log}, "", 0),
		ConnState:         conns.changed,
		// "OPTIONS *" goes to the handler, and so into the access log, like everything else.
		DisableGeneralOptionsHandler: true,
	}
	var accepting sync.WaitGroup
	broken := make(chan error, len(s.listeners))
	for _, l := range s.listeners {
		accepting.Go(func() { broken <- fmt.Errorf("serve %s: %w", l.Addr(), srv.Serve(l)) })
	}
	var err error
	select {
	case <-ctx.Done():
		conns.hurry()
		err = srv.Shutdown(context.WithoutCancel(ctx)) // without a deadline: the runner closes connections after the grace period
	case err = <-broken:
		_ = srv.Close() // err says more
	}
	accepting.Wait()
	conns.wait()
	if errors.Is(err, net.ErrClosed) {
		return nil // a listener that was closed already
	}
	return err
}

// Reload implements plugins.Reloader: the path is opened anew, so a link is followed to where it leads now.
func (s *site) Reload(ctx context.Context) error {
	before := s.files.Root()
	if err := s.files.Reload(ctx); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			// The service does not know whether there was a --chroot.
			return fmt.Errorf("--path %q: %w (after --chroot it must exist inside, too)", s.path, err)
		}
		return fmt.Errorf("--path %q: %w", s.path, err)
	}
	if now := s.files.Root(); now != before {
		s.env.Log.InfoContext(ctx, "serving another directory", "root", now, "before", before)
	}
	return nil
}

// Report implements plugins.Reporter.
func (s *site) Report() []slog.Attr { return []slog.Attr{slog.String("root", s.files.Root())} }

// close releases what is open. Closing the listeners of a server that has closed them does no harm.
func (s *site) close() {
	for _, l := range s.listeners {
		_ = l.Close()
	}
	if s.files != nil {
		_ = s.files.Close() // a directory that was only read from
	}
	if s.access == nil {
		return
	}
	if err := s.access.w.Close(); err != nil {
		s.env.Log.Warn("closing the access log", "error", err)
	}
}
