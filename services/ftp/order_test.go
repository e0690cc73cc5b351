package ftp_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
	"github.com/gtwistd/gtwistd/services/ftp/accounts"
)

// TestRenameOrder says that RNTO is about the RNFR just before it, and no other.
func TestRenameOrder(t *testing.T) {
	dir := directory(t, map[string]string{"a": "aaa", "b": "bbb", "sub/": ""})
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable")
	c := anonymous(t, srv)
	for name, lines := range map[string][]string{
		"another command":    {"RNFR b", "350", "NOOP", "200"},
		"one that is unlike": {"RNFR b", "350", "XYZZY", "500"},
		"a listing":          {"RNFR b", "350", "STAT", "211"},
		"a missing file":     {"RNFR b", "350", "RNFR missing", "550"},
		"no file":            {"RNFR b", "350", "RNFR", "501"},
		"no new name":        {"RNFR b", "350", "RNTO", "501"},
		"a rename that fails": {
			"RNFR b", "350", "RNTO /nodir/x", "550",
			"RNFR missing", "550",
		},
		"a rename that does not": {"RNFR a", "350", "RNTO c", "250", "RNFR c", "350", "RNTO a", "250"},
		"a directory":            {"RNFR b", "350", "CWD sub", "250", "CDUP", "250"},
	} {
		t.Run(name, func(t *testing.T) {
			c.t = t
			for i := 0; i < len(lines); i += 2 {
				c.do(lines[i], lines[i+1])
			}
			c.do("RNTO moved", "503")
			holds(t, "bbb", dir, "b")
		})
	}
	c.t = t
	c.do("CWD sub", "250")
	c.do("RNFR ../b", "350")
	c.do("RNTO b", "250 Renamed.")
	holds(t, "bbb", dir, "sub/b")
}

// TestRestartOrder says that REST is about the transfer that follows, with nothing between but what opens its connection.
func TestRestartOrder(t *testing.T) {
	for _, upload := range []string{"atomic", "direct"} {
		dir := t.TempDir()
		srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable", "--upload", upload)
		c := anonymous(t, srv)
		for _, tt := range []struct {
			name  string
			lines []string // that come between, with their answers
			want  string
		}{
			{"nothing", nil, "ccccXXcccc"},
			{"a port", []string{"EPSV", "229", "TYPE I", "200", "PORT 127,0,0,1,200,1", "200"}, "ccccXXcccc"},
			{"NOOP", []string{"NOOP", "200"}, "XX"},
			{"a directory", []string{"CWD /", "250"}, "XX"},
			{"the size", []string{"SIZE c", "213 10"}, "XX"},
			{"no command", []string{"XYZZY", "500"}, "XX"},
			{"a transfer that is refused", []string{"STOR", "501"}, "XX"},
			{"one that fails", []string{"RETR missing", "550"}, "XX"},
			{"another offset", []string{"REST 2", "350"}, "ccXXcccccc"},
			{"another that is none", []string{"REST x", "501"}, "XX"},
			{"the beginning", []string{"REST 0", "350"}, "XX"},
		} {
			t.Run(upload+"/"+tt.name, func(t *testing.T) {
				c.t = t
				write(t, filepath.Join(dir, "c"), strings.Repeat("c", 10))
				c.do("REST 4", "350")
				for i := 0; i < len(tt.lines); i += 2 {
					c.do(tt.lines[i], tt.lines[i+1])
				}
				c.put("STOR c", "XX")
				if upload == "atomic" { // what is behind the end of an upload goes
					tt.want = strings.TrimRight(tt.want, "c")
				}
				holds(t, tt.want, dir, "c")
				if got := c.get("RETR c"); got != tt.want {
					t.Errorf("RETR = %q, want %q", got, tt.want)
				}
			})
		}
	}
}

