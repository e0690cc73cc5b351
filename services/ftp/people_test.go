package ftp_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

// TestDeletedUser says that who is taken out of the password file loses all rights in open sessions, also if the users file
// still has a table of that user, which is an error.
func TestDeletedUser(t *testing.T) {
	for name, table := range map[string]string{"without a table": "", "with one": "[users.mal]\npermissions = \"all\"\n"} {
		t.Run(name, func(t *testing.T) {
			dir := directory(t, map[string]string{"a.txt": "abc"})
			auth, file := passwords(t, "alice", "mal"), filepath.Join(t.TempDir(), "users.toml")
			write(t, file, table)
			srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--auth", auth, "--users", file, "--anonymous", "off", "--writable")
			alice, mal := enter(t, srv, "alice", password, "230"), enter(t, srv, "mal", password, "230")
			mal.put("STOR new", "x")
			reload := srv.Service.(plugins.Reloader).Reload
			replace(t, auth, passwords(t, "alice"))
			if err := reload(t.Context()); (err != nil) != (table != "") {
				t.Errorf("Reload() = %v", err)
			}
			for _, line := range []string{"NLST", "RETR a.txt", "STOR more"} {
				_ = mal.pasv()
				mal.do(line, "550")
			}
			mal.do("DELE new", "550")
			mal.do("SIZE new", "550")
			enter(t, srv, "mal", password, "530").gone()
			alice.do("DELE new", "250")

			replace(t, auth, passwords(t, "alice", "mal"))
			if err := reload(t.Context()); err != nil {
				t.Errorf("Reload() = %v", err)
			}
			mal.put("STOR new", "x")
			enter(t, srv, "mal", password, "230")
		})
	}
}

// replace writes what another file has.
func replace(t *testing.T, path, other string) {
	t.Helper()
	content, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, string(content))
}

// TestUsersWithoutAPassword says that nobody in the password file has a name with which everybody is let in.
func TestUsersWithoutAPassword(t *testing.T) {
	for _, tt := range []struct {
		name, user string
		args       []string
		bad        bool
	}{
		{"the name of RFC 1635", "anonymous", nil, true},
		{"the other one", "FTP", nil, true},
		{"a name of one's own", "joe", []string{"--user-anonymous", "joe"}, true},
		{"no more the usual one", "anonymous", []string{"--user-anonymous", "joe"}, false},
		{"nobody is anonymous", "ftp", []string{"--anonymous", "off"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{"--listen", anyPort, "--root", t.TempDir()}, tt.args...)
			auth := passwords(t, "alice", tt.user)
			_, err := makeService(t, plugintest.NewHost(t, "ftp"), append(args, "--auth", auth)...)
			usage, refused := errors.AsType[*plugins.UsageError](err)
			want := `"` + auth + `": "` + tt.user + `" is anonymous here`
			if refused != tt.bad || refused && (!strings.Contains(err.Error(), want) || !strings.Contains(usage.Suggestion, "--anonymous off")) {
				t.Errorf("Make() = %v, want %q: %v", err, want, tt.bad)
			}

			auth = passwords(t, "alice")
			srv := plugintest.Start(t, ftp.Plugin(), append(args, "--auth", auth)...)
			replace(t, auth, passwords(t, "alice", tt.user))
			if err := srv.Service.(plugins.Reloader).Reload(t.Context()); (err != nil) != tt.bad {
				t.Errorf("Reload() = %v", err)
			}
		})
	}
}

// TestAnonymousRecord says that the log tells anonymous sessions by one name.
func TestAnonymousRecord(t *testing.T) {
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", t.TempDir(), "--user-anonymous", "guest")
	enter(t, srv, "guest", "x", "230")
	enter(t, srv, "ftp", "x", "230")
	for _, want := range []string{"msg=login", "user=anonymous name=guest", "user=anonymous name=ftp"} {
		if log := srv.Log(); !strings.Contains(log, want) {
			t.Errorf("no %q in %s", want, log)
		}
	}
}

// TestTLSInWords says that the record of the start has what there is on which ports.
func TestTLSInWords(t *testing.T) {
	for want, args := range map[string][]string{
		"off":                  {"--listen", anyPort},
		"implicit":             {"--implicit-port", anyPort},
		"off and implicit":     {"--listen", anyPort, "--implicit-port", anyPort},
		"require and implicit": {"--listen", anyPort, "--implicit-port", anyPort, "--tls", "require"},
	} {
		t.Run(want, func(t *testing.T) {
			srv := plugintest.Start(t, ftp.Plugin(), append(args, "--root", t.TempDir())...)
			got := ""
			for _, attr := range srv.Service.(plugins.Reporter).Report() {
				if attr.Key == "tls" {
					got = attr.Value.String()
				}
			}
			if got != want {
				t.Errorf("tls %q, want %q", got, want)
			}
		})
	}
}
