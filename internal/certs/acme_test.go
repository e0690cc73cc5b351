package certs_test

import (
	"crypto/tls"
	"crypto/x509/pkix"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/internal/certs"
)

type pkixExtension = pkix.Extension

// teapot is the handler behind that of the challenges.
var teapot = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })

func TestACME(t *testing.T) {
	for _, challenge := range []string{"tls-alpn-01", "http-01"} {
		t.Run(challenge, func(t *testing.T) {
			ca := newACMEServer(t, challenge)
			log, state := &logged{}, filepath.Join(t.TempDir(), "state")
			config := certs.Config{
				ACME: []string{"www.example.com", "Example.ORG"}, Email: "admin@example.com", Directory: ca.URL + "/directory",
				NextProtos: []string{"h2", "http/1.1"},
			}
			m := certs.New(certs.Options{StateDir: state, Log: log.logger()})
			defer m.Close()
			tl := load(t, m, config)
			plain := httptest.NewServer(tl.Challenge(teapot))
			defer plain.Close()
			ca.httpAddr = plain.Listener.Addr().String()
			ca.tlsAddr = serve(t, tl.Config)
			if got := tl.Report()[0].Value.String(); got != "ACME, www.example.com, asked for when the first client comes" {
				t.Errorf("Report() = %s", got)
			}

			expectIssued(t, ca, ca.tlsAddr)
			if got := strings.Join(ca.ordered(), " "); got != "www.example.com example.org" {
				t.Errorf("asked for %s", got)
			}
			if len(ca.emails) != 1 || ca.emails[0] != "mailto:admin@example.com" {
				t.Errorf("account of %q", ca.emails)
			}
			if got := tl.Report()[1].Value.String(); !strings.HasPrefix(got, "ACME, Example.ORG, valid until 20") {
				t.Errorf("Report() = %s", got)
			}
			if n := log.count("certificate issued"); n != 2 {
				t.Errorf("%d records, want 2\n%s", n, log)
			}
			expectPrivate(t, state)

			// The next process finds what this one has kept.
			next := certs.New(certs.Options{StateDir: state})
			defer next.Close()
			expectIssued(t, ca, serve(t, load(t, next, config).Config))
			if n := len(ca.ordered()); n != 2 {
				t.Errorf("%d certificates were asked for, want the 2 of the first start", n)
			}
		})
	}
}

// expectIssued shakes hands as clients do: with each name in any spelling, with none and with a wrong one.
func expectIssued(t *testing.T, ca *acmeServer, addr string) {
	t.Helper()
	for _, name := range []string{"www.example.com", "example.org", "EXAMPLE.org"} {
		state, err := dial(addr, &tls.Config{RootCAs: ca.ca.pool(), ServerName: name, NextProtos: []string{"h2"}})
		if err != nil || state.NegotiatedProtocol != "h2" {
			t.Errorf("%s: protocol %q, %v", name, state.NegotiatedProtocol, err)
		}
	}
	for _, name := range []string{"", "elsewhere.example"} {
		if got := served(t, addr, name).DNSNames[0]; got != "www.example.com" {
			t.Errorf("a client that asks for %q gets the certificate of %s", name, got)
		}
	}
}

// expectPrivate says that nobody else can read the keys.
func expectPrivate(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if !entry.IsDir() {
			files++
		}
		return err
	})
	if err != nil || files < 3 {
		t.Errorf("%d files, %v, want the account and two certificates", files, err)
	}
}

func TestChallengeRouting(t *testing.T) {
	m := certs.New(certs.Options{StateDir: t.TempDir()})
	tl := load(t, m, certs.Config{ACME: []string{"www.example.com"}})
	if load(t, m, certs.Config{}).Challenge != nil {
		t.Error("a self-made certificate has challenges")
	}
	handler := tl.Challenge(teapot)
	for _, tt := range []struct {
		host, path string
		want       int
	}{
		{"www.example.com", "/", http.StatusTeapot},
		{"elsewhere.example", "/", http.StatusTeapot},
		{"www.example.com", "/.well-known/acme-challenge/x", http.StatusNotFound},
		{"WWW.example.com:8080", "/.well-known/acme-challenge/x", http.StatusNotFound},
		{"elsewhere.example", "/.well-known/acme-challenge/x", http.StatusForbidden},
		{"www.example.com", "/.well-known/acme-challenge/../../x", http.StatusNotFound},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, tt.path, nil)
		r.Host = tt.host
		handler.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("GET %s of %s = %d, want %d", tt.path, tt.host, w.Code, tt.want)
		}
	}
}