func TestRestartListing(t *testing.T) {
	dir := directory(t, map[string]string{"a": "0123456789"})
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable")
	c := anonymous(t, srv)
	c.do("REST 4", "350")
	if got := c.get("NLST"); got != "a\r\n" {
		t.Errorf("NLST = %q", got)
	}
	c.put("STOR a", "new")
	holds(t, "new", dir, "a")
	c.do("REST 2", "350")
	c.put("STOU", "unique")
	c.do("REST 1", "350")
	c.put("APPE a", "er")
	holds(t, "newer", dir, "a")
	c.do("REST 2", "350")
	if got := c.get("RETR a"); got != "wer" {
		t.Errorf("RETR = %q, want what is from 2", got)
	}
	if got := c.get("RETR a"); got != "newer" {
		t.Errorf("RETR once more = %q, want all", got)
	}
	_ = c.pasv()
	c.do("REST 6", "350")
	c.do("RETR a", "554")
	c.do("REST 5", "350")
	if got := c.get("RETR a"); got != "" {
		t.Errorf("RETR at the end = %q", got)
	}

	c.do("REST 2", "350")
	c.do("TYPE A", "200")
	for _, line := range []string{"RETR a", "STOR a"} {
		_ = c.pasv()
		c.do("TYPE I", "200")
		c.do("REST 2", "350")
		c.do("TYPE A", "200")
		c.do(line, "554 REST is for TYPE I.")
	}
	c.do("REST 2", "501 REST is for TYPE I.")
	if got := c.get("RETR a"); got != "newer" {
		t.Errorf("RETR in ASCII mode = %q", got)
	}
}

// TestRestartUnderTLS has PBSZ and PROT between, which some clients send for each connection.
func TestRestartUnderTLS(t *testing.T) {
	dir := directory(t, map[string]string{"a": "0123456789"})
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--tls", "require")
	c := dial(t, srv.Addrs()[0])
	c.want("220")
	config := trusting()
	c.startTLS(config)
	c.do("USER ftp", "331")
	c.do("PASS x", "230")
	c.do("REST 4", "350")
	c.do("PBSZ 0", "200")
	c.do("PROT P", "200")
	data := c.pasv()
	c.do("RETR a", "150")
	if got, err := io.ReadAll(tls.Client(data, config)); string(got) != "456789" || err != nil {
		t.Errorf("RETR = %q, %v", got, err)
	}
	c.want("226")
}

// TestLoginBeforeTLS says that nothing of what came in clear counts under TLS: somebody between could have sent it.
func TestLoginBeforeTLS(t *testing.T) {
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", t.TempDir(), "--tls", "allow", "--writable")
	c := dial(t, srv.Addrs()[0])
	c.want("220")
	c.do("USER anonymous", "331")
	c.startTLS(trusting())
	c.do("PASS x", "503")
	c.do("PWD", "530")
	c.do("USER anonymous", "331")
	c.do("PASS x", "230")

	c = anonymous(t, srv)
	c.do("AUTH TLS", "503 AUTH TLS comes before the login")
	c.do("PWD", "257")
	c.do("REIN", "220")
	c.startTLS(trusting())
	c.do("PWD", "530")
}

// TestRefusedUser says that a name that was refused is not kept.
func TestRefusedUser(t *testing.T) {
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", t.TempDir(), "--tls", "require")
	c := dial(t, srv.Addrs()[0])
	c.want("220")
	c.do("USER anonymous", "530")
	c.startTLS(trusting())
	c.do("PASS x", "503")
}

// twoUsers is a server with alice, who may log in once, and bob, each with a directory.
func twoUsers(t *testing.T, args ...string) (*plugintest.Server, string) {
	t.Helper()
	dir := directory(t, map[string]string{"alice/a": "alice's", "alice/sub/": "", "bob/b": "bob's"})
	file := filepath.Join(t.TempDir(), "users.toml")
	write(t, file, "[defaults]\nroot = \""+dir+"/%u\"\npermissions = \"all\"\n[users.alice]\nmax-sessions = 1\n[users.bob]\npermissions = \"read-only\"\n")
	args = append([]string{"--listen", anyPort, "--root", dir, "--auth", passwords(t, "alice", "bob"), "--users", file}, args...)
	return plugintest.Start(t, ftp.PluginWith(accounts.GuardOptions{}), args...), dir
}

