package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/gtwistd/gtwistd/internal/regular"
)

const (
	// selfMade is the file in the state directory that holds key and certificate.
	selfMade = "self-made.pem"
	// lifetime stays below the 825 days that Apple's systems allow a certificate that a person has chosen to trust.
	lifetime = 730 * 24 * time.Hour
	// renewal is how long before its end a self-made certificate is replaced.
	renewal = 30 * 24 * time.Hour
)

// ensureSelfMade makes the certificate, unless there is one that is valid for a while.
func (m *Manager) ensureSelfMade() error {
	if err := m.state.make(""); err != nil {
		return err
	}
	now := m.now()
	path := m.reach(m.state.file(selfMade))
	data, err := regular.Read(path, maxFile, fileKind)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return m.state.fail(err)
	}
	replace := err == nil
	if replace {
		pair, err := tls.X509KeyPair(data, data)
		if err == nil && !expiring(pair.Leaf, now) {
			return nil
		}
		if err != nil {
			m.log.Warn("self-made certificate is made anew", "file", path, "error", err)
		}
	}
	if data, err = makePair(m.opts.Hosts, now); err != nil {
		return fmt.Errorf("self-made certificate: %w", err)
	}
	return m.state.write(selfMade, data, replace)
}

func expiring(cert *x509.Certificate, now time.Time) bool { return cert.NotAfter.Sub(now) < renewal }

// makePair returns a new key and its certificate in PEM.
func makePair(hosts []string, now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	cert := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "gtwistd self-made"},
		NotBefore: now.Add(-time.Hour), // for clients whose clock is behind
		NotAfter:  now.Add(lifetime),
		KeyUsage:  x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, // and no authority: who trusts it trusts this server only
	}
	cert.DNSNames, cert.IPAddresses = namesFor(hosts)
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return slices.Concat(
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
	), nil
}

// namesFor tells names from addresses, each once, and adds those of the loopback interface. What can be neither is left out.
func namesFor(hosts []string) (names []string, addresses []net.IP) {
	seen := map[string]bool{}
	for _, host := range slices.Concat([]string{"localhost", "127.0.0.1", "::1"}, hosts) {
		host = strings.ToLower(strings.TrimSuffix(host, "."))
		ip := net.ParseIP(host)
		if ip != nil {
			host = ip.String()
		}
		if seen[host] {
			continue
		}
		seen[host] = true
		switch {
		case ip != nil:
			addresses = append(addresses, ip)
		case !slices.ContainsFunc(strings.Split(host, "."), func(l string) bool { return !isLabel(l) }):
			names = append(names, host)
		}
	}
	return names, addresses
}

// Fingerprint is the SHA-256 digest of a certificate as browsers and openssl x509 -fingerprint -sha256 show it.
func Fingerprint(cert *x509.Certificate) string {
	digest := sha256.Sum256(cert.Raw)
	return strings.ReplaceAll(fmt.Sprintf("% X", digest[:]), " ", ":")
}
