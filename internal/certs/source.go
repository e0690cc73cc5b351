package certs

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"
)

const (
	// checkEvery is how often files are looked at, at most.
	checkEvery = 2 * time.Second
	// soon is how long before its end a certificate is worth a warning, which comes once a day.
	soon = 14 * 24 * time.Hour
)

// source is where the certificates of one TLS come from.
type source struct {
	manager *Manager
	config  Config // its Pairs are the self-made one if nobody named any
	self    bool   // self-made
	acme    *acmeManager
	tls     *tls.Config

	current atomic.Pointer[loaded]
	due     atomic.Int64 // when to look at the files again, in nanoseconds since 1970

	mu      sync.Mutex // guards the rest, and is held while files are read
	fixed   bool       // the files cannot be reached any more
	trouble string     // what the last look at the files met
	told    bool       // it was logged
	remind  time.Time  // when to look at the ends of the certificates again
}

// loaded is the content of the files. It never changes.
type loaded struct {
	certs        []*tls.Certificate
	stamps       []os.FileInfo
	plain, named *tls.Config // without and with the names of protocols; nil is the common configuration
}

func (s *source) open() error {
	m := s.manager
	switch {
	case len(s.config.ACME) > 0:
		var err error
		if s.acme, err = m.authority(s.config); err != nil {
			return err
		}
	case len(s.config.Pairs) == 0:
		s.self = true
		s.config.Pairs = []Pair{{Cert: m.state.file(selfMade)}}
		if err := m.ensureSelfMade(); err != nil {
			return err
		}
	}
	s.tls = &tls.Config{GetConfigForClient: s.configFor, GetCertificate: s.certificate}
	if s.config.ClientCA != "" {
		s.tls.ClientAuth = tls.RequireAndVerifyClientCert // whoever forgets the function above lets nobody in
	}
	first, err := s.read()
	if err != nil {
		return err
	}
	s.due.Store(m.now().Add(checkEvery).UnixNano())
	s.use(first)
	return nil
}

// files are those that the certificates come from.
func (s *source) files() []string {
	var list []string
	for _, p := range s.config.Pairs {
		list = append(list, p.files()...)
	}
	if s.config.ClientCA != "" {
		list = append(list, s.config.ClientCA)
	}
	return list
}

func (s *source) path(name string) string { return s.manager.reach(s.manager.path(name)) }

// stamp tells the files that are there from others.
func (s *source) stamp() ([]os.FileInfo, error) {
	var stamps []os.FileInfo
	for _, name := range s.files() {
		info, err := os.Stat(s.path(name))
		if err != nil {
			return nil, fileError("certificate file", name, err)
		}
		stamps = append(stamps, info)
	}
	return stamps, nil
}

func sameFiles(a, b []os.FileInfo) bool {
	return slices.EqualFunc(a, b, func(x, y os.FileInfo) bool {
		return os.SameFile(x, y) && x.Size() == y.Size() && x.ModTime().Equal(y.ModTime())
	})
}

// read loads all files. Those that change meanwhile are found to be others at the next look.
func (s *source) read() (*loaded, error) {
	stamps, stampErr := s.stamp()
	now := &loaded{stamps: stamps}
	for _, p := range s.config.Pairs {
		cert, err := readPair(p, s.config.words, s.path)
		if err != nil {
			return nil, err
		}
		now.certs = append(now.certs, cert)
	}
	var authorities *x509.CertPool
	if s.config.ClientCA != "" {
		var err error
		if authorities, err = readAuthorities("--client-ca", s.config.ClientCA, s.path); err != nil {
			return nil, err
		}
		now.plain = s.variant(authorities)
	}
	if len(s.config.NextProtos) > 0 {
		now.named = s.variant(authorities)
		now.named.NextProtos = s.config.NextProtos
	}
	return now, stampErr
}

// variant is a configuration for some of the clients. It has no session keys of its own and thus uses those of the common
// one.
func (s *source) variant(authorities *x509.CertPool) *tls.Config {
	c := &tls.Config{GetCertificate: s.certificate}
	if authorities != nil {
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, authorities
	}
	return c
}

// configFor is the first to see a client.
func (s *source) configFor(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	s.look()
	now := s.current.Load()
	if s.acme != nil && isChallenge(hello) {
		return &tls.Config{GetCertificate: s.acme.GetCertificate, NextProtos: []string{acme.ALPNProto}}, nil
	}
	for _, p := range hello.SupportedProtos {
		if slices.Contains(s.config.NextProtos, p) {
			return now.named, nil
		}
	}
	return now.plain, nil
}

