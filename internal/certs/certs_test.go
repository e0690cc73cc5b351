package certs_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/internal/certs"
)

func TestFileErrors(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t)
	ca.issueTo(t, dir, "a", "a.example")
	ca.issueTo(t, dir, "b", "b.example")
	cert, _ := ca.issue(t, "c.example")
	write(t, filepath.Join(dir, "empty.pem"), nil)
	write(t, filepath.Join(dir, "short.crt"), cert[:len(cert)/2])
	write(t, filepath.Join(dir, "locked.key"), []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"))
	tests := []struct {
		name       string
		pair       certs.Pair
		want, hint string
	}{
		{"no key file", certs.Pair{Cert: "a.crt", Key: "no.key"}, `--privkey "no.key": no such file or directory`, ""},
		{"no certificate file", certs.Pair{Cert: "no.crt", Key: "a.key"}, `--certificate "no.crt": no such file or directory`, ""},
		{"no file with both", certs.Pair{Cert: "no.pem"}, `--certificate "no.pem": no such file or directory`, ""},
		{"no chain file", certs.Pair{Cert: "a.pem", Chain: "no.crt"}, `chain "no.crt": no such file or directory`, ""},
		{"a directory", certs.Pair{Cert: "."}, `--certificate ".": not a regular file`, ""},
		{"key only", certs.Pair{Cert: "a.key", Key: "a.key"}, `--certificate "a.key": no certificate in it`, "name it with --certificate"},
		{"certificate only", certs.Pair{Cert: "a.crt"}, `--certificate "a.crt": no private key in it`, "if the key is in another file"},
		{"certificate twice", certs.Pair{Cert: "a.crt", Key: "a.crt"}, `--privkey "a.crt": no private key in it`, ""},
		{"empty", certs.Pair{Cert: "empty.pem", Key: "a.key"}, `--certificate "empty.pem": no certificate in it`, ""},
		{"cut short", certs.Pair{Cert: "short.crt", Key: "a.key"}, `--certificate "short.crt": a PEM block in it has no end`, ""},
		{"mismatch", certs.Pair{Cert: "a.crt", Key: "b.key"}, `--privkey "b.key" does not belong to --certificate "a.crt"`, ""},
		{"encrypted", certs.Pair{Cert: "a.crt", Key: "locked.key"}, `--privkey "locked.key": the key is encrypted`, "openssl pkey"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := certs.New(certs.Options{Dir: dir}).TLS(certs.Config{Pairs: []certs.Pair{tt.pair}})
			if err == nil || err.Error() != tt.want || !strings.Contains(hint(err), tt.hint) {
				t.Errorf("TLS(%v) = %v, hint %q, want %q, %q", tt.pair, err, hint(err), tt.want, tt.hint)
			}
			if e, ok := errors.AsType[*certs.Error](err); ok && e.Usage {
				t.Error("a bad file is no mistake of the command line")
			}
		})
	}
	for name, want := range map[string]string{"no.crt": "no such file", "empty.pem": "no certificate in it", "short.crt": "no end"} {
		_, err := certs.New(certs.Options{Dir: dir}).TLS(certs.Config{Pairs: []certs.Pair{{Cert: "a.pem"}}, ClientCA: name})
		if err == nil || !strings.HasPrefix(err.Error(), `--client-ca "`+name+`": `) || !strings.Contains(err.Error(), want) {
			t.Errorf("client CA %s: %v, want %q", name, err, want)
		}
	}
}

func TestMissingFileIsFound(t *testing.T) {
	_, err := certs.New(certs.Options{}).TLS(certs.Config{Pairs: []certs.Pair{{Cert: "/nonexistent.pem"}}})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("TLS = %v, want one that wraps fs.ErrNotExist", err)
	}
}

