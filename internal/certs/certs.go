// Package certs is the certificate manager of the process: it turns files, a state directory or an ACME authority into
// configurations for TLS servers, and keeps these up to date.
//
//	m := certs.New(certs.Options{StateDir: "/var/lib/gtwistd", Log: log})
//	t, err := m.TLS(certs.Config{Pairs: []certs.Pair{{Cert: "cert.pem", Key: "key.pem"}}, NextProtos: []string{"h2", "http/1.1"}})
//	listener = tls.NewListener(listener, t.Config)
//
// # Changes
//
// Files are looked at while clients connect, at most every two seconds, and read anew if they are others than before. A pair
// that does not fit together, as while one of two files is written, leaves the old one in place; if that lasts it is logged,
// once. Manager.Reload reads all files at once.
//
// # Protocols
//
// TLS 1.2 and 1.3 as package crypto/tls has them by default. Clients that offer one of Config.NextProtos (ALPN, RFC 7301) get
// it; to others no protocol is named, instead of refusing them as section 3.2 has it: an FTP client may say "ftp" to a server
// that has no name for its protocol.
//
// # The state directory
//
// It holds self-made.pem, a key and a certificate for servers that were given none, and below acme/ what an authority
// issued. It is made when it is needed, with mode 0700, files with 0600. Several processes may share it.
package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gtwistd/gtwistd/internal/secrets"
)

// Options are what a Manager needs of the process. The zero value resolves paths in the current directory, has no state
// directory and does not log.
type Options struct {
	// Dir is the directory that relative paths start from; "" is the current one.
	Dir string
	// StateDir is where self-made certificates and those of ACME are kept. With "", asking for one is an error.
	StateDir string
	// Owner gets what is made in the state directory. Nil, or a process that is not root's: whoever the process runs as.
	Owner *Owner
	// Chroot is the directory that will be the root when Begin is called; "" is none.
	Chroot string
	// Hosts are the names and addresses that a self-made certificate is for, besides those of the loopback interface.
	Hosts []string
	// Log gets notes on what no caller sees, such as a certificate that expires. May be nil.
	Log *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Owner is a user and group.
type Owner struct{ UID, GID int }

// Config says what a server needs. The zero value is a self-made certificate. Errors call the fields by the options that
// every service gives them: --certificate, --privkey, --client-ca, --acme, --acme-email and --acme-directory.
type Config struct {
	// Pairs are certificates by SNI (RFC 6066, section 3). The first is also for clients that name no server, or one that
	// none is for.
	Pairs []Pair
	// ClientCA is a PEM file with the authorities of client certificates, which are then required. "" requires none.
	ClientCA string
	// ACME are the domains to get certificates for from an authority (RFC 8555), instead of Pairs, when a client first asks
	// for one. Email and Directory are the account's address, "" for none, and the authority's, "" for Let's Encrypt.
	ACME             []string
	Email, Directory string
	// NextProtos are the names of the server's protocols, the best first. Empty names none.
	NextProtos []string

	words words
}

// Pair names the PEM files of a certificate.
type Pair struct {
	// Cert holds the certificate and then those of the authorities between it and a root that clients know.
	Cert string
	// Key holds the private key; "" means that Cert does.
	Key string
	// Chain holds more certificates of authorities; "" is none.
	Chain string
}

// words are the names under which a person knows the files of a Config: those of options unless it is for an endpoint.
type words struct{ cert, key, chain string }

// Error says which option or file is wrong, and why. It wraps the cause, so that errors.Is finds fs.ErrNotExist.
type Error struct {
	// Usage tells a mistake in a Config from a file that is bad.
	Usage bool

	text, hint string
	err        error
}

// Error implements error.
func (e *Error) Error() string { return e.text }

// Hint says what would be right; empty if we cannot tell.
func (e *Error) Hint() string { return e.hint }

// Unwrap returns what caused it, for package errors.
func (e *Error) Unwrap() error { return e.err }

// TLS is what a server needs.
type TLS struct {
	// Config is never to be changed or cloned: sessions are resumed within one Config, and changed certificates come in
	// through its functions.
	Config *tls.Config
	// Challenge answers an authority's HTTP-01 challenges (RFC 8555, section 8.3), which come to port 80, and hands all other
	// requests to next. Nil without ACME. Unless it is called, an authority can only use TLS-ALPN-01 (RFC 8737), which comes
	// to port 443.
	Challenge func(next http.Handler) http.Handler

	source *source
}

// Report says where each certificate is from and until when it is valid; of one that is self-made, the fingerprint.
func (t *TLS) Report() []slog.Attr { return t.source.report() }

// Manager has all certificates of the process. Its methods are safe for concurrent use.
type Manager struct {
	opts  Options
	log   *slog.Logger
	now   func() time.Time
	state stateDir

	confined atomic.Bool                     // Begin was called
	private  atomic.Pointer[map[string]bool] // key files, without symbolic links; the map never changes

	mu      sync.Mutex
	sources []*source
	acme    map[authority]*acmeManager
}

// New returns a manager without certificates.
func New(o Options) *Manager {
	m := &Manager{opts: o, log: o.Log, now: o.Now, acme: map[authority]*acmeManager{}}
	m.private.Store(&map[string]bool{})
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	if m.now == nil {
		m.now = time.Now
	}
	m.state.manager = m
	if o.StateDir != "" {
		m.state.real = realPath(m.path(o.StateDir))
	}
	return m
}

// TLS loads what c names, or makes it. An error is an *Error if it is about c or one of its files.
func (m *Manager) TLS(c Config) (*TLS, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.words == (words{}) {
		c.words = words{cert: "--certificate", key: "--privkey", chain: "chain"}
	}
	s := &source{manager: m, config: c}
	if err := s.open(); err != nil {
		return nil, err
	}
	t := &TLS{Config: s.tls, source: s}
	if s.acme != nil {
		t.Challenge = s.acme.HTTPHandler
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sources = append(m.sources, s)
	return t, nil
}

// hide makes the key files ones that Owns knows. Where a link leads may change with the certificate.
func (m *Manager) hide(pairs []Pair) {
	m.mu.Lock()
	defer m.mu.Unlock()
	private := maps.Clone(*m.private.Load())
	for _, p := range pairs {
		private[realPath(m.path(p.keyFile()))] = true
	}
	m.private.Store(&private)
}

// Endpoint is TLS for the files of an endpoint "ssl:…:privateKey=KEY:certKey=CERT:extraCertChain=CHAIN", which may be for
// HTTP. With cert "", key holds the certificate too; chain "" is none.
func (m *Manager) Endpoint(key, cert, chain string) (*tls.Config, error) {
	if cert == "" {
		cert = key
	}
	t, err := m.TLS(Config{
		Pairs:      []Pair{{Cert: cert, Key: key, Chain: chain}},
		NextProtos: []string{"h2", "http/1.1"},
		words:      words{cert: "certKey", key: "privateKey", chain: "extraCertChain"},
	})
	if err != nil {
		return nil, err
	}
	return t.Config, nil
}

// Reload reads all files anew. What belongs to one TLS changes together, or not at all if there is an error in it; the others
// change all the same, and all errors are returned.
func (m *Manager) Reload(ctx context.Context) error {
	var errs []error
	for _, s := range m.list() {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(errs, err)...)
		}
		errs = append(errs, s.reload())
	}
	return errors.Join(errs...)
}