// certificate goes by the name and the abilities of the client.
func (s *source) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if s.acme != nil {
		return s.acme.certificate(hello, s.config.ACME)
	}
	certs := s.current.Load().certs
	for _, cert := range certs {
		if len(certs) == 1 || hello.SupportsCertificate(cert) == nil {
			return cert, nil
		}
	}
	return certs[0], nil
}

// look looks at the files if that is due. One client at a time pays for it.
func (s *source) look() {
	now := s.manager.now()
	due := s.due.Load()
	if now.UnixNano() < due || !s.due.CompareAndSwap(due, now.Add(checkEvery).UnixNano()) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fixed {
		return
	}
	if s.self && expiring(s.current.Load().certs[0].Leaf, now) {
		if err := s.manager.ensureSelfMade(); err != nil {
			s.complain(err)
			return
		}
	}
	fresh, err := s.changed()
	if err != nil {
		s.complain(err)
		return
	}
	s.trouble, s.told = "", false
	if fresh != nil {
		s.adopt(fresh)
	}
	if now.After(s.remind) {
		s.warnOfEnds(now)
	}
}

// changed is nil if the files are the same as before.
func (s *source) changed() (*loaded, error) {
	stamps, err := s.stamp()
	if err != nil {
		return nil, err
	}
	if sameFiles(stamps, s.current.Load().stamps) {
		return nil, nil
	}
	return s.read()
}

// complain logs what two looks in a row have met: at the first, a file may be half written.
func (s *source) complain(err error) {
	if s.trouble != err.Error() {
		s.trouble, s.told = err.Error(), false
		return
	}
	if !s.told {
		s.told = true
		s.manager.log.Error("certificate not read anew, the old one stays", "error", err)
	}
}

// adopt makes the new files those in use. The caller has s.mu.
func (s *source) adopt(fresh *loaded) {
	s.manager.log.Info("certificates read anew", "files", strings.Join(s.files(), ", "))
	s.use(fresh)
}

// use is for the caller that has s.mu, or whom nobody else knows s from.
func (s *source) use(l *loaded) {
	s.current.Store(l)
	s.manager.hide(s.config.Pairs)
	s.warnOfEnds(s.manager.now())
}

// reload reads the files whether they look changed or not.
func (s *source) reload() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.self && s.fixed {
		return nil // there is nothing that a person could have changed
	}
	fresh, err := s.read()
	if err != nil {
		return s.explainLost(err)
	}
	s.trouble, s.told, s.fixed = "", false, false
	if sameFiles(fresh.stamps, s.current.Load().stamps) {
		return nil
	}
	s.adopt(fresh)
	return nil
}

// explainLost adds what to do about files that were within reach before the process gave up its rights.
func (s *source) explainLost(err error) error {
	if !s.fixed {
		return err
	}
	return &Error{text: err.Error(), err: err, hint: "start anew to use a changed certificate, or put it where the process can read it after --uid and --chroot"}
}

// begin finds out whether the files are still within reach.
func (s *source) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.read()
	switch s.fixed = err != nil; {
	case s.fixed && s.self:
		s.manager.log.Info("self-made certificate cannot be read any more, it is renewed at the next start", "error", err)
	case s.fixed:
		s.manager.log.Warn("certificate cannot be read any more, a change needs a new start", "error", err)
	}
}

// warnOfEnds logs which certificates from files are about to expire. The caller has s.mu, or nobody else has s.
func (s *source) warnOfEnds(now time.Time) {
	s.remind = now.Add(24 * time.Hour)
	if s.self {
		return
	}
	for i, cert := range s.current.Load().certs {
		left := cert.Leaf.NotAfter.Sub(now)
		what := "certificate expires soon"
		switch {
		case left > soon:
			continue
		case left <= 0:
			what = "certificate has expired"
		}
		s.manager.log.Warn(what, "file", s.config.Pairs[i].Cert, "end", cert.Leaf.NotAfter)
	}
}

func (s *source) report() []slog.Attr {
	if s.acme != nil {
		return s.acme.report(s.config.ACME)
	}
	var attrs []slog.Attr
	for i, cert := range s.current.Load().certs {
		text := fmt.Sprintf("%s, valid until %s", s.config.Pairs[i].Cert, day(cert.Leaf.NotAfter))
		if s.self {
			text = "self-made, SHA-256 " + Fingerprint(cert.Leaf)
		}
		attrs = append(attrs, slog.String("certificate", text))
	}
	return attrs
}

func day(t time.Time) string { return t.Local().Format(time.DateOnly) }
