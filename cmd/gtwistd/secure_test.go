//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
)

// secure is a service that greets over TLS, with all that a person can say about certificates.
type secure struct {
	listen, cert, key string
	tls               plugins.TLSOptions
	listener          net.Listener
	report            func() []slog.Attr
}

func securePlugin() plugins.Plugin {
	return plugins.Plugin{Name: "secure", Summary: "greet over TLS", Scheme: "http", New: func() plugins.Maker { return &secure{} }}
}

func (s *secure) Flags(fs *pflag.FlagSet) {
	fs.StringVar(&s.listen, "listen", "tcp:127.0.0.1:0", "where to listen")
	fs.StringVar(&s.cert, "certificate", "", "certificate")
	fs.StringVar(&s.key, "privkey", "", "its key")
	fs.StringArrayVar(&s.tls.ACME, "acme", nil, "domain")
}

func (s *secure) Make(ctx context.Context, env *plugins.Env) (plugins.Service, error) {
	if s.cert != "" || s.key != "" {
		s.tls.Certificates = []plugins.KeyPair{{Cert: s.cert, Key: s.key}}
	}
	t, err := env.TLS(ctx, s.tls)
	if err != nil {
		return nil, err
	}
	s.report = t.Report
	s.listener, err = env.ListenTLS(ctx, s.listen, t.Config)
	return s, err
}

func (s *secure) Serve(ctx context.Context) error {
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") })}
	defer context.AfterFunc(ctx, func() { _ = srv.Close() })()
	if err := srv.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (s *secure) Report() []slog.Attr { return s.report() }
