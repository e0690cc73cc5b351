package ftp_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	jlaffaye "github.com/jlaffaye/ftp"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

// trusting takes any certificate and resumes sessions.
func trusting() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(8), ServerName: "localhost"}
}

func TestExplicitTLS(t *testing.T) {
	dir := directory(t, map[string]string{"a.txt": strings.Repeat("0123456789", 100_000)})
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--tls", "require", "--writable")
	c := login(t, srv, jlaffaye.DialWithExplicitTLS(trusting()))
	checkTransfers(t, c, dir)
}

func TestImplicitTLS(t *testing.T) {
	dir := directory(t, map[string]string{"a.txt": strings.Repeat("0123456789", 100_000)})
	srv := plugintest.Start(t, ftp.Plugin(), "--implicit-port", anyPort, "--listen", anyPort, "--root", dir, "--writable")
	addr := srv.Addrs()[1]
	c, err := jlaffaye.Dial(addr.String(), jlaffaye.DialWithTLS(trusting()), jlaffaye.DialWithTimeout(20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Quit() }()
	if err := c.Login("anonymous", "x"); err != nil {
		t.Fatal(err)
	}
	checkTransfers(t, c, dir)
}

func checkTransfers(t *testing.T, c *jlaffaye.ServerConn, dir string) {
	t.Helper()
	if list, err := c.List("/"); err != nil || len(list) != 1 {
		t.Errorf("List = %v, %v", list, err)
	}
	r, err := c.Retr("a.txt")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil || len(got) != 1_000_000 {
		t.Errorf("Retr = %d bytes, %v", len(got), err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Stor("new", strings.NewReader(string(got))); err != nil {
		t.Fatal(err)
	}
	if stored, err := os.ReadFile(filepath.Join(dir, "new")); string(stored) != string(got) || err != nil {
		t.Errorf("stored %d bytes, %v", len(stored), err)
	}
	if err := c.Stor("empty", strings.NewReader("")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "empty")); err != nil || info.Size() != 0 {
		t.Errorf("empty: %v, %v", info, err)
	}
}

func TestTLSCommands(t *testing.T) {
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", directory(t, map[string]string{"a.txt": "abc"}), "--tls", "require", "--writable")
	c := dial(t, srv.Addrs()[0])
	c.want("220")
	c.do("USER anonymous", "530")
	c.do("PASS x", "503")
	c.do("PROT P", "503")
	c.do("AUTH KERBEROS", "504")
	config := trusting()
	c.startTLS(config)
	c.do("AUTH TLS", "503")
	c.do("USER anonymous", "331")
	c.do("PASS x", "230")
	c.do("PASV", "227")
	c.do("RETR a.txt", "521")
	c.do("PBSZ 0", "200")
	c.do("PROT C", "534")
	c.do("PROT S", "536")
	c.do("PROT X", "504")
	c.do("PROT P", "200")
	if feat := c.do("FEAT", "211-"); !strings.Contains(feat, " AUTH TLS\r\n") || !strings.Contains(feat, " PROT\r\n") {
		t.Errorf("FEAT: %q", feat)
	}

	data := c.pasv()
	c.do("RETR a.txt", "150")
	conn := tls.Client(data, config)
	if got, err := io.ReadAll(conn); string(got) != "abc" || err != nil {
		t.Errorf("RETR = %q, %v", got, err)
	}
	if !conn.ConnectionState().DidResume {
		t.Error("the data connection did not resume the session")
	}
	c.want("226")

	// Whoever cuts an upload short sends a FIN and cannot send TLS's end.
	data = c.pasv()
	c.do("STOR cut", "150")
	conn = tls.Client(data, config)
	if _, err := io.WriteString(conn, "the first half"); err != nil {
		t.Fatal(err)
	}
	_ = data.Close()
	c.want("426")
	c.do("MDTM cut", "550")
	c.do("SIZE cut", "213 14")
}

// TestInjectedPlaintext says that what came before TLS is not taken for what came under it (CVE-2011-0411).
func TestInjectedPlaintext(t *testing.T) {
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", t.TempDir(), "--tls", "allow")
	c := dial(t, srv.Addrs()[0])
	c.want("220")
	c.send("AUTH TLS\r\nUSER mallory")
	c.want("503")
	c.want("331")
}

// TestSessionReuse comes to a data connection as the client of its commands, as that of another session, which may be anybody with a
// session of this server, and as somebody without one.
func TestSessionReuse(t *testing.T) {
	dir := directory(t, map[string]string{"a.txt": "abc"})
	for _, mode := range []string{"off", "warn", "require"} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--implicit-port", anyPort, "--root", dir, "--tls", "require", "--tls-session-reuse", mode)
			for _, implicit := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %s implicit %v", mode, tls.VersionName(version), implicit), func(t *testing.T) {
					mine, others := trusting(), trusting()
					mine.MaxVersion, others.MaxVersion = version, version
					c, other := encrypted(t, srv, implicit, mine), encrypted(t, srv, implicit, others)
					if got := other.fetch(others, "RETR a.txt", "226"); got != "abc" {
						t.Errorf("the other client has %q", got)
					}
					for _, tt := range []struct {
						name   string
						config *tls.Config
						own    bool
					}{
						{"none", &tls.Config{InsecureSkipVerify: true, MaxVersion: version}, false},
						{"own", mine, true},
						{"another's", others, false},
						{"own again", mine, true},
					} {
						want, content := "226", "abc"
						if mode == "require" && !tt.own {
							want, content = "522 The data connection must resume the TLS session of the control connection.", ""
						}
						before := strings.Count(srv.Log(), "a data connection did not resume the TLS session of its commands")
						if got := c.fetch(tt.config, "RETR a.txt", want); got != content {
							t.Errorf("%s: RETR = %q, want %q", tt.name, got, content)
						}
						warned := strings.Count(srv.Log(), "a data connection did not resume the TLS session of its commands") > before
						if warned == (tt.own || mode == "off") {
							t.Errorf("%s: a warning: %v", tt.name, warned)
						}
					}
				})
			}
		}
	}
}