func TestUsageErrors(t *testing.T) {
	tests := []struct {
		name       string
		config     certs.Config
		want, hint string
	}{
		{"key without certificate", certs.Config{Pairs: []certs.Pair{{Key: "a.key"}}}, `--privkey "a.key": the certificate that it belongs to is missing`, "add --certificate FILE"},
		{"empty name", certs.Config{Pairs: []certs.Pair{{}}}, `--certificate "": a file is needed`, ""},
		{"files and an authority", certs.Config{Pairs: []certs.Pair{{Cert: "a.pem"}}, ACME: []string{"a.example"}}, `--acme and --certificate "a.pem"`, "leave one"},
		{"account without domain", certs.Config{Email: "a@b.example"}, `--acme-email "a@b.example"`, "--acme"},
		{"authority without domain", certs.Config{Directory: "https://ca.example/dir"}, `--acme-directory "https://ca.example/dir"`, "--acme"},
		{"no address", certs.Config{ACME: []string{"a.example"}, Email: "a.example"}, `--acme-email "a.example": not an address`, ""},
		{"no URL", certs.Config{ACME: []string{"a.example"}, Directory: "ca.example"}, `--acme-directory "ca.example": not a URL`, ""},
		{"wildcard", certs.Config{ACME: []string{"*.a.example"}}, `--acme "*.a.example": a wildcard needs`, "one by one"},
		{"one label", certs.Config{ACME: []string{"localhost"}}, `--acme "localhost": not a domain`, ""},
		{"address", certs.Config{ACME: []string{"192.0.2.1"}}, `--acme "192.0.2.1": an address`, ""},
		{"IPv6 address", certs.Config{ACME: []string{"2001:db8::1"}}, `--acme "2001:db8::1": an address`, ""},
		{"URL", certs.Config{ACME: []string{"https://a.example"}}, `--acme "https://a.example": not a domain`, "leave out scheme"},
		{"umlaut", certs.Config{ACME: []string{"ä.example"}}, `--acme "ä.example": not in ASCII`, "xn--"},
		{"empty label", certs.Config{ACME: []string{"a..example"}}, `--acme "a..example": not a domain`, ""},
		{"path", certs.Config{ACME: []string{"a.example/b"}}, `--acme "a.example/b": not a domain`, ""},
		{"the second of two", certs.Config{ACME: []string{"a.example", ""}}, `--acme "": not a domain`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := certs.New(certs.Options{StateDir: t.TempDir()}).TLS(tt.config)
			e, ok := errors.AsType[*certs.Error](err)
			if !ok || !e.Usage || !strings.HasPrefix(e.Error(), tt.want) || !strings.Contains(e.Hint(), tt.hint) {
				t.Errorf("TLS = %v, hint %q, want a usage error %q, %q", err, hint(err), tt.want, tt.hint)
			}
		})
	}
}

func TestServerNames(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t)
	ca.issueTo(t, dir, "a", "a.example")
	ca.issueTo(t, dir, "b", "b.example", "*.b.example")
	tl := load(t, certs.New(certs.Options{Dir: dir}), certs.Config{
		Pairs: []certs.Pair{{Cert: "a.crt", Key: "a.key"}, {Cert: "b.pem"}},
	})
	addr := serve(t, tl.Config)
	for name, want := range map[string]string{
		"a.example": "a.example", "b.example": "b.example", "www.b.example": "b.example", "B.EXAMPLE": "b.example",
		"c.example": "a.example", "": "a.example",
	} {
		if got := served(t, addr, name).Subject.CommonName; got != want {
			t.Errorf("certificate for %q is that of %s, want %s", name, got, want)
		}
	}
	if _, err := dial(addr, &tls.Config{RootCAs: ca.pool(), ServerName: "www.b.example"}); err != nil {
		t.Errorf("a client that verifies: %v", err)
	}
	report := tl.Report()
	if len(report) != 2 || report[0].Key != "certificate" || !strings.HasPrefix(report[0].Value.String(), "a.crt, valid until 20") {
		t.Errorf("Report() = %v", report)
	}
}

