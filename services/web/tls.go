package web

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
)

// tlsOptions say whether and how connections are encrypted.
type tlsOptions struct {
	plugins.TLSFlags
	enable       bool
	http         []string
	redirectHTTP bool
	hsts         plugins.Duration
	h2c          bool
}

func (t *tlsOptions) flags(fs *pflag.FlagSet, secure bool) {
	if !secure {
		fs.BoolVar(&t.enable, "tls", false, "serve https, as ssl-web does; --certificate, --client-ca and --acme imply it")
	}
	t.Flags(fs, "Port 443, or --http 80, must be open to the internet")
	fs.StringArrayVar(&t.http, "http", nil, "serve plain http too, on an `ENDPOINT` such as 80, and answer the authority of --acme there; repeatable")
	fs.BoolVar(&t.redirectHTTP, "redirect-http", false, "on --http, send everybody to https instead")
	fs.Var(&t.hsts, "hsts", "tell browsers to use nothing but https for this long, such as 365d")
	where := "plain http"
	if secure {
		where = "--http"
	}
	fs.BoolVar(&t.h2c, "h2c", false, "speak HTTP/2 on "+where+" too, with clients that begin with it (h2c)")
}

// on says whether --port and --listen speak TLS.
func (t *tlsOptions) on(secure bool) bool {
	return secure || t.enable || t.Named()
}

// check finds mistakes. proxied says that a trusted proxy may speak TLS for us.
func (t *tlsOptions) check(secure, proxied bool) error {
	on := t.on(secure)
	switch {
	case len(t.http) > 0 && !on:
		return &plugins.UsageError{Reason: "--http: there is no TLS here that it could be without", Suggestion: "use --listen, or the service ssl-web"}
	case t.redirectHTTP && len(t.http) == 0:
		return &plugins.UsageError{Reason: "--redirect-http: nobody can come without TLS", Suggestion: "add --http 80"}
	case t.ClientCA != "" && len(t.http) > 0 && !t.redirectHTTP:
		return &plugins.UsageError{Reason: "--client-ca: who comes to --http needs no certificate", Suggestion: "add --redirect-http"}
	case t.hsts > 0 && !on && !proxied:
		return &plugins.UsageError{Reason: "--hsts: there is no TLS here", Suggestion: "use the service ssl-web, or --trusted-proxy for one that speaks it"}
	}
	return t.Check()
}

// make returns nil if there is no TLS.
func (t *tlsOptions) make(ctx context.Context, env *plugins.Env, secure bool) (*plugins.TLS, error) {
	if !t.on(secure) {
		return nil, nil
	}
	return env.TLS(ctx, t.Options("h2", "http/1.1"))
}

// strictTransport is the value of Strict-Transport-Security, "" for none.
func (t *tlsOptions) strictTransport() string {
	if t.hsts <= 0 {
		return ""
	}
	return fmt.Sprintf("max-age=%.0f", math.Ceil(time.Duration(t.hsts).Seconds()))
}

// toHTTPS sends clients to the same place under TLS, on a port of its own.
type toHTTPS struct{ port string }

// newToHTTPS takes the port from the first listener that has one.
func newToHTTPS(listeners []net.Listener) toHTTPS {
	for _, l := range listeners {
		if _, port, err := net.SplitHostPort(l.Addr().String()); err == nil {
			return toHTTPS{port}
		}
	}
	return toHTTPS{"443"}
}

// ServeHTTP implements http.Handler.
func (t toHTTPS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := (&url.URL{Host: r.Host}).Hostname()
	if host == "" || r.URL.Opaque != "" {
		http.Error(w, "no host to send you to", http.StatusBadRequest)
		return
	}
	target := url.URL{Scheme: "https", Host: host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	switch {
	case t.port != "443":
		target.Host = net.JoinHostPort(host, t.port)
	case strings.Contains(host, ":"):
		target.Host = "[" + host + "]"
	}
	w.Header().Set("Location", target.String())
	status := http.StatusMovedPermanently
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		status = http.StatusPermanentRedirect // RFC 9110 section 15.4.9: the method stays
	}
	refuse(w, r, status)
}