// encrypted logs in under TLS, to the second port of the server if it is implicit.
func encrypted(t *testing.T, srv *plugintest.Server, implicit bool, config *tls.Config) *raw {
	t.Helper()
	var c *raw
	if implicit {
		c = dial(t, srv.Addrs()[1])
		c.conn = tls.Client(c.conn, config)
		c.r = bufio.NewReader(c.conn)
		c.want("220")
	} else {
		c = dial(t, srv.Addrs()[0])
		c.want("220")
		c.startTLS(config)
		c.do("PBSZ 0", "200")
		c.do("PROT P", "200")
	}
	c.do("USER ftp", "331")
	c.do("PASS x", "230")
	return c
}

// fetch gets what a command sends under TLS, which may be nothing.
func (c *raw) fetch(config *tls.Config, line, want string) string {
	c.t.Helper()
	data := c.pasv()
	c.do(line, "150")
	got, _ := io.ReadAll(tls.Client(data, config))
	c.want(want)
	return string(got)
}

// TestSilentTLS connects to the implicit port and says nothing. The library alone would wait for ever.
func TestSilentTLS(t *testing.T) {
	srv := plugintest.Start(t, ftp.Plugin(), "--implicit-port", anyPort, "--listen", anyPort, "--root", t.TempDir(), "--login-timeout", "200ms")
	conn, err := net.Dial("tcp", srv.Addrs()[1].String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the server still waits")
	}
}

func TestReport(t *testing.T) {
	dir := t.TempDir()
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--tls", "allow")
	_ = anonymous(t, srv)
	var keys []string
	for _, a := range srv.Service.(plugins.Reporter).Report() {
		keys = append(keys, a.Key)
	}
	if got := strings.Join(keys, " "); !strings.HasPrefix(got, "root anonymous sessions ") || len(keys) < 4 {
		t.Errorf("Report() has %q, want the root, sessions and the certificate", got)
	}
}
