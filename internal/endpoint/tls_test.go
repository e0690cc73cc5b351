package endpoint_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/internal/certs"
	"github.com/gtwistd/gtwistd/internal/endpoint"
)

// pemFiles writes key.pem, cert.pem and server.pem with both, and returns what a client trusts.
func pemFiles(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, _ := x509.MarshalPKCS8PrivateKey(key)
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, data := range map[string]string{"key.pem": string(keyPEM), "cert.pem": string(certPEM), "server.pem": string(keyPEM) + string(certPEM)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return pool
}

// withCerts are options for descriptions whose files are in dir.
func withCerts(dir string) endpoint.Options {
	return endpoint.Options{Dir: dir, TLS: certs.New(certs.Options{Dir: dir}).Endpoint}
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	pool := pemFiles(t, dir)
	for _, spec := range []string{"ssl:127.0.0.1:0", "ssl:127.0.0.1:0:key.pem:cert.pem", "ssl:0:certKey=cert.pem:privateKey=key.pem:extraCertChain=cert.pem:interface=127.0.0.1"} {
		s := newSet(t, withCerts(dir))
		l := listen(t, s, "web", spec)
		if !s.Listeners("")[0].TLS {
			t.Errorf("%s: Info.TLS is false", spec)
		}
		// "ftp" must not be refused for want of a common protocol.
		for _, proto := range []string{"", "ftp", "h2"} {
			raw, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			server, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := server.(*tls.Conn); !ok {
				t.Fatalf("Accept gave a %T, want a *tls.Conn", server)
			}
			written := make(chan error)
			go func() { _, err := server.Write([]byte("hi")); written <- err }()
			config := &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
			if proto != "" {
				config.NextProtos = []string{proto}
			}
			client := tls.Client(raw, config)
			b := make([]byte, 2)
			if _, err := io.ReadFull(client, b); err != nil || <-written != nil {
				t.Fatalf("%s, protocol %q: %v", spec, proto, err)
			}
			if got := client.ConnectionState().NegotiatedProtocol; (proto == "h2") != (got == "h2") {
				t.Errorf("offered %q, got %q", proto, got)
			}
			if n := s.CloseConns(); n != 1 {
				t.Errorf("CloseConns = %d, want 1", n)
			}
			if _, err := client.Read(b); err == nil {
				t.Error("TLS connection survived CloseConns")
			}
			client.Close()
			server.Close()
		}
	}
}

func TestHTTP2(t *testing.T) {
	dir := t.TempDir()
	pool := pemFiles(t, dir)
	s := newSet(t, withCerts(dir))
	l := listen(t, s, "web", "ssl:127.0.0.1:0")
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) })}
	ended := make(chan struct{})
	go func() { srv.Serve(l); close(ended) }()
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	resp, err := (&http.Client{Transport: tr}).Get("https://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(resp.Body); string(b) != "HTTP/2.0" {
		t.Errorf("served %s, want HTTP/2.0", b)
	}
	resp.Body.Close()
	tr.CloseIdleConnections()
	srv.Close()
	<-ended
}

func TestProxyAndTLS(t *testing.T) {
	dir := t.TempDir()
	pool := pemFiles(t, dir)
	l := listen(t, newSet(t, withCerts(dir)), "web", "haproxy:ssl:127.0.0.1:0")
	server, raw := proxyPair(t, l, "PROXY TCP4 192.0.2.9 192.0.2.1 5000 443\r\n")
	if got := server.RemoteAddr().String(); got != "192.0.2.9:5000" {
		t.Errorf("RemoteAddr = %s", got)
	}
	go func() { server.Write([]byte("hi")); server.Close() }()
	client := tls.Client(raw, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"})
	if b, err := io.ReadAll(client); string(b) != "hi" || err != nil {
		t.Errorf("read %q, %v", b, err)
	}
}

// TestListenTLS says that a service's own configuration gives any endpoint TLS, but for one that brings a certificate.
func TestListenTLS(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	service, own := pemFiles(t, other), pemFiles(t, dir)
	config, err := certs.New(certs.Options{Dir: other}).Endpoint("server.pem", "", "")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		spec  string
		trust *x509.CertPool
	}{
		{"tcp:127.0.0.1:0", service},
		{"127.0.0.1:0", service},
		{"unix:" + filepath.Join(dir, "s"), service},
		{"ssl:127.0.0.1:0", own},
	}
	for _, tt := range tests {
		t.Run(tt.spec, func(t *testing.T) {
			s := newSet(t, withCerts(dir))
			l, err := s.ListenTLS(t.Context(), "web", tt.spec, config)
			if err != nil {
				t.Fatal(err)
			}
			info := s.Listeners("web")[0]
			if urls := info.URLs("http", nil); !info.TLS || info.Network == "tcp" && !strings.HasPrefix(urls[0], "https://127.0.0.1:") {
				t.Errorf("TLS = %v, URLs = %q, want https", info.TLS, urls)
			}
			server, raw := pair(t, l)
			if _, ok := server.(*tls.Conn); !ok {
				t.Fatalf("Accept gave a %T, want a *tls.Conn", server)
			}
			go func() { server.Write([]byte("hi")); server.Close() }()
			client := tls.Client(raw, &tls.Config{RootCAs: tt.trust, ServerName: "127.0.0.1"})
			if b, err := io.ReadAll(client); string(b) != "hi" || err != nil {
				t.Errorf("read %q, %v", b, err)
			}
			if s.Counts("web").Accepted != 1 {
				t.Error("the connection is not one of the set's")
			}
		})
	}
}

// TestCertificateErrors says that the manager's words reach the user, with the description and a hint.
func TestCertificateErrors(t *testing.T) {
	dir := t.TempDir()
	pemFiles(t, dir)
	os.Rename(filepath.Join(dir, "server.pem"), filepath.Join(dir, "both.pem"))
	tests := []struct{ name, spec, want, hint string }{
		{"nothing named", "ssl:8443", `listen ssl:8443: privateKey "server.pem": no such file or directory`, "ssl:8443:privateKey=key.pem:certKey=cert.pem"},
		{"key only", "ssl:0:privateKey=key.pem", `listen ssl:0:privateKey=key.pem: certKey "key.pem": no certificate in it`, "name it with certKey"},
		{"no chain file", "ssl:0:both.pem:extraCertChain=no.pem", `extraCertChain "no.pem": no such file or directory`, ""},
	}
	s := newSet(t, withCerts(dir))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := s.Listen(t.Context(), "web", tt.spec)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(hint(err), tt.hint) {
				t.Errorf("Listen(%q) = %v, hint %q, want %q, %q", tt.spec, err, hint(err), tt.want, tt.hint)
			}
		})
	}
	if _, err := newSet(t, endpoint.Options{}).Listen(t.Context(), "web", "ssl:0"); err == nil || !strings.Contains(err.Error(), "no TLS") {
		t.Errorf("Listen of a set without TLS = %v", err)
	}
}
