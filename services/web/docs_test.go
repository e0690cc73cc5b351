package web_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/web"
)

// example is a documented command line that runs.
type example struct {
	*plugintest.Example
	host string // of the first mount that has one
}

// url returns the beginning of URLs for one of the addresses.
func (e *example) url(i int) string {
	scheme := "http"
	if e.Secured[i] {
		scheme = "https"
	}
	return scheme + "://" + e.Addrs()[i].String()
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
	e := &example{Example: plugintest.StartExample(t, plugin(), plugintest.Words(t, args)...)}
	if host := regexp.MustCompile(`--mount ([a-z.]+)/`).FindStringSubmatch(args); host != nil {
		e.host = host[1]
	}
	return e
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
			for _, b := range plugintest.Blocks(page) {
				count[b.Kind]++
				switch b.Kind {
				case "sh":
					for command := range strings.Lines(b.Text) {
						last = runs(t, strings.NewReplacer("127.0.0.1:9000", upstream.Listener.Addr().String(), "/srv/", "srv/",
							"/var/log/gtwistd/", "").Replace(strings.TrimSpace(command)))
					}
				case "console":
					converse(t, last, b.Text)
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
	certA, keyA := plugintest.SelfSigned(t, "a.example")
	certB, keyB := plugintest.SelfSigned(t, "b.example")
	for file, content := range map[string][]byte{
		"both.pem": slices.Concat(keyA, certA), "ca.pem": certA, "a.crt": certA, "a.key": keyA, "b.crt": certB, "b.key": keyB,
	} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// runs starts an example and asks each of its addresses for the root. An authority is not asked, and clients without a
// certificate are not answered where one is needed.
func runs(t *testing.T, command string) *example {
	t.Helper()
	e := start(t, command)
	for i := range e.Ports {
		if e.Secured[i] && (strings.Contains(command, "--acme") || strings.Contains(command, "--client-ca")) {
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

// converse types the commands of a session and compares what they print.
func converse(t *testing.T, e *example, text string) {
	t.Helper()
	for command, want := range plugintest.Sessions(text) {
		if got, err := e.Run(t.Context(), command); err != nil || strings.TrimSpace(got) != strings.TrimSpace(want) {
			t.Errorf("%s\ngives %q, %v, want %q", command, got, err, want)
		}
	}
}
