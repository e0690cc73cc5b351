package web

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
)

// tlsOptions say whether and how connections are encrypted.
type tlsOptions struct {
	enable        bool
	certificates  []string
	keys          []string
	clientCA      string
	acme          []string
	acmeEmail     string
	acmeDirectory string

	http         []string
	redirectHTTP bool
	hsts         plugins.Duration
	h2c          bool
}

func (t *tlsOptions) flags(fs *pflag.FlagSet, secure bool) {
	if !secure {
		fs.BoolVar(&t.enable, "tls", false, "serve https, as ssl-web does; --certificate, --client-ca and --acme imply it")
	}
	fs.StringArrayVarP(&t.certificates, "certificate", "c", nil,
		"PEM `FILE` with the certificate and its chain; read again when it changes; repeatable, clients get the one for the name they ask for "+
			"(default a self-made one, kept in --state-dir)")
	fs.StringArrayVarP(&t.keys, "privkey", "k", nil, "PEM `FILE` with the private key; one for each --certificate, in the same order (default the certificate's file)")
	fs.StringVar(&t.clientCA, "client-ca", "", "admit only clients with a certificate from an authority in this PEM `FILE`")
	fs.StringArrayVar(&t.acme, "acme", nil, "get a certificate for `DOMAIN` from Let's Encrypt and renew it; repeatable. Port 443, or --http 80, must be open to the internet")
	fs.StringVar(&t.acmeEmail, "acme-email", "", "`ADDRESS` at which the authority may reach you")
	fs.StringVar(&t.acmeDirectory, "acme-directory", "", "`URL` of an authority other than Let's Encrypt (RFC 8555)")
	fs.StringArrayVar(&t.http, "http", nil, "serve plain http too, on an `ENDPOINT` such as 80, and answer the authority of --acme there; repeatable")
	fs.BoolVar(&t.redirectHTTP, "redirect-http", false, "on --http, send everybody to https instead")
	fs.Var(&t.hsts, "hsts", "tell browsers to use nothing but https for this long, such as 8760h, a year")
	where := "plain http"
	if secure {
		where = "--http"
	}
	fs.BoolVar(&t.h2c, "h2c", false, "speak HTTP/2 on "+where+" too, with clients that begin with it (h2c)")
}

// on says whether --port and --listen speak TLS.
func (t *tlsOptions) on(secure bool) bool {
	return secure || t.enable || len(t.certificates) > 0 || len(t.keys) > 0 || len(t.acme) > 0 || t.clientCA != ""
}

func (t *tlsOptions) redirects() bool { return t.redirectHTTP }

// check finds mistakes. proxied says that a trusted proxy may speak TLS for us.
func (t *tlsOptions) check(secure, proxied bool) error {
	on := t.on(secure)
	switch {
	case len(t.http) > 0 && !on:
		return &plugins.UsageError{Reason: "--http: there is no TLS here that it could be without", Suggestion: "use --listen, or the service ssl-web"}
	case t.redirectHTTP && len(t.http) == 0:
		return &plugins.UsageError{Reason: "--redirect-http: nobody can come without TLS", Suggestion: "add --http 80"}
	case t.hsts > 0 && !on && !proxied:
		return &plugins.UsageError{Reason: "--hsts: there is no TLS here", Suggestion: "use the service ssl-web, or --trusted-proxy for one that speaks it"}
	case len(t.keys) > len(t.certificates):
		return &plugins.UsageError{Reason: fmt.Sprintf("--privkey %q: there is no --certificate for it", t.keys[len(t.certificates)]), Suggestion: "give one --certificate for each --privkey"}
	case len(t.keys) > 0 && len(t.keys) < len(t.certificates):
		return &plugins.UsageError{Reason: fmt.Sprintf("--certificate %q: there is no --privkey for it", t.certificates[len(t.keys)]), Suggestion: "give one --privkey for each --certificate, or none if the files hold both"}
	}
	return nil
}

// make returns nil if there is no TLS.
func (t *tlsOptions) make(ctx context.Context, env *plugins.Env, secure bool) (*plugins.TLS, error) {
	if !t.on(secure) {
		return nil, nil
	}
	o := plugins.TLSOptions{
		ClientCA: t.clientCA, ACME: t.acme, ACMEEmail: t.acmeEmail, ACMEDirectory: t.acmeDirectory,
		NextProtos: []string{"h2", "http/1.1"},
	}
	for i, cert := range t.certificates {
		pair := plugins.KeyPair{Cert: cert}
		if len(t.keys) > 0 {
			pair.Key = t.keys[i]
		}
		o.Certificates = append(o.Certificates, pair)
	}
	return env.TLS(ctx, o)
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
	case len(host) > 0 && host[0] != '[' && net.ParseIP(host).To4() == nil && net.ParseIP(host) != nil:
		target.Host = "[" + host + "]"
	}
	w.Header().Set("Location", target.String())
	status := http.StatusMovedPermanently
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		status = http.StatusPermanentRedirect // RFC 9110 section 15.4.9: the method stays
	}
	refuse(w, r, status)
}
