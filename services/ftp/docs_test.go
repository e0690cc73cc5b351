package ftp_test

import (
	"bufio"
	"crypto/tls"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

// runExample starts the service of a documented command line, without what the line says to the runner and about other
// services, and waits until each of its addresses greets.
func runExample(t *testing.T, command string) *plugintest.Example {
	t.Helper()
	command, _, _ = strings.Cut(command, " + ")
	command += " "
	at := strings.LastIndex(command, " ftp ") // a user of that name may stand before it
	if at < 0 {
		t.Fatalf("%s: no ftp", command)
	}
	e := plugintest.StartExample(t, ftp.Plugin(), plugintest.Words(t, command[at+len(" ftp "):])...)
	for i, addr := range e.Addrs() {
		conn := dial(t, addr)
		if e.Secured[i] {
			conn.conn = tls.Client(conn.conn, trusting())
			conn.r = bufio.NewReader(conn.conn)
		}
		conn.want("220 ")
		conn.do("NOOP", "200")
		conn.do("QUIT", "221")
	}
	return e
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
	var last *plugintest.Example
	count := map[string]int{}
	here := strings.NewReplacer("/srv/", "srv/", "/etc/letsencrypt/", "", "/etc/gtwistd/", "", "/etc/gtwistd", ".", "/var/log/gtwistd/", "", "/var/log/gtwistd", ".")
	for _, b := range plugintest.Blocks(page) {
		count[b.Kind]++
		switch b.Kind {
		case "sh":
			for command := range strings.Lines(b.Text) {
				last = runExample(t, here.Replace(strings.TrimSpace(command)))
			}
		case "ini":
			last = runExample(t, here.Replace(regexp.MustCompile(`(?m)^ExecStart=(.*)$`).FindStringSubmatch(b.Text)[1]))
		case "bash":
			prepare(t, here.Replace(b.Text))
		case "toml":
			write(t, "users.toml", here.Replace(b.Text))
		case "console":
			converse(t, last, b.Text)
		}
	}
	if count["sh"] < 5 || count["console"] < 4 || count["ini"] != 1 || count["bash"] != 2 {
		t.Errorf("found the blocks %v", count)
	}
}

// documentedFiles makes what the examples name. The password of joe is "secret".
func documentedFiles(t *testing.T) string {
	t.Helper()
	dir := directory(t, map[string]string{
		"public/report.txt": "All is well.\n", "public/sub/file": "", "incoming/": "", "srv/files/": "",
		"report.txt": "All is well.\n", "notes.txt": "n\n", "big.bin": strings.Repeat("0123456789", 300),
		"passwords": "joe:$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1\n",
	})
	cert, key := plugintest.SelfSigned(t, "localhost")
	both := string(cert) + string(key)
	write(t, filepath.Join(dir, "ftp.pem"), both)
	live := filepath.Join(dir, "live", "example.org")
	if err := os.MkdirAll(live, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(live, "fullchain.pem"), both)
	write(t, filepath.Join(live, "privkey.pem"), "")
	return dir
}

// prepare runs the commands of an administrator, without what only root can do. The password is "secret" for everybody.
func prepare(t *testing.T, text string) {
	t.Helper()
	const ours = `set -e
useradd() { :; }
chown() { :; }
install() { shift 5; command install -d "$@"; }
gtwistd() { sed -n "s/^joe:/$2:/p" passwords; }
`
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", ours+text).CombinedOutput(); err != nil {
		t.Errorf("%s\n%v: %s", text, err, out)
	}
}

// converse types the commands of a session and compares what they print, whether they fail or not.
func converse(t *testing.T, e *plugintest.Example, text string) {
	t.Helper()
	for command, want := range plugintest.Sessions(text) {
		if got, err := e.Run(t.Context(), command); strings.TrimSpace(got) != strings.TrimSpace(want) {
			t.Errorf("%s\ngives %q, %v, want %q", command, got, err, want)
		}
	}
}

// TestDocumentedOptions compares the tables of the page with the flags.
func TestDocumentedOptions(t *testing.T) {
	fs := pflag.NewFlagSet("ftp", pflag.ContinueOnError)
	ftp.Plugin().New().Flags(fs)
	plugintest.CheckOptions(t, readPage(t), fs, "--")
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
	c.do("MLSD a.txt", "501")
}