// TestSharedAuthority says that one service's port 80 answers for another's certificate.
func TestSharedAuthority(t *testing.T) {
	ca := newACMEServer(t, "http-01")
	m := certs.New(certs.Options{StateDir: t.TempDir()})
	defer m.Close()
	web := load(t, m, certs.Config{ACME: []string{"www.example.com"}, Directory: ca.URL + "/directory"})
	ftp := load(t, m, certs.Config{ACME: []string{"ftp.example.com"}, Directory: ca.URL + "/directory"})
	plain := httptest.NewServer(web.Challenge(teapot))
	defer plain.Close()
	ca.httpAddr = plain.Listener.Addr().String()
	if _, err := dial(serve(t, ftp.Config), &tls.Config{RootCAs: ca.ca.pool(), ServerName: "ftp.example.com"}); err != nil {
		t.Error(err)
	}
	if got := served(t, serve(t, ftp.Config), "www.example.com").DNSNames[0]; got != "ftp.example.com" {
		t.Errorf("the certificate of %s for a name of another service", got)
	}
}

func TestRefusedByAuthority(t *testing.T) {
	ca := newACMEServer(t, "http-01")
	ca.refuse = true
	log := &logged{}
	m := certs.New(certs.Options{StateDir: t.TempDir(), Log: log.logger()})
	defer m.Close()
	tl := load(t, m, certs.Config{ACME: []string{"www.example.com"}, Directory: ca.URL + "/directory"})
	addr := serve(t, tl.Config)
	for range 3 {
		if _, err := dial(addr, &tls.Config{ServerName: "www.example.com", InsecureSkipVerify: true}); err == nil {
			t.Error("a handshake without a certificate")
		}
	}
	if n := log.count("no certificate from the authority"); n != 1 || !strings.Contains(log.String(), "not yours") {
		t.Errorf("%d records, want one with the reason\n%s", n, log)
	}
	if got := tl.Report()[0].Value.String(); !strings.HasPrefix(got, "ACME, www.example.com, not issued: ") || !strings.Contains(got, "not yours") {
		t.Errorf("Report() = %s", got)
	}
}

// TestCacheOfAuthorities says that a test authority's certificates are not used for another's.
func TestCacheOfAuthorities(t *testing.T) {
	state := t.TempDir()
	m := certs.New(certs.Options{StateDir: state})
	for _, directory := range []string{"", "https://ca.example:14000/dir", "https://ca.example/.."} {
		load(t, m, certs.Config{ACME: []string{"www.example.com"}, Directory: directory})
	}
	for _, name := range []string{"acme-v02.api.letsencrypt.org-directory", "ca.example-14000-dir", "ca.example"} {
		if _, err := os.Stat(filepath.Join(state, "acme", name)); err != nil {
			t.Error(err)
		}
	}
	if err := m.Begin(); err != nil {
		t.Errorf("Begin = %v", err)
	}
}

// TestChallengeTellsNothing says that whatever the path of a challenge looks like, the answer has neither a file nor the
// place of the state directory in it.
func TestChallengeTellsNothing(t *testing.T) {
	state := t.TempDir()
	write(t, filepath.Join(state, "secret"), []byte("secret"))
	tl := load(t, certs.New(certs.Options{StateDir: state}), certs.Config{ACME: []string{"www.example.com"}})
	srv := httptest.NewServer(tl.Challenge(teapot))
	defer srv.Close()
	for _, path := range []string{"../../secret", "..%2f..%2fsecret", "acme_account+key", "%2e%2e/%2e%2e/secret", "..%5c..%5csecret", "%00", strings.Repeat("x", 300)} {
		r, err := http.NewRequest(http.MethodGet, srv.URL+"/.well-known/acme-challenge/"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "www.example.com"
		resp, err := srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode == http.StatusOK || strings.Contains(string(body), state) {
			t.Errorf("%s: %s, %q, %v", path, resp.Status, body, err)
		}
	}
}
