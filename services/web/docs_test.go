package web_test

import (
	"context"
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
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/web"
)

// example is a documented command line that runs, on free ports instead of those that it names.
type example struct {
	*plugintest.Server
	host    string // of the first mount that has one
	mu      sync.Mutex
	ports   []string // as documented, in the order of Addrs
	secured []bool   // those under TLS
}

// note returns what to listen on instead of a documented endpoint.
func (e *example) note(spec string, secured bool) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	port := regexp.MustCompile(`\d+`).FindString(spec)
	e.ports, e.secured = append(e.ports, port), append(e.secured, secured)
	return "tcp:0:interface=127.0.0.1"
}

// url returns the beginning of URLs for one of the addresses.
func (e *example) url(i int) string {
	scheme := "http"
	if e.secured[i] {
		scheme = "https"
	}
	return scheme + "://" + e.Addrs()[i].String()
}

// loopback binds each endpoint of an example to a free port.
type loopback struct {
	plugins.Maker
	example *example
}

// Make implements plugins.Maker.
func (l loopback) Make(ctx context.Context, env *plugins.Env) (plugins.Service, error) {
	e := *env
	e.Listen = func(ctx context.Context, spec string) (net.Listener, error) {
		return env.Listen(ctx, l.example.note(spec, false))
	}
	e.ListenTLS = func(ctx context.Context, spec string, c *tls.Config) (net.Listener, error) {
		return env.ListenTLS(ctx, l.example.note(spec, true), c)
	}
	return l.Maker.Make(ctx, &e)
}

// start runs the service of a documented command line, without what the line says to the runner and about other services.
func start(t *testing.T, command string) *example {
	t.Helper()
	before, args, _ := strings.Cut(command+" ", "web ")
	args, _, _ = strings.Cut(args, " + ")
	plugin := web.Plugin
	if strings.HasSuffix(before, "ssl-") {
		plugin = web.SecurePlugin
	}
	e := &example{}
	p := plugin()
	p.New = func() plugins.Maker { return loopback{plugin().New(), e} }
	e.Server = plugintest.Start(t, p, words(t, args)...)
	if host := regexp.MustCompile(`--mount ([a-z.]+)/`).FindStringSubmatch(args); host != nil {
		e.host = host[1]
	}
	return e
}

// words splits a command line as a shell does.
func words(t *testing.T, line string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-f", "-c", `printf '%s\n' `+line).Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	list := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	return slices.DeleteFunc(list, func(s string) bool { return s == "" })
}

// block is a fenced block of a page.
type block struct{ kind, text string }

func blocksOf(page string) []block {
	var list []block
	for _, found := range regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$").FindAllStringSubmatch(page, -1) {
		list = append(list, block{found[1], strings.ReplaceAll(found[2], "\\\n", "")})
	}
	return list
}

func readPage(t *testing.T, name string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// TestDocumentation starts every command line of the pages and asks it for something. A session is with the last of them that
// stands before it.
func TestDocumentation(t *testing.T) {
	plugintest.NeedTool(t, "curl", "curl")
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) }))
	defer upstream.Close()
	for _, name := range []string{"web.md", "ssl-web.md"} {
		t.Run(name, func(t *testing.T) {
			page := readPage(t, name)
			t.Chdir(documentedFiles(t))
			var last *example
			count := map[string]int{}
			for _, b := range blocksOf(page) {
				count[b.kind]++
				switch b.kind {
				case "sh":
					for command := range strings.Lines(b.text) {
						last = runs(t, strings.NewReplacer("127.0.0.1:9000", upstream.Listener.Addr().String(), "/srv/", "srv/",
							"/var/log/gtwistd/", "").Replace(strings.TrimSpace(command)))
					}
				case "console":
					converse(t, last, b.text)
				}
			}
			if count["sh"] < 2 || count["console"] < 1 {
				t.Errorf("found the blocks %v", count)
			}
		})
	}
}

// documentedFiles makes what the examples name.
func documentedFiles(t *testing.T) string {
	t.Helper()
	dir := directory(t, map[string]string{
		"public/report.txt": "All is well.\n", "public/sub/file": "", "public/.git/config": "secret", "start.html": "",
		"report.txt": "All is well.\n", "notes.txt": "n", "big.bin": strings.Repeat("0123456789", 300),
		"incoming/.keep": "", "srv/example/index.html": "example", "users": "joe:$2y$04$Vcn0JfJ4fK0JcJ5bnFW9lO5z.iyKrAUXfWlRZr6bpFSsm1J7bKMnC\n",
	})
	t.Chdir(dir)
	a, b := selfSigned(t, "a.example"), selfSigned(t, "b.example")
	for file, content := range map[string][]byte{
		"both.pem": slices.Concat(a.key, a.cert), "ca.pem": a.cert, "a.crt": a.cert, "a.key": a.key, "b.crt": b.cert, "b.key": b.key,
	} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// pair is a certificate with its key in PEM.
type pair struct{ cert, key []byte }

func selfSigned(t *testing.T, name string) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pair{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}
}

// runs starts an example and asks each of its addresses for the root. An authority is not asked, and clients without a
// certificate are not answered where one is needed.
func runs(t *testing.T, command string) *example {
	t.Helper()
	e := start(t, command)
	for i := range e.ports {
		if e.secured[i] && (strings.Contains(command, "--acme") || strings.Contains(command, "--client-ca")) {
			continue
		}
		if status := statusOf(t, e.url(i), e.host); status != http.StatusOK && status != http.StatusMovedPermanently {
			t.Errorf("%s: GET %s/ = %d", command, e.url(i), status)
		}
	}
	return e
}

func statusOf(t *testing.T, url, host string) int {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	res, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// converse types the commands of a session and compares what they print, with the documented addresses.
func converse(t *testing.T, e *example, text string) {
	t.Helper()
	var there, back []string
	for i, port := range e.ports {
		documented, bound := "127.0.0.1:"+port, e.Addrs()[i].String()
		there, back = append(there, documented, bound), append(back, bound, documented)
	}
	for session := range strings.SplitSeq(text, "$ ") {
		if session == "" {
			continue
		}
		command, want, _ := strings.Cut(session, "\n")
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "export no_proxy='*'; "+strings.NewReplacer(there...).Replace(command)).CombinedOutput()
		got := strings.NewReplacer(back...).Replace(strings.ReplaceAll(string(out), "\r", ""))
		if err != nil || strings.TrimSpace(got) != strings.TrimSpace(want) {
			t.Errorf("%s\ngives %q, %v, want %q", command, got, err, want)
		}
	}
}
