package ftp_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	jlaffaye "github.com/jlaffaye/ftp"
	"go.uber.org/goleak"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const anyPort = "tcp:0:interface=127.0.0.1"

func TestContract(t *testing.T) {
	plugintest.Run(t, ftp.Plugin(), plugintest.Config{
		Args: []string{"--listen", anyPort, "--implicit-port", anyPort, "--tls", "allow", "--root", t.TempDir()},
		BadArgs: [][]string{
			{"--port", "ftp"},
			{"--port="},
			{"--root="},
			{"--anonymous", "perhaps"},
			{"--anonymous", "off"},
			{"--user-anonymous="},
			{"--passive-ports", "50100-50000"},
			{"--passive-ports", "0-10"},
			{"--passive-ports", "1-70000"},
			{"--public-ip", "::1"},
			{"--public-ip", "10.0.0.0/99=1.2.3.4"},
			{"--public-ip", "1.2.3.4.5"},
			{"--public-ip="},
			{"--public-ip", "0.0.0.0"},
			{"--public-ip", "224.0.0.1"},
			{"--public-ip", "1.2.3.4", "--public-ip", "1.2.3.5"},
			{"--public-ip", "10.0.0.0/8=1.2.3.4", "--public-ip", "10.0.0.0/8=1.2.3.5"},
			{"--public-ip", "10.0.0.5/8=1.2.3.4"},
			{"--upload", "later"},
			{"--tls", "maybe"},
			{"--tls", "off", "--certificate", "cert.pem"},
			{"--privkey", "key.pem"},
			{"--tls-session-reuse", "require"},
			{"--max-clients", "-1"},
			{"--max-clients-per-ip", "-1"},
			{"--login-delay", "2h"},
			{"--ban-after", "-1"},
			{"--ban-after", "101"},
			{"--ban-user-after", "-1"},
			{"--ban-user-after", "101"},
			{"--ban-window", "0"},
			{"--ban-after", "0", "--ban-user-after", "1", "--ban-window", "0"},
			{"--ban-time", "0"},
			{"--ban-after", "0", "--ban-time", "1h"},
			{"--ban-after", "0", "--ban-window", "1h"},
			{"--ban-trust", "10.0.0.0/33"},
			{"--ban-trust", "home"},
			{"--ban-trust="},
			{"--listen", "ssl:2121"},
			{"--client-ca", "ca.pem", "--tls", "allow"},
			{"--login-timeout", "0"},
			{"--login-timeout", "1us"},
			{"--stall-timeout", "0"},
			{"--stall-timeout", "9ms"},
			{"--idle-timeout", "1ns"},
			{"--idle-timeout", "soon"},
			{"--min-rate", "fast"},
			{"--xferlog="},
			{"--auth", "a", "--password-file", "b"},
			{"--users="},
		},
	})
}

// directory makes files with these contents; a name that ends in a slash is a directory.
func directory(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if name[len(name)-1] == '/' {
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// login connects with a Go client.
func login(t testing.TB, srv *plugintest.Server, options ...jlaffaye.DialOption) *jlaffaye.ServerConn {
	t.Helper()
	options = append([]jlaffaye.DialOption{jlaffaye.DialWithTimeout(20 * time.Second)}, options...)
	c, err := jlaffaye.Dial(srv.Addrs()[0].String(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Quit() })
	if err := c.Login("anonymous", "me@example.org"); err != nil {
		t.Fatal(err)
	}
	return c
}