func TestProtocols(t *testing.T) {
	dir := t.TempDir()
	newAuthority(t).issueTo(t, dir, "a", "a.example")
	m := certs.New(certs.Options{Dir: dir})
	named := serve(t, load(t, m, certs.Config{Pairs: []certs.Pair{{Cert: "a.pem"}}, NextProtos: []string{"h2", "http/1.1"}}).Config)
	nameless := serve(t, load(t, m, certs.Config{Pairs: []certs.Pair{{Cert: "a.pem"}}}).Config)
	tests := []struct {
		name, addr string
		offer      []string
		want       string
	}{
		{"nothing", named, nil, ""},
		{"another protocol", named, []string{"ftp"}, ""},
		{"HTTP/2", named, []string{"http/1.1", "h2"}, "h2"},
		{"one of two", named, []string{"spdy/1", "http/1.1"}, "http/1.1"},
		{"server without names", nameless, []string{"ftp"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				state, err := dial(tt.addr, &tls.Config{InsecureSkipVerify: true, NextProtos: tt.offer, MaxVersion: version})
				if err != nil || state.NegotiatedProtocol != tt.want || state.Version != version {
					t.Errorf("offered %q, got %q in version %x, %v, want %q", tt.offer, state.NegotiatedProtocol, state.Version, err, tt.want)
				}
			}
		})
	}
	if _, err := dial(named, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
}

