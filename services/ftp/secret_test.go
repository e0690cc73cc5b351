package ftp_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
	"github.com/gtwistd/gtwistd/services/ftp/accounts"
)

// TestPasswordsAreNotLogged sends passwords in every shape, right and wrong, at the right and the wrong time. The log is that of
// level debug.
func TestPasswordsAreNotLogged(t *testing.T) {
	const wrong = "wr0ng-w0rd"
	tests := []struct {
		name   string
		before []string // each is answered
		line   string   // with %s for the password
	}{
		{"as it should be", []string{"USER alice"}, "PASS %s"},
		{"in small letters", []string{"USER alice"}, "pass %s"},
		{"in mixed letters", []string{"user alice"}, "PaSs %s"},
		{"behind blanks", []string{"USER alice"}, "   PASS %s"},
		{"after blanks", []string{"USER alice"}, "PASS    %s"},
		{"behind Telnet's signals", []string{"USER alice"}, "\xff\xf4\xff\xf2PASS %s"},
		{"behind Telnet's options", []string{"USER alice"}, "\xff\xfb\x01PASS %s"},
		{"with Telnet's signals inside", []string{"USER alice"}, "PA\xff\xf4SS %s"},
		{"without a user", nil, "PASS %s"},
		{"twice", []string{"USER alice", "PASS " + password}, "PASS %s"},
		{"of an unknown user", []string{"USER bob"}, "PASS %s"},
		{"of anonymous", []string{"USER anonymous"}, "PASS %s"},
		{"as an account", []string{"USER alice"}, "ACCT %s"},
		{"glued to the command", []string{"USER alice"}, "PASS%s"},
		{"with a tab", []string{"USER alice"}, "PASS\t%s"},
		{"with a misspelt command", []string{"USER alice"}, "PSAS %s"},
		{"with no command", []string{"USER alice"}, "%s"},
		{"as a command of another kind", []string{"USER alice"}, "SITE PASS %s"},
		{"with a NUL", []string{"USER alice"}, "PASS \x00%s"},
		{"behind a CR", []string{"USER alice"}, "PASS \r%s"},
		{"too long", []string{"USER alice"}, "PASS %s" + strings.Repeat("x", 3900)},
		{"longer than a line may be", []string{"USER alice"}, "PASS %s" + strings.Repeat("x", 5000)},
		{"in the middle of a line that is too long", []string{"USER alice"}, "PASS " + strings.Repeat("x", 5000) + "%s" + strings.Repeat("x", 5000)},
		{"before the name", nil, "PASS %s\r\nUSER alice"},
		{"in a name that is not tried", nil, "USER %s"},
		{"together with the name", nil, "USER alice\r\nPASS %s"},
		{"behind AUTH", nil, "AUTH TLS\r\nUSER alice\r\nPASS %s"},
		{"during a transfer", []string{"USER alice", "PASS " + password, "EPSV"}, "LIST\r\nPASS %s\r\nABOR"},
	}
	auth := passwords(t, "alice")
	xferlog := filepath.Join(t.TempDir(), "xferlog")
	srv := plugintest.Start(t, ftp.PluginWith(accounts.GuardOptions{}), "--listen", anyPort, "--implicit-port", anyPort, "--root", t.TempDir(),
		"--auth", auth, "--tls", "allow", "--xferlog", xferlog)
	for _, tt := range tests {
		for _, word := range []string{password, wrong} {
			t.Run(tt.name, func(t *testing.T) {
				c := dial(t, srv.Addrs()[0])
				c.want("220")
				for _, line := range tt.before {
					c.do(line, "")
				}
				_, _ = io.WriteString(c.conn, strings.ReplaceAll(tt.line, "%s", word)+"\r\n") // the server may hang up
				_, _ = io.WriteString(c.conn, "NOOP\r\nQUIT\r\n")
				_, _ = io.Copy(io.Discard, c.r)
			})
		}
	}
	ended(t, srv)
	written, err := os.ReadFile(xferlog)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{password, wrong} {
		for name, text := range map[string]string{"log": srv.Log(), "access log": srv.AccessLog(), "xferlog": string(written)} {
			if i := strings.Index(text, word); i >= 0 {
				t.Errorf("the %s has a password: %s", name, text[max(i-200, 0):min(i+50, len(text))])
			}
		}
	}
	if !strings.Contains(srv.Log(), "level=DEBUG") {
		t.Error("the log is not that of level debug")
	}
}