func TestReinitialize(t *testing.T) {
	srv, dir := twoUsers(t)
	c := dial(t, srv.Addrs()[0])
	c.want("220")
	c.do("REIN", "220")
	c.do("USER alice", "331")
	c.do("PASS "+password, "230")
	for _, line := range []string{"CWD sub", "TYPE A", "OPTS HASH MD5", "EPSV ALL", "EPSV"} {
		c.do(line, "2")
	}
	c.do("REIN", "220")
	c.do("PWD", "530")
	c.do("PASS "+password, "503")

	other := enter(t, srv, "alice", password, "230") // her only session has ended
	other.do("QUIT", "221")
	other.gone()

	c.do("USER bob", "331")
	c.do("PASS "+password, "230")
	c.do("PWD", `257 "/"`)
	c.do("OPTS HASH", "200 SHA-256")
	c.do("REST 1", "350") // and so TYPE I
	if got := c.get("RETR b"); got != "ob's" {
		t.Errorf("RETR = %q", got)
	}
	c.do("RETR a", "550")
	_ = c.pasv()
	c.do("STOR new", "550 /new: permission denied.")
	c.do("REIN", "220")
	c.do("REIN", "220")
	c.do("USER alice", "331")
	c.do("PASS wrong", "530")
	c.gone()
	holds(t, "alice's", dir, "alice/a")
	if log := srv.Log(); !strings.Contains(log, "logout") {
		t.Errorf("no logout in %s", log)
	}
}

// TestUserAfterLogin is RFC 959's way to another user: what is about transfers stays.
func TestUserAfterLogin(t *testing.T) {
	srv, _ := twoUsers(t)
	c := enter(t, srv, "alice", password, "230")
	c.do("CWD sub", "250")
	c.do("TYPE A", "200")
	c.send("USER bob\r\nPASS " + password + "\r\nPWD")
	c.want("331")
	c.want("230")
	c.want(`257 "/"`)
	c.do("REST 1", "501")
	if got := c.get("RETR b"); got != "bob's" {
		t.Errorf("RETR = %q", got)
	}
	c.do("USER", "501")
	c.do("PWD", "257")
	enter(t, srv, "alice", password, "230")
	c.do("USER alice", "331")
	c.do("PWD", "530")
	c.do("PASS "+password, "421 Too many sessions of this user, at most 1.")
	c.gone()
}

// TestReinitializeAfterAbort lets the login go while its upload is being cleaned up.
func TestReinitializeAfterAbort(t *testing.T) {
	srv, dir := twoUsers(t)
	c := enter(t, srv, "alice", password, "230")
	data := c.pasv()
	c.do("STOR f", "150")
	if _, err := io.WriteString(data, "half"); err != nil {
		t.Fatal(err)
	}
	c.send("ABOR\r\nREIN\r\nUSER alice\r\nPASS " + password)
	c.want("426")
	c.want("226")
	c.want("220")
	c.want("331")
	c.want("230")
	if _, err := os.Stat(filepath.Join(dir, "alice/f")); err == nil {
		t.Error("half a file has its name")
	}
}

// TestReinitializeLate comes when the time for the first login is over.
func TestReinitializeLate(t *testing.T) {
	const patience = time.Second
	srv, _ := twoUsers(t, "--login-timeout", patience.String())
	began := time.Now()
	c := enter(t, srv, "alice", password, "230")
	for time.Since(began) < patience {
		c.do("NOOP", "200")
	}
	c.do("REIN", "220")
	c.do("USER bob", "331")
	c.want("421 No login for 1s.")
	c.gone()
}

// TestStatBeforeConnection sends what is about a transfer before there is a data connection: STAT has its answer as soon as there
// is one, ABOR at once, and one answer comes after the other.
func TestStatBeforeConnection(t *testing.T) {
	dir := t.TempDir()
	sparse(t, dir, "large")
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir)
	c := anonymous(t, srv)
	port := c.passivePort("EPSV")
	c.send("RETR large\r\nSTAT")
	until(t, "a transfer", func() bool { return transfers(srv) > 0 })
	data := c.connect(fmt.Sprintf("127.0.0.1:%d", port))
	c.want("150")
	c.want("211")
	c.do("ABOR", "426")
	c.want("226")
	_ = data.Close()

	c.passivePort("EPSV")
	c.send("RETR large\r\nSTAT\r\nABOR\r\nNOOP")
	for _, want := range []string{"426 Transfer aborted.", "211", "226", "200"} {
		c.want(want)
	}
}

// transfers is how many the service reports.
func transfers(srv *plugintest.Server) int64 {
	for _, a := range srv.Service.(plugins.Reporter).Report() {
		if a.Key == "transfers" {
			return a.Value.Int64()
		}
	}
	return 0
}