func (m *Manager) list() []*source {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.sources)
}

// Begin is called when the process has given up its rights and Options.Chroot, if there is one, is its root. Files that it
// cannot read any more are logged: their certificates stay as they are until the next start. It is an error if what ACME
// brings could not be kept.
func (m *Manager) Begin() error {
	m.confined.Store(true)
	m.mu.Lock()
	authorities := make([]*acmeManager, 0, len(m.acme))
	for _, a := range m.acme {
		authorities = append(authorities, a)
	}
	m.mu.Unlock()
	for _, a := range authorities {
		if err := a.cache.probe(); err != nil {
			return err
		}
	}
	for _, s := range m.list() {
		s.begin()
	}
	return nil
}

// Close lets go of the connections to authorities.
func (m *Manager) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range m.acme {
		a.transport.CloseIdleConnections()
	}
}

// Owns reports whether an absolute path, without symbolic links, is that of a private key: a file that a Config named, or
// anything in the state directory. It is cheap enough to be asked at each request.
func (m *Manager) Owns(path string) bool {
	return m.owns(path) || m.rooted() && m.owns(filepath.Join(m.opts.Chroot, path))
}

func (m *Manager) owns(path string) bool {
	return (*m.private.Load())[path] || m.state.real != "" && secrets.Within(m.state.real, path)
}

// Below returns a path that Owns reports, or would if it were there, at dir or below it; "" means that there is none. dir is
// absolute, without symbolic links. It is cheap, too.
func (m *Manager) Below(dir string) string {
	found := m.below(dir)
	if found == "" && m.rooted() {
		found = m.below(filepath.Join(m.opts.Chroot, dir))
	}
	return found
}

func (m *Manager) below(dir string) string {
	for key := range *m.private.Load() {
		if secrets.Within(dir, key) {
			return key
		}
	}
	if real := m.state.real; real != "" && (secrets.Within(dir, real) || secrets.Within(real, dir)) {
		return real
	}
	return ""
}

// rooted reports whether Options.Chroot is the root.
func (m *Manager) rooted() bool { return m.confined.Load() && m.opts.Chroot != "" }

// path is where the process finds a file that was named when it started.
func (m *Manager) path(name string) string {
	if m.opts.Dir != "" && !filepath.IsAbs(name) {
		name = filepath.Join(m.opts.Dir, name)
	}
	return name
}

// reach is where the process finds an absolute path now that its root may be another.
func (m *Manager) reach(path string) string {
	if !m.rooted() || !secrets.Within(m.opts.Chroot, path) {
		return path
	}
	return filepath.Join("/", strings.TrimPrefix(path, m.opts.Chroot))
}

// realPath resolves the symbolic links of a path of which the end may not be there yet.
func realPath(path string) string {
	if absolute, err := filepath.Abs(path); err == nil { // otherwise the working directory is gone
		path = absolute
	}
	rest := ""
	for dir := path; ; dir = filepath.Dir(dir) {
		if found, err := filepath.EvalSymlinks(dir); err == nil {
			return filepath.Join(found, rest)
		}
		if dir == filepath.Dir(dir) {
			return path
		}
		rest = filepath.Join(filepath.Base(dir), rest)
	}
}
