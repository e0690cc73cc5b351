package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/internal/regular"
	"github.com/gtwistd/gtwistd/plugins"
)

const (
	hostAuto     = "auto"
	hostKeep     = "keep"
	hostUpstream = "upstream"

	// maxHeaderBytes is for an upstream's header; with more the answer is 502.
	maxHeaderBytes = 64 << 10

	// maxCA bounds a file of authorities, in bytes; those of a whole system are a quarter of a MiB.
	maxCA = 4 << 20

	// maxIdle is how many idle connections are kept for each upstream.
	maxIdle = 512

	// pingAfter is how long a connection of HTTP/2 may be silent before it is asked whether it lives: all requests share it.
	pingAfter = 15 * time.Second

	// continueTimeout is how long a request that said "Expect: 100-continue" waits for the upstream before its body is sent.
	continueTimeout = time.Second
)

// Options is what may follow a proxy's argument. Flags sets the defaults.
type Options struct {
	upstreams      []string
	host           string
	upgrades       []string
	maxFails       int
	failTimeout    time.Duration
	connectTimeout time.Duration
	answerTimeout  time.Duration
	readTimeout    time.Duration
	keepAlive      time.Duration
	http2          bool
	tlsInsecure    bool
	tlsCA          absolutePath
}

// Flags binds the options to o and gives them their defaults.
func (o *Options) Flags(fs *pflag.FlagSet) {
	o.failTimeout, o.connectTimeout, o.keepAlive = 10*time.Second, 5*time.Second, 4*time.Second
	o.answerTimeout, o.readTimeout = time.Minute, 5*time.Minute
	fs.StringArrayVar(&o.upstreams, "upstream", nil, "one more server, as a `URL` like the first; repeatable. A request goes to the one with the fewest under way")
	fs.StringVar(&o.host, "host", hostAuto,
		"Host header for the upstream, `keep|upstream|auto`: the client's, the upstream's own address, or the latter for https:// alone")
	fs.StringArrayVar(&o.upgrades, "upgrade", []string{"websocket"}, "let clients upgrade to `PROTOCOL`; repeatable, an empty one for none")
	fs.IntVar(&o.maxFails, "max-fails", 3, "let an upstream rest after `N` failures in a row within fail-timeout; 0 for never")
	fs.Var((*plugins.Duration)(&o.failTimeout), "fail-timeout", "how long an upstream rests, before one request tries it")
	fs.Var((*plugins.Duration)(&o.connectTimeout), "connect-timeout",
		"how long a connection may take to be made, TLS included, before the next upstream is asked; without any, 504")
	fs.Var((*plugins.Duration)(&o.answerTimeout), "answer-timeout",
		"how long an upstream may take nothing of a request, or not begin to answer, before 504; 0 for no limit")
	fs.Var((*plugins.Duration)(&o.readTimeout), "read-timeout",
		"how long an answer may pause before it is broken off; 0 for no limit. Tunnels, such as WebSockets, may pause for longer")
	fs.Var((*plugins.Duration)(&o.keepAlive), "keep-alive",
		"how long idle connections to upstreams are kept; less than the upstreams keep them, or requests may be lost. 0 for not at all")
	fs.BoolVar(&o.http2, "http2", false, "speak HTTP/2 to upstreams, as gRPC needs it: always with http://, where they offer it with https://")
	fs.BoolVar(&o.tlsInsecure, "tls-insecure", false, "accept any certificate of https:// upstreams")
	fs.Var(&o.tlsCA, "tls-ca", "trust certificates of https:// upstreams from the authorities in this PEM file, instead of the system's")
}

func (o *Options) check() error {
	switch {
	case o.failTimeout == 0:
		return &plugins.UsageError{Reason: `fail-timeout "0": an upstream must rest for some time`, Suggestion: "max-fails=0 means that no upstream ever rests"}
	case o.connectTimeout == 0:
		return &plugins.UsageError{Reason: `connect-timeout "0": no connection is made in no time`, Suggestion: "give a time, such as 5s"}
	}
	if o.maxFails < 0 {
		return &plugins.UsageError{Reason: fmt.Sprintf(`max-fails "%d": less than 0`, o.maxFails), Suggestion: "0 means that no upstream ever rests"}
	}
	if o.host != hostKeep && o.host != hostUpstream && o.host != hostAuto {
		return &plugins.UsageError{Reason: fmt.Sprintf("host %q: neither keep nor upstream nor auto", o.host),
			Suggestion: "host=keep hands on the client's Host header, host=upstream sends the upstream's own"}
	}
	return o.checkUpgrades()
}

