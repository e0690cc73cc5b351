package ftp_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

// authority issues certificates for clients.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // its certificate, for --client-ca
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key, file: filepath.Join(t.TempDir(), "ca.pem")}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	write(t, a.file, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	return a
}

// client returns a file with a client's certificate and key.
func (a *authority) client(t *testing.T) (file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "client"}, NotAfter: time.Now().Add(24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "client.pem")
	write(t, file, string(slices.Concat(
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))))
	return file
}

// showing is a client's configuration with the certificate of a file, which it sends whatever authorities the server names; "" is none.
func showing(t *testing.T, file string) *tls.Config {
	t.Helper()
	config := &tls.Config{InsecureSkipVerify: true}
	if file == "" {
		return config
	}
	pair, err := tls.LoadX509KeyPair(file, file)
	if err != nil {
		t.Fatal(err)
	}
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	return config
}

// TestClientCA comes without, with a wrong and with a right certificate, to both kinds of port. With --client-ca alone nobody is served
// in clear.
func TestClientCA(t *testing.T) {
	plugintest.NeedTool(t, "curl", "curl")
	ca := newAuthority(t)
	right, wrong := ca.client(t), newAuthority(t).client(t)
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--implicit-port", anyPort,
		"--root", directory(t, map[string]string{"a.txt": "abc"}), "--client-ca", ca.file)
	explicit, implicit := srv.Addrs()[0].String(), srv.Addrs()[1].String()
	tests := []struct {
		name, url string
		args      []string
		ok        bool
	}{
		{"clear", "ftp://" + explicit, nil, false},
		{"TLS if the server has it", "ftp://" + explicit, []string{"--ssl"}, false},
		{"explicit, none", "ftp://" + explicit, []string{"--ssl-reqd"}, false},
		{"explicit, wrong", "ftp://" + explicit, []string{"--ssl-reqd", "--cert", wrong}, false},
		{"explicit, right", "ftp://" + explicit, []string{"--ssl-reqd", "--cert", right}, true},
		{"explicit, right, TLS 1.2", "ftp://" + explicit, []string{"--ssl-reqd", "--cert", right, "--tls-max", "1.2"}, true},
		{"implicit, none", "ftps://" + implicit, nil, false},
		{"implicit, wrong", "ftps://" + implicit, []string{"--cert", wrong}, false},
		{"implicit, right", "ftps://" + implicit, []string{"--cert", right}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := run(t, t.TempDir(), "curl", append([]string{"-sS", "-k", "--noproxy", "*", tt.url + "/a.txt"}, tt.args...)...)
			if ok := err == nil && out == "abc"; ok != tt.ok || !tt.ok && strings.Contains(out, "abc") {
				t.Errorf("curl %q: %q, %v, want success: %v", tt.args, out, err, tt.ok)
			}
		})
	}
}

// TestClientCAData shows certificates on data connections only after a right one for commands.
func TestClientCAData(t *testing.T) {
	ca := newAuthority(t)
	right, wrong := ca.client(t), newAuthority(t).client(t)
	srv := plugintest.Start(t, ftp.Plugin(), "--implicit-port", anyPort, "--root", directory(t, map[string]string{"a.txt": "abc"}), "--client-ca", ca.file)
	c := dial(t, srv.Addrs()[0])
	c.conn = tls.Client(c.conn, showing(t, right))
	c.r = bufio.NewReader(c.conn)
	c.want("220")
	c.do("USER ftp", "331")
	c.do("PASS x", "230")
	c.do("PROT C", "534")
	for _, tt := range []struct{ name, file, content, want string }{
		{"none", "", "", "522 The TLS handshake of the data connection failed."},
		{"wrong", wrong, "", "522"},
		{"right", right, "abc", "226"},
	} {
		data := c.pasv()
		c.do("RETR a.txt", "150")
		if got, err := io.ReadAll(tls.Client(data, showing(t, tt.file))); string(got) != tt.content || (err == nil) != (tt.content != "") {
			t.Errorf("%s: %q, %v, want %q", tt.name, got, err, tt.content)
		}
		c.want(tt.want)
	}
}

// TestImplicitOnly says that --implicit-port alone opens no other port.
func TestImplicitOnly(t *testing.T) {
	host := plugintest.NewHost(t, "ftp")
	start(t, host, "--implicit-port", anyPort, "--root", t.TempDir())
	if addrs := host.Addrs(); len(addrs) != 1 {
		t.Errorf("bound %v, want one port", addrs)
	}
}

func TestTLSMistakes(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want string
		hint string
	}{
		{"client CA in clear", []string{"--client-ca", "ca.pem", "--tls", "allow"}, "--client-ca: with --tls allow, who stays in clear needs no certificate", "--tls require"},
		{"client CA off", []string{"--client-ca", "ca.pem", "--tls", "off"}, "--client-ca: with --tls off", "--tls require"},
		{"client CA off beside implicit", []string{"--client-ca", "ca.pem", "--tls", "off", "--implicit-port", "0"}, "--client-ca: with --tls off", "--tls require"},
		{"ssl endpoint", []string{"--listen", "ssl:2121"}, `--listen "ssl:2121": the certificate is needed for data connections`, "--implicit-port"},
		{"ssl endpoint of implicit port", []string{"--implicit-port", `haproxy:SSL:990:privateKey=k.pem`}, "--implicit-port", "--certificate"},
		{"ssl port", []string{"--port", `s\sl:990`}, "--port", "--implicit-port"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			host := plugintest.NewHost(t, "ftp")
			_, err := makeService(t, host, append([]string{"--root", t.TempDir()}, tt.args...)...)
			usage, ok := err.(*plugins.UsageError)
			if !ok || !strings.HasPrefix(usage.Reason, tt.want) || !strings.Contains(usage.Suggestion, tt.hint) {
				t.Errorf("Make(%q) = %#v, want %q and %q", tt.args, err, tt.want, tt.hint)
			}
			if addrs := host.Addrs(); len(addrs) > 0 {
				t.Errorf("bound %v", []net.Addr(addrs))
			}
		})
	}
}