// TestResumption says that sessions survive a change of certificates, whatever configuration a client got.
func TestResumption(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t)
	ca.issueTo(t, dir, "a", "a.example")
	write(t, filepath.Join(dir, "ca.pem"), ca.pem)
	client, err := tls.X509KeyPair(ca.issue(t, "client"))
	if err != nil {
		t.Fatal(err)
	}
	for _, clientCA := range []string{"", "ca.pem"} {
		m := certs.New(certs.Options{Dir: dir})
		addr := serve(t, load(t, m, certs.Config{Pairs: []certs.Pair{{Cert: "a.pem"}}, ClientCA: clientCA, NextProtos: []string{"h2"}}).Config)
		for _, proto := range []string{"h2", "ftp"} {
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				config := &tls.Config{
					RootCAs: ca.pool(), ServerName: "a.example", NextProtos: []string{proto}, MaxVersion: version,
					Certificates: []tls.Certificate{client}, ClientSessionCache: tls.NewLRUClientSessionCache(4),
				}
				for _, resumed := range []bool{false, true, true} {
					state, err := dial(addr, config)
					if err != nil || state.DidResume != resumed {
						t.Errorf("client CA %q, protocol %s, version %x: resumed = %v, %v, want %v", clientCA, proto, version, state.DidResume, err, resumed)
					}
					ca.issueTo(t, dir, "a", "a.example")
					if err := m.Reload(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
}

func TestClientCertificates(t *testing.T) {
	dir := t.TempDir()
	log, time := &logged{}, newClock()
	ca, other := newAuthority(t), newAuthority(t)
	ca.issueTo(t, dir, "a", "a.example")
	write(t, filepath.Join(dir, "ca.pem"), ca.pem)
	m := certs.New(certs.Options{Dir: dir, Now: time.Now, Log: log.logger()})
	addr := serve(t, load(t, m, certs.Config{Pairs: []certs.Pair{{Cert: "a.pem"}}, ClientCA: "ca.pem", NextProtos: []string{"h2"}}).Config)
	expect := func(who string, pair func(testing.TB, ...string) ([]byte, []byte), ok bool) {
		t.Helper()
		for _, protos := range [][]string{nil, {"h2"}, {"acme-tls/1"}} {
			config := &tls.Config{InsecureSkipVerify: true, NextProtos: protos}
			if pair != nil {
				client, err := tls.X509KeyPair(pair(t, "client"))
				if err != nil {
					t.Fatal(err)
				}
				config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &client, nil }
			}
			if _, err := dial(addr, config); (err == nil) != ok {
				t.Errorf("%s, protocols %q: %v, want accepted: %v", who, protos, err, ok)
			}
		}
	}
	expect("without a certificate", nil, false)
	expect("with one", ca.issue, true)
	expect("with one of another authority", other.issue, false)

	write(t, filepath.Join(dir, "ca.pem"), other.pem)
	time.advance(3e9)
	expect("of the new authority", other.issue, true)
	expect("of the old authority", ca.issue, false)
}

func TestExpiry(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t)
	ca.issueTo(t, dir, "a", "a.example") // for 100 days
	log, now := &logged{}, newClock()
	addr := serve(t, load(t, certs.New(certs.Options{Dir: dir, Now: now.Now, Log: log.logger()}), certs.Config{Pairs: []certs.Pair{{Cert: "a.pem"}}}).Config)
	for _, step := range []struct {
		days          int
		soon, expired int
	}{{0, 0, 0}, {80, 0, 0}, {7, 1, 0}, {0, 1, 0}, {1, 2, 0}, {20, 2, 1}} {
		now.advance(time.Duration(step.days)*24*time.Hour + time.Minute)
		served(t, addr, "a.example")
		if soon, expired := log.count("certificate expires soon"), log.count("certificate has expired"); soon != step.soon || expired != step.expired {
			t.Fatalf("after %d more days %d and %d warnings, want %d and %d\n%s", step.days, soon, expired, step.soon, step.expired, log)
		}
	}
	if !strings.Contains(log.String(), "file=a.pem") {
		t.Errorf("the file is not named in\n%s", log)
	}
}

func TestOwns(t *testing.T) {
	dir, state := t.TempDir(), filepath.Join(t.TempDir(), "not", "yet")
	ca := newAuthority(t)
	ca.issueTo(t, dir, "a", "a.example")
	ca.issueTo(t, dir, "b", "b.example")
	if err := os.Symlink("b.key", filepath.Join(dir, "link.key")); err != nil {
		t.Skip(err)
	}
	m := certs.New(certs.Options{Dir: dir, StateDir: state})
	load(t, m, certs.Config{Pairs: []certs.Pair{{Cert: "a.pem"}, {Cert: "b.crt", Key: "link.key"}}})
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		dir + "/a.pem": true, dir + "/b.key": true, dir + "/b.crt": false, dir + "/a.key": false, dir: false,
		state: true, state + "/self-made.pem": true, state + "/acme/x": true, state + "-notes": false, filepath.Dir(state): false,
	} {
		if got := m.Owns(path); got != want {
			t.Errorf("Owns(%q) = %v, want %v", path, got, want)
		}
	}
	for path, want := range map[string]bool{
		dir: true, filepath.Dir(dir): true, "/": true, dir + "/a.pem": true, dir + "/b.crt": false, dir + "/a": false,
		state: true, state + "/acme": true, filepath.Dir(state): true, state + "-notes": false,
	} {
		if got := m.Below(path); (got != "") != want {
			t.Errorf("Below(%q) = %q, want one: %v", path, got, want)
		}
	}
}

// FuzzFiles says that whatever is in a file, there is a configuration or one clear line.
func FuzzFiles(f *testing.F) {
	ca := newAuthority(f)
	cert, key := ca.issue(f, "a.example")
	for _, seed := range [][]byte{nil, cert, key, append(bytes.Clone(key), cert...), key[:50], []byte("-----BEGIN X-----\n-----END X-----\n")} {
		f.Add(seed)
	}
	dir := f.TempDir()
	path := filepath.Join(dir, "a.pem")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, c := range []certs.Config{
			{Pairs: []certs.Pair{{Cert: path}}}, {Pairs: []certs.Pair{{Cert: path, Key: path}}}, {Pairs: []certs.Pair{{Cert: path}}, ClientCA: path},
		} {
			tl, err := certs.New(certs.Options{}).TLS(c)
			if err != nil && (!strings.HasPrefix(err.Error(), "--") || strings.Contains(err.Error(), "\n")) {
				t.Errorf("TLS = %q", err)
			}
			if err == nil && len(tl.Report()) != 1 {
				t.Errorf("Report() = %v", tl.Report())
			}
		}
	})
}
