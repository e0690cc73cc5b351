package ftp_test

import (
	"bufio"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

// issuer is an authority (RFC 8555) that has met all challenges before: those are another service's business.
type issuer struct {
	*authority
	*httptest.Server
	asked  atomic.Int32
	issued atomic.Pointer[[]byte]
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	s := &issuer{authority: newAuthority(t)}
	mux := http.NewServeMux()
	mux.HandleFunc("/directory", func(w http.ResponseWriter, _ *http.Request) {
		s.say(w, http.StatusOK, map[string]any{"newNonce": s.URL + "/nonce", "newAccount": s.URL + "/account", "newOrder": s.URL + "/orders"})
	})
	mux.HandleFunc("/nonce", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/account", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", s.URL+"/account/1")
		s.say(w, http.StatusCreated, map[string]any{"status": "valid"})
	})
	mux.HandleFunc("/orders", func(w http.ResponseWriter, _ *http.Request) {
		s.asked.Add(1)
		s.order(w, http.StatusCreated, "ready")
	})
	mux.HandleFunc("/finalize", func(w http.ResponseWriter, r *http.Request) {
		if err := s.issue(r); err != nil {
			t.Error(err)
		}
		s.order(w, http.StatusOK, "valid")
	})
	mux.HandleFunc("/certificate", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(*s.issued.Load()) })
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Replay-Nonce", "nonce")
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *issuer) say(w http.ResponseWriter, code int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

func (s *issuer) order(w http.ResponseWriter, code int, status string) {
	w.Header().Set("Location", s.URL+"/order")
	s.say(w, code, map[string]any{"status": status, "finalize": s.URL + "/finalize", "certificate": s.URL + "/certificate"})
}

// issue signs what the body of a request asks for.
func (s *issuer) issue(r *http.Request) error {
	var jws struct{ Payload string }
	if err := json.NewDecoder(r.Body).Decode(&jws); err != nil {
		return err
	}
	payload, err := base64.RawURLEncoding.DecodeString(jws.Payload)
	if err != nil {
		return err
	}
	var request struct{ CSR string }
	if err := json.Unmarshal(payload, &request); err != nil {
		return err
	}
	der, err := base64.RawURLEncoding.DecodeString(request.CSR)
	if err != nil {
		return err
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return err
	}
	cert, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(3), DNSNames: csr.DNSNames, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
	}, s.cert, csr.PublicKey, s.key)
	if err != nil {
		return err
	}
	all := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	s.issued.Store(&all)
	return nil
}

// TestACME gets a certificate when the first client comes, for commands and data and both kinds of port, and once.
func TestACME(t *testing.T) {
	ca := newIssuer(t)
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--implicit-port", anyPort, "--root", directory(t, map[string]string{"a.txt": "abc"}),
		"--acme", "ftp.example.org", "--acme-email", "admin@example.org", "--acme-directory", ca.URL+"/directory")
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	config := &tls.Config{RootCAs: roots, ServerName: "ftp.example.org"}
	for _, implicit := range []bool{false, true} {
		c := encrypted(t, srv, implicit, config)
		if got := c.fetch(config, "RETR a.txt", "226"); got != "abc" {
			t.Errorf("implicit %v: RETR = %q", implicit, got)
		}
	}
	nameless := encrypted(t, srv, false, &tls.Config{InsecureSkipVerify: true})
	if names := nameless.conn.(*tls.Conn).ConnectionState().PeerCertificates[0].DNSNames; len(names) != 1 || names[0] != config.ServerName {
		t.Errorf("who names no server gets the certificate of %q", names)
	}
	if n := ca.asked.Load(); n != 1 {
		t.Errorf("%d certificates were asked for, want 1", n)
	}
	if got := fmt.Sprint(srv.Service.(plugins.Reporter).Report()); !strings.Contains(got, "ACME, ftp.example.org, valid until") {
		t.Errorf("Report() = %s", got)
	}
}

// TestACMERefused says that a client gets no other certificate, and that somebody can find out why.
func TestACMERefused(t *testing.T) {
	refusing := httptest.NewServer(http.NotFoundHandler())
	defer refusing.Close()
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", t.TempDir(), "--acme", "ftp.example.org", "--acme-directory", refusing.URL)
	c := dial(t, srv.Addrs()[0])
	c.want("220")
	c.do("AUTH TLS", "234")
	c.conn = tls.Client(c.conn, trusting())
	c.r = bufio.NewReader(c.conn)
	if got, err := io.ReadAll(c.r); err == nil || len(got) > 0 {
		t.Errorf("%q, %v, want no handshake", got, err)
	}
	if err := srv.Stop(); err != nil { // all is logged then
		t.Error(err)
	}
	if log := srv.Log(); !strings.Contains(log, "TLS handshake failed") || !strings.Contains(log, "ftp.example.org") {
		t.Errorf("no reason in %s", log)
	}
}
