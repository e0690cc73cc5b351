package web

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
	"unsafe"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/services/web/lane"
	"github.com/gtwistd/gtwistd/services/web/live"
	"github.com/gtwistd/gtwistd/services/web/static"
)

// site is one service: some listeners, and what is mounted where.
type site struct {
	env          *plugins.Env
	guards       guards
	mounts       []*mount
	router       router
	tls          *plugins.TLS // nil without
	hsts         string       // header line, "" for none
	h2c          bool
	access       *accessLog // nil means that nobody wants one
	live         *live.Live // nil means that browsers are not told of changes
	announcement plugins.Announcement

	closed sync.Once // the mounts

	main  server
	plain server // sends its clients to main; usually without listeners
}

var (
	_ plugins.Preparer  = (*site)(nil)
	_ plugins.Reloader  = (*site)(nil)
	_ plugins.Reporter  = (*site)(nil)
	_ plugins.Announcer = (*site)(nil)
)

// Prepare implements plugins.Preparer.
func (s *site) Prepare(ctx context.Context) error {
	for _, m := range s.mounts {
		if err := m.prepare(ctx); err != nil {
			s.close()
			return err
		}
	}
	return nil
}

// Serve implements plugins.Service.
func (s *site) Serve(ctx context.Context) error {
	defer s.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var work sync.WaitGroup
	results := make(chan error, len(s.mounts)+3)
	run := func(serve func(context.Context) error) {
		work.Go(func() {
			err := serve(ctx)
			if err != nil {
				cancel() // the others are to end, too
			}
			results <- err
		})
	}
	for _, m := range s.mounts {
		if background, ok := m.inner.(plugins.Service); ok {
			run(background.Serve)
		}
	}
	handler, answer := http.Handler(&s.router), s.answer
	if s.live != nil {
		run(s.live.Run)
		handler, answer = s.live.Wrap(handler), nil // the pages in memory have no script
	}
	run(func(ctx context.Context) error { return s.main.serve(ctx, s, s.challenged(handler), answer) })
	if len(s.plain.listeners) > 0 {
		run(func(ctx context.Context) error {
			return s.plain.serve(ctx, s, s.challenged(newToHTTPS(s.main.listeners)), nil)
		})
	}
	work.Wait()
	close(results)
	var errs []error
	for err := range results {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// watch lets browsers be told when something below a static mount changes.
func (s *site) watch(prefix string) (err error) {
	c := live.Config{Base: prefix, Private: s.env.Private, Log: s.env.Log}
	c.Guard = func(events http.Handler) http.Handler { return s.guardAt(prefix+"/", events) }
	for _, m := range s.mounts {
		files, ok := m.inner.(*static.Handler)
		if !ok {
			continue
		}
		c.Paths = append(c.Paths, files.Path())
		c.Hidden = c.Hidden || files.Hidden()
	}
	if len(c.Paths) == 0 {
		return plugins.Usagef("--live: there is no static mount whose files could change")
	}
	c.Moved = func(ctx context.Context) {
		if err := s.Reload(ctx); err != nil {
			s.env.Log.WarnContext(ctx, "a directory was exchanged for another, which cannot be served", "error", err)
		}
	}
	s.live, err = live.New(c)
	return err
}

// guardAt puts around a handler what is around the mount that a path belongs to.
func (s *site) guardAt(path string, h http.Handler) http.Handler {
	guarded := map[*mount]http.Handler{}
	for _, m := range s.mounts {
		guarded[m] = m.guard(h)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m := s.router.find(r.Host, path); m != nil {
			guarded[m].ServeHTTP(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// challenged puts the answers to an ACME authority before a handler.
func (s *site) challenged(next http.Handler) http.Handler {
	if s.tls == nil || s.tls.Challenge == nil {
		return next
	}
	return s.tls.Challenge(next)
}

// answer is the short way of requests for small files.
func (s *site) answer(ctx context.Context, r *lane.Request) (lane.Answer, bool) {
	if len(r.Query) > 0 && r.Path[len(r.Path)-1] == '/' {
		return lane.Answer{}, false
	}
	if s.hsts != "" && s.guards.proxies.trusts(r.Client) {
		return lane.Answer{}, false // what the proxy's client speaks decides about a header
	}
	m := s.router.find(text(r.Host), text(r.Path))
	if m == nil || m.files == nil {
		return lane.Answer{}, false
	}
	a, ok := m.files.Hot(ctx, &static.HotRequest{
		Path: r.Path, AcceptEncoding: r.AcceptEncoding, IfNoneMatch: r.IfNoneMatch, IfModifiedSince: r.IfModifiedSince,
	})
	return lane.Answer{Status: a.Status, Head: a.Head, Body: a.Body}, ok
}

// record tells the access log of a request that took the short way.
func (s *site) record(r *lane.Request, status int, sent int64, end time.Time, took time.Duration) {
	client, address := r.Client, r.Address
	if r.ForwardedFor != nil {
		client, address = s.guards.proxies.client(client, []string{text(r.ForwardedFor)}), ""
	}
	s.access.write(&record{
		client: client, address: address, method: text(r.Method), uri: text(r.Target), proto: text(r.Proto), line: text(r.Line), host: text(r.Host),
		referer: text(r.Referer), agent: text(r.UserAgent), status: status, sent: sent, end: end, took: took,
	})
}

// text lends bytes as a string to who does not keep it.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// server is some listeners with the same answers.
type server struct{ listeners []net.Listener }

// serve works until ctx is done, then lets open connections finish.
func (v *server) serve(ctx context.Context, s *site, handler http.Handler, answer func(context.Context, *lane.Request) (lane.Answer, bool)) error {
	l := lane.New(s.laneConfig(context.WithoutCancel(ctx), answer))
	srv := s.httpServer(l, handler)
	var accepting sync.WaitGroup
	broken := make(chan error, len(v.listeners)+1)
	for _, ln := range v.listeners {
		accepting.Go(func() { broken <- fmt.Errorf("serve %s: %w", ln.Addr(), l.Serve(ln)) })
	}
	accepting.Go(func() { broken <- srv.Serve(l.Listener(v.listeners[0].Addr())) })
	var err error
	select {
	case <-ctx.Done():
	case err = <-broken:
	}
	v.close()
	if err == nil {
		srv.SetKeepAlivesEnabled(false)
		l.Stop()
		err = srv.Shutdown(context.WithoutCancel(ctx)) // without a deadline: the runner closes connections after the grace period
		s.closeMounts()                                // what has become of a request that was no more one, such as a WebSocket
	} else {
		_ = srv.Close() // err says more
		l.Stop()
	}
	accepting.Wait()
	l.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil // a listener that was closed already
	}
	return err
}

// close closes the listeners, once more does no harm.
func (v *server) close() {
	for _, l := range v.listeners {
		_ = l.Close()
	}
}

func (s *site) laneConfig(ctx context.Context, answer func(context.Context, *lane.Request) (lane.Answer, bool)) lane.Config {
	c := lane.Config{
		Answer:        func(r *lane.Request) (lane.Answer, bool) { return lane.Answer{}, false },
		HeaderTimeout: time.Duration(s.guards.headerTimeout),
		IdleTimeout:   time.Duration(s.guards.idleTimeout),
		MaxHeader:     int(s.guards.maxHeader),
		MinRate:       int64(s.guards.minRate),
		Stall:         time.Duration(s.guards.stall),
		MaxConns:      s.guards.maxConns,
		MaxPerIP:      s.guards.maxPerIP,
		Log:           s.env.Log,
	}
	if answer != nil {
		c.Answer = func(r *lane.Request) (lane.Answer, bool) { return answer(ctx, r) }
	}
	if s.hsts != "" {
		c.TLSHeader = "Strict-Transport-Security: " + s.hsts + "\r\n"
	}
	if s.access != nil {
		c.Record, c.Timed = s.record, s.access.format == formatJSON
	}
	return c
}

// httpServer is for what the lane leaves. It has no ReadTimeout: net/http cancels the context of a request when it passes,
// also while a long download runs. The guards bound bodies themselves.
func (s *site) httpServer(l *lane.Lane, handler http.Handler) *http.Server {
	srv := &http.Server{
		Handler:           &front{next: handler, access: s.access, log: s.env.Log, guards: &s.guards, hsts: s.hsts},
		ReadHeaderTimeout: time.Duration(s.guards.headerTimeout),
		IdleTimeout:       time.Duration(s.guards.idleTimeout),
		MaxHeaderBytes:    int(s.guards.maxHeader),
		ErrorLog:          log.New(serverLog{s.env.Log}, "", 0),
		ConnState:         l.ConnState,
		ConnContext:       l.ConnContext,
		HTTP2:             &http.HTTP2Config{WriteByteTimeout: time.Duration(s.guards.stall)},
		Protocols:         new(http.Protocols),
		// "OPTIONS *" goes to the handler, and so into the access log, like everything else.
		DisableGeneralOptionsHandler: true,
	}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetHTTP2(true)
	srv.Protocols.SetUnencryptedHTTP2(s.h2c)
	return srv
}

// Reload implements plugins.Reloader: paths are opened anew, so a link is followed to where it leads now, and password files
// are read.
func (s *site) Reload(ctx context.Context) error {
	var errs []error
	for _, m := range s.mounts {
		if err := m.reload(ctx, s.env.Log); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", m.spec.name(), err))
		}
	}
	return errors.Join(errs...)
}

// Report implements plugins.Reporter.
func (s *site) Report() []slog.Attr {
	var attrs []slog.Attr
	for _, m := range s.mounts {
		switch root := m.root(); {
		case root != "" && m.spec.given == "":
			attrs = append(attrs, slog.String("root", root))
		case root != "":
			attrs = append(attrs, slog.String("mount", m.place()+" "+root))
		default:
			attrs = append(attrs, slog.String("mount", m.place()+" "+m.spec.kind+":"+m.spec.arg))
		}
		if r, ok := m.inner.(plugins.Reporter); ok {
			attrs = append(attrs, r.Report()...)
		}
	}
	if s.live != nil {
		attrs = append(attrs, s.live.Report())
	}
	if s.tls != nil && s.tls.Report != nil {
		attrs = append(attrs, s.tls.Report()...)
	}
	return attrs
}

// Announcement implements plugins.Announcer.
func (s *site) Announcement() plugins.Announcement { return s.announcement }

// closeMounts closes the mounts once.
func (s *site) closeMounts() {
	s.closed.Do(func() {
		for _, m := range s.mounts {
			if err := m.close(); err != nil {
				s.env.Log.Warn("closing a mount", "mount", m.place(), "error", err)
			}
		}
	})
}

// close releases what is open. Closing the listeners of a server that has closed them does no harm.
func (s *site) close() {
	s.main.close()
	s.plain.close()
	s.closeMounts()
	if s.access == nil {
		return
	}
	if err := s.access.Close(); err != nil {
		s.env.Log.Warn("closing the access log", "error", err)
	}
}