func (o *Options) checkUpgrades() error {
	if len(o.upgrades) == 1 && o.upgrades[0] == "" {
		o.upgrades = nil
	}
	for i, protocol := range o.upgrades {
		o.upgrades[i] = strings.ToLower(protocol)
		if strings.EqualFold(protocol, "h2c") {
			return plugins.Usagef("upgrade %q: requests inside it would pass all checks by", protocol)
		}
		if !isToken(protocol) {
			return &plugins.UsageError{Reason: fmt.Sprintf("upgrade %q: not the name of a protocol", protocol), Suggestion: "such as upgrade=websocket"}
		}
	}
	return nil
}

// targets are the upstreams, the argument's first.
func (o *Options) targets(arg string) ([]target, error) {
	var list []target
	for i, s := range append([]string{arg}, o.upstreams...) {
		t, err := parseTarget(s)
		if err != nil {
			what := "upstream"
			if i == 0 {
				what = "proxy"
			}
			return nil, &plugins.UsageError{Reason: fmt.Sprintf("%s %q: %v", what, s, err), Suggestion: targetForms}
		}
		for _, other := range list {
			if other.name == t.name {
				return nil, plugins.Usagef("upstream %q: given twice", s)
			}
		}
		list = append(list, t)
	}
	if len(list) > maxUpstreams {
		return nil, plugins.Usagef("%d upstreams: more than %d", len(list), maxUpstreams)
	}
	return list, nil
}

// checkTLS refuses what would be said in vain.
func (o *Options) checkTLS(list []target) error {
	secure := slices.ContainsFunc(list, func(t target) bool { return t.url.Scheme == "https" })
	switch {
	case o.tlsCA != "" && o.tlsInsecure:
		return &plugins.UsageError{Reason: "tls-ca and tls-insecure: any certificate is taken with the latter", Suggestion: "give one of them"}
	case !secure && (o.tlsCA != "" || o.tlsInsecure):
		return &plugins.UsageError{Reason: "tls-ca and tls-insecure: no upstream here speaks TLS", Suggestion: "such as proxy:https://host:port"}
	}
	return nil
}

func (o *Options) tlsConfig() (*tls.Config, error) {
	c := &tls.Config{InsecureSkipVerify: o.tlsInsecure}
	if o.tlsCA == "" {
		return c, nil
	}
	pem, err := regular.Read(string(o.tlsCA), maxCA, "certificate file")
	if err != nil {
		return nil, fmt.Errorf("tls-ca: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, &plugins.UsageError{Reason: fmt.Sprintf("tls-ca %q: no certificate in it", o.tlsCA), Suggestion: "a PEM file with lines BEGIN CERTIFICATE"}
	}
	return c, nil
}

// transport returns what connects to t. Connections under way are given up when life ends.
func (o *Options) transport(life context.Context, t target, tlsConfig *tls.Config, buffers *sync.Pool) *http.Transport {
	dialer := &net.Dialer{Timeout: o.connectTimeout}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if life.Err() != nil {
			return nil, net.ErrClosed
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(life, cancel)()
		if t.socket != "" {
			network, address = "unix", t.socket
		}
		return dialer.DialContext(ctx, network, address)
	}
	tr := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &link{Conn: conn, buffers: buffers}, nil
		},
		TLSClientConfig:        tlsConfig.Clone(),
		TLSHandshakeTimeout:    o.connectTimeout,
		ExpectContinueTimeout:  continueTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        o.keepAlive,
		DisableKeepAlives:      o.keepAlive == 0,
		DisableCompression:     true, // whether an answer is compressed is between client and upstream
		Protocols:              &http.Protocols{},
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: o.connectTimeout},
	}
	if !o.http2 { // else it is the transport's to find out what is spoken
		tr.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			config := tlsConfig.Clone()
			if config.ServerName == "" {
				config.ServerName, _, _ = net.SplitHostPort(address)
			}
			if o.connectTimeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, o.connectTimeout)
				defer cancel()
			}
			secure := tls.Client(conn, config)
			if err := secure.HandshakeContext(ctx); err != nil {
				_ = conn.Close() // of which nobody has heard anything yet
				return nil, err
			}
			return &link{Conn: secure, buffers: buffers}, nil
		}
	}
	clear := t.url.Scheme == "http"
	tr.Protocols.SetHTTP1(!o.http2 || !clear)
	tr.Protocols.SetHTTP2(o.http2 && !clear)
	tr.Protocols.SetUnencryptedHTTP2(o.http2 && clear)
	return tr
}

// absolutePath is a flag value: a path, relative to the directory that was current when the flag was set.
type absolutePath string

// Set implements pflag.Value.
func (p *absolutePath) Set(s string) error {
	if s == "" {
		return fmt.Errorf("empty")
	}
	abs, err := filepath.Abs(s)
	*p = absolutePath(abs)
	return err
}

// String implements pflag.Value.
func (p *absolutePath) String() string { return string(*p) }

// Type implements pflag.Value.
func (p *absolutePath) Type() string { return "FILE" }
