package ftp_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

// example is a documented command line that runs, on free ports instead of those that it names.
type example struct {
	*plugintest.Server
	mu      sync.Mutex
	ports   []string // as documented, in the order of Addrs
	secured []bool   // those that begin with TLS
}

// note returns what to listen on instead of a documented endpoint.
func (e *example) note(spec string, secured bool) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ports, e.secured = append(e.ports, regexp.MustCompile(`\d+`).FindString(spec)), append(e.secured, secured)
	return anyPort
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

// runExample starts the service of a documented command line, without what the line says to the runner and about other
// services, and waits until each of its addresses greets.
func runExample(t *testing.T, command string) *example {
	t.Helper()
	command, _, _ = strings.Cut(command, " + ")
	command += " "
	at := strings.LastIndex(command, " ftp ") // a user of that name may stand before it
	if at < 0 {
		t.Fatalf("%s: no ftp", command)
	}
	e := &example{}
	p := ftp.Plugin()
	p.New = func() plugins.Maker { return loopback{ftp.Plugin().New(), e} }
	e.Server = plugintest.Start(t, p, words(t, command[at+len(" ftp "):])...)
	for i, addr := range e.Addrs() {
		conn := dial(t, addr)
		if e.secured[i] {
			conn.conn = tls.Client(conn.conn, trusting())
			conn.r = bufio.NewReader(conn.conn)
		}
		conn.want("220 ")
		conn.do("NOOP", "200")
		conn.do("QUIT", "221")
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

func readPage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/ftp.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// TestDocumentation starts every command line of the page, that of the unit among them, and lets each address greet. A session
// is with the last of them that stands before it.
func TestDocumentation(t *testing.T) {
	plugintest.NeedTool(t, "curl", "curl")
	page := readPage(t)
	t.Chdir(documentedFiles(t))
	var last *example
	count := map[string]int{}
	here := strings.NewReplacer("/srv/", "srv/", "/etc/gtwistd/", "", "/var/log/gtwistd/", "")
	for _, found := range regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$").FindAllStringSubmatch(page, -1) {
		kind, text := found[1], strings.ReplaceAll(found[2], "\\\n", "")
		count[kind]++
		switch kind {
		case "sh":
			for command := range strings.Lines(text) {
				last = runExample(t, here.Replace(strings.TrimSpace(command)))
			}
		case "ini":
			last = runExample(t, here.Replace(regexp.MustCompile(`(?m)^ExecStart=(.*)$`).FindStringSubmatch(text)[1]))
		case "console":
			converse(t, last, text)
		}
	}
	if count["sh"] < 5 || count["console"] < 4 || count["ini"] != 1 {
		t.Errorf("found the blocks %v", count)
	}
}

// documentedFiles makes what the examples name. The password of joe is "secret".
func documentedFiles(t *testing.T) string {
	t.Helper()
	dir := directory(t, map[string]string{
		"public/report.txt": "All is well.\n", "public/sub/file": "", "incoming/": "", "srv/files/": "",
		"report.txt": "All is well.\n", "notes.txt": "n\n", "big.bin": strings.Repeat("0123456789", 300),
		"users": "joe:$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1\n",
	})
	if err := os.WriteFile(filepath.Join(dir, "ftp.pem"), selfSigned(t), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// selfSigned returns a certificate and its key.
func selfSigned(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(24 * time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}

// converse types the commands of a session and compares what they print, whether they fail or not.
func converse(t *testing.T, e *example, text string) {
	t.Helper()
	var there []string
	for i, port := range e.ports {
		there = append(there, "127.0.0.1:"+port, e.Addrs()[i].String())
	}
	for session := range strings.SplitSeq("\n"+text, "\n$ ") {
		command, want, _ := strings.Cut(session, "\n")
		if command == "" {
			continue
		}
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "export no_proxy='*'; "+strings.NewReplacer(there...).Replace(command)).CombinedOutput()
		if got := strings.ReplaceAll(string(out), "\r", ""); strings.TrimSpace(got) != strings.TrimSpace(want) {
			t.Errorf("%s\ngives %q, %v, want %q", command, got, err, want)
		}
	}
}

// TestDocumentedOptions compares the tables of the page with the flags.
func TestDocumentedOptions(t *testing.T) {
	fs := pflag.NewFlagSet("ftp", pflag.ContinueOnError)
	ftp.Plugin().New().Flags(fs)
	found := map[string]bool{}
	page := strings.ReplaceAll(readPage(t), `\|`, "¦")
	for _, row := range regexp.MustCompile("(?m)^\\| `(?:-\\w, )?--([a-z0-9-]+)(.*?) \\| (.*?) ?\\| .* \\|$").FindAllStringSubmatch(page, -1) {
		flag := fs.Lookup(row[1])
		if flag == nil {
			t.Errorf("there is no option --%s", row[1])
			continue
		}
		found[row[1]] = true
		if nothing := flag.DefValue == "" || flag.DefValue == "0" || flag.DefValue == "false" || flag.DefValue == "[]"; !nothing && row[3] != "`"+flag.DefValue+"`" {
			t.Errorf("--%s: the default is %q, documented as %s", row[1], flag.DefValue, row[3])
		}
		if _, list := flag.Value.(pflag.SliceValue); list != strings.HasSuffix(row[2], "+") {
			t.Errorf("--%s: repeatable is %v, documented as %q", row[1], list, row[2])
		}
	}
	fs.VisitAll(func(f *pflag.Flag) {
		if !found[f.Name] && !f.Hidden {
			t.Errorf("--%s is in no table", f.Name)
		}
	})
}

// TestDocumentedGaps sends what the page says is answered in a way of its own.
func TestDocumentedGaps(t *testing.T) {
	dir := directory(t, map[string]string{"a.txt": "0123456789", "sub/b.txt": "b"})
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable")
	c := anonymous(t, srv)
	for _, row := range regexp.MustCompile(`(?m)^\| (SMNT, .*) \| 502 \|$`).FindAllStringSubmatch(readPage(t), -1) {
		for verb := range strings.SplitSeq(row[1], ", ") {
			c.do(verb, "502")
		}
	}
	c.do("RANG 1 2", "500")
	c.do("MDTM 20200101000000 a.txt", "550")
	c.do("SITE CHOWN nobody a.txt", "504")
	c.do("SITE UMASK 0", "504")
	c.do("HOST ftp.example.org", "220")
	c.do("REST 5", "350")
	if got := c.get("LIST -R"); strings.Contains(got, "b.txt") || !strings.Contains(got, "a.txt") {
		t.Errorf("LIST -R = %q", got)
	}
	if got := c.get("RETR a.txt"); got != "0123456789" {
		t.Errorf("RETR after REST and LIST = %q", got)
	}
	c.do("RNFR a.txt", "350")
	c.do("NOOP", "200")
	c.do("RNTO b.txt", "503")
	_ = c.pasv()
	c.do("MLSD a.txt", "550")
}
