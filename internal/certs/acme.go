package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"github.com/gtwistd/gtwistd/internal/secrets"
)

// authority is an account with an ACME authority. All that is asked of it goes through one acmeManager, so that the
// challenges for one service may be answered by another.
type authority struct{ directory, email string }

// acmeManager gets certificates from one authority, and renews them.
type acmeManager struct {
	autocert.Manager
	log       *slog.Logger
	cache     *cache
	transport *http.Transport

	mu      sync.Mutex
	domains map[string]bool   // what is asked for
	failing map[string]string // the last error by domain
}

// authority returns the manager of a configuration's authority, which from now on is asked for its domains too.
func (m *Manager) authority(c Config) (*acmeManager, error) {
	id := authority{c.Directory, c.Email}
	if id.directory == "" {
		id.directory = autocert.DefaultACMEDirectory
	}
	if root := m.opts.Chroot; root != "" && !secrets.Within(root, m.state.file("")) {
		return nil, &Error{
			Usage: true,
			text:  fmt.Sprintf("--acme: certificates cannot be kept in %q, which is outside of --chroot %q", m.opts.StateDir, root),
			hint:  "name a directory inside with --state-dir",
		}
	}
	store := &cache{state: &m.state, log: m.log, dir: path.Join("acme", directoryName(id.directory))}
	if err := store.make(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.acme[id]
	if a == nil {
		a = &acmeManager{log: m.log, cache: store, domains: map[string]bool{}, failing: map[string]string{}}
		a.transport = http.DefaultTransport.(*http.Transport).Clone()
		a.Manager = autocert.Manager{
			Prompt: autocert.AcceptTOS, Cache: store, HostPolicy: a.allow, Email: id.email,
			Client: &acme.Client{DirectoryURL: id.directory, UserAgent: "gtwistd", HTTPClient: &http.Client{Transport: a.transport, Timeout: time.Minute}},
		}
		m.acme[id] = a
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, domain := range c.ACME {
		a.domains[canonical(domain)] = true
	}
	return a, nil
}

// directoryName keeps what different authorities issued apart.
func directoryName(directory string) string {
	u, err := url.Parse(directory)
	if err != nil {
		return "other"
	}
	return strings.Trim(strings.Map(func(r rune) rune {
		if r == '.' || r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '-'
	}, u.Host+u.Path), ".-")
}

func canonical(domain string) string { return strings.ToLower(strings.TrimSuffix(domain, ".")) }

// allow is the autocert.HostPolicy. The Host of a challenge over HTTP may have a port.
func (a *acmeManager) allow(_ context.Context, host string) error {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.domains[canonical(host)] {
		return fmt.Errorf("no certificate is asked for %q", host)
	}
	return nil
}

// isChallenge goes by RFC 8737, section 3.
func isChallenge(hello *tls.ClientHelloInfo) bool {
	return slices.Equal(hello.SupportedProtos, []string{acme.ALPNProto})
}

// certificate is that of the server that the client names, or of the first domain. The first client waits until it is issued.
func (a *acmeManager) certificate(hello *tls.ClientHelloInfo, domains []string) (*tls.Certificate, error) {
	named := *hello
	if !slices.ContainsFunc(domains, func(d string) bool { return canonical(d) == canonical(hello.ServerName) }) {
		named.ServerName = domains[0]
	}
	cert, err := a.GetCertificate(&named)
	a.note(canonical(named.ServerName), err)
	return cert, err
}

// stillMissing is what autocert says instead of the reason in the minute after it failed.
const stillMissing = "acme/autocert: missing certificate"

// note logs an error that is another one than the last of the domain.
func (a *acmeManager) note(domain string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		delete(a.failing, domain)
		return
	}
	text, last := err.Error(), a.failing[domain]
	if text != last && (text != stillMissing || last == "") {
		a.failing[domain] = text
		a.log.Error("no certificate from the authority", "domain", domain, "error", err)
	}
}

func (a *acmeManager) report(domains []string) []slog.Attr {
	a.mu.Lock()
	failing := maps.Clone(a.failing)
	a.mu.Unlock()
	var attrs []slog.Attr
	for _, domain := range domains {
		text := "ACME, " + domain + ", asked for when the first client comes"
		if why := failing[canonical(domain)]; why != "" {
			text = "ACME, " + domain + ", not issued: " + why
		}
		if cert := a.cache.leaf(canonical(domain)); cert != nil {
			text = "ACME, " + domain + ", valid until " + day(cert.NotAfter)
		}
		attrs = append(attrs, slog.String("certificate", text))
	}
	return attrs
}

// cache is an autocert.Cache in the state directory.
type cache struct {
	state *stateDir
	log   *slog.Logger
	dir   string // below the state directory
}

func (c *cache) make() error {
	for _, dir := range []string{path.Dir(c.dir), c.dir} {
		if err := c.state.make(dir); err != nil {
			return err
		}
	}
	return nil
}

// probe is an error if nothing can be kept.
func (c *cache) probe() error {
	name, err := c.state.temporary(c.path("probe"), nil)
	if err == nil {
		return os.Remove(name)
	}
	return &Error{
		text: fmt.Sprintf("state directory: what ACME brings cannot be kept: %v", err), err: err,
		hint: "the user that --uid names must own it: chown -R, or name another with --state-dir",
	}
}

func (c *cache) path(key string) string {
	return c.state.manager.reach(c.state.file(path.Join(c.dir, key)))
}

// Get implements autocert.Cache. Anybody can make up the keys of challenges, and reads the error.
func (c *cache) Get(_ context.Context, key string) ([]byte, error) {
	if strings.ContainsAny(key, `/\:`) {
		return nil, autocert.ErrCacheMiss
	}
	data, err := readFile(c.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, autocert.ErrCacheMiss
	}
	if err != nil {
		return nil, fileError("kept certificate", key, err)
	}
	return data, nil
}

// Put implements autocert.Cache. Its caller ignores errors.
func (c *cache) Put(_ context.Context, key string, data []byte) error {
	err := c.state.write(path.Join(c.dir, key), data, true)
	switch domain, kind, _ := strings.Cut(key, "+"); {
	case err != nil:
		c.log.Error("what ACME brought is lost at the end", "error", err)
	case kind == "" || kind == "rsa":
		c.log.Info("certificate issued", "domain", domain)
	}
	return err
}

// Delete implements autocert.Cache.
func (c *cache) Delete(_ context.Context, key string) error {
	if err := os.Remove(c.path(key)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// leaf is the certificate that was last issued for a domain, nil if there is none.
func (c *cache) leaf(domain string) *x509.Certificate {
	data, err := readFile(c.path(domain))
	if err != nil {
		return nil
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil
			}
			return cert
		}
	}
	return nil
}
