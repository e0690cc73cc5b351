package ftp_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
	"github.com/gtwistd/gtwistd/services/ftp/accounts"
)

// passwords has these users, all with that password.
func passwords(t *testing.T, names ...string) string {
	t.Helper()
	plugintest.NeedTool(t, "openssl", "openssl")
	hash, err := exec.CommandContext(t.Context(), "openssl", "passwd", "-6", "-salt", "saltsalt", password).Output()
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for _, name := range names {
		lines.WriteString(name + ":" + string(hash))
	}
	path := filepath.Join(t.TempDir(), "passwords")
	write(t, path, lines.String())
	return path
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// enter logs in; want is how the answer to the password begins.
func enter(t *testing.T, srv *plugintest.Server, name, password, want string) *raw {
	t.Helper()
	c := dial(t, srv.Addrs()[0])
	c.want("220")
	c.do("USER "+name, "331")
	c.do("PASS "+password, want)
	return c
}

// refused stores content and wants the transfer to fail with that answer.
func refused(t *testing.T, c *raw, line, content, want string) {
	t.Helper()
	data := c.pasv()
	c.do(line, "150")
	_, _ = io.WriteString(data, content) // the server may hang up in the middle
	_ = data.Close()
	c.want(want)
}

func TestUsersFile(t *testing.T) {
	dir := directory(t, map[string]string{"alice/a.txt": "alice's", "bob/b.txt": "bob's", "carol/": "", "pub/p.txt": "all's"})
	file := filepath.Join(dir, "pub", "users.toml")
	const text = `
[defaults]
root = "../%u"
permissions = "read-only"
[anonymous]
root = "."
[users.alice]
permissions = "all"
quota = 100
max-sessions = 2
[users.carol]
permissions = "all"
max-file-size = 50
[users.off]
enabled = false
[users.ghost]
`
	write(t, file, text)
	srv := plugintest.Start(t, ftp.PluginWith(accounts.GuardOptions{}), "--listen", anyPort, "--root", dir,
		"--auth", passwords(t, "alice", "bob", "carol", "off", "ghost"), "--users", file)
	if log := srv.Log(); !strings.Contains(log, filepath.Join(dir, "ghost")) {
		t.Errorf("no warning of a root that is not there in %s", log)
	}

	alice, bob := enter(t, srv, "alice", password, "230"), enter(t, srv, "bob", password, "230")
	if got := alice.get("RETR a.txt"); got != "alice's" {
		t.Errorf("alice has %q", got)
	}
	if got := bob.get("NLST"); got != "b.txt\r\n" {
		t.Errorf("bob sees %q", got)
	}
	_ = bob.pasv()
	bob.do("STOR new", "550 /new: permission denied.")
	bob.do("DELE b.txt", "550")
	bob.do("MKD ./b\x00d", "550")
	for _, want := range []string{`path=/b.txt command=DELE reason="permission denied"`, `path="/b\nd" command=MKD reason="permission denied"`} {
		if log := srv.Log(); !strings.Contains(log, `level=WARN msg="change refused"`) || !strings.Contains(log, want) {
			t.Errorf("no %s in %s", want, log)
		}
	}

	alice.put("STOR half", strings.Repeat("x", 60))
	refused(t, alice, "STOR over", strings.Repeat("x", 60), "552 Quota exceeded.")
	alice.do("DELE half", "250")
	alice.put("STOR half", strings.Repeat("x", 90))
	alice.do("DELE half", "250")
	carol := enter(t, srv, "carol", password, "230")
	refused(t, carol, "STOR large", strings.Repeat("x", 51), "552 The file is larger than allowed.")

	second := enter(t, srv, "alice", password, "230")
	enter(t, srv, "alice", password, "421 Too many sessions of this user, at most 2.").gone()
	second.do("QUIT", "221")
	second.gone()

	enter(t, srv, "off", password, "530 Login incorrect.").gone()
	enter(t, srv, "ghost", password, "530 Your directory is not there.").gone()
	if log := srv.Log(); !strings.Contains(log, "the user's directory cannot be opened") || !strings.Contains(log, "the account is disabled") {
		t.Errorf("no reason in %s", log)
	}
	guest := enter(t, srv, "anonymous", "x", "230")
	if got := guest.get("NLST"); got != "p.txt\r\n" {
		t.Errorf("anonymous sees %q, want no users file", got)
	}
	_ = guest.pasv()
	guest.do("RETR users.toml", "550")

	// A reload is about sessions, too; one that fails changes nothing.
	reload := srv.Service.(plugins.Reloader).Reload
	write(t, file, strings.Replace(text, "read-only", "all", 1))
	if err := reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	bob.put("STOR new", "x")
	holds(t, "x", dir, "bob/new")
	write(t, file, "[users.bob]\npermissions = \"nothing\"\nquota = -1\n")
	err := reload(t.Context())
	for _, place := range []string{file + ":2:", file + ":3:"} {
		if err == nil || !strings.Contains(err.Error(), place) {
			t.Errorf("Reload() = %v, want %q in it", err, place)
		}
	}
	bob.put("STOR new2", "x")

	// Who is kept out from now on can do nothing any more, and a root stays that of the login.
	write(t, file, text+"[users.bob]\nenabled = false\n[users.alice.paths]\n\"/drop\" = [\"create\"]\n")
	if err := reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = bob.pasv()
	bob.do("RETR b.txt", "550 /b.txt: permission denied.")
	enter(t, srv, "bob", password, "530").gone()
	alice.do("MKD drop", "257")
	_ = alice.pasv()
	alice.do("LIST drop", "550")
	alice.put("STOR drop/new", "x")
	_ = alice.pasv()
	alice.do("STOR drop/new", "550")
	holds(t, "x", dir, "alice/drop/new")
}

func TestBan(t *testing.T) {
	srv := plugintest.Start(t, ftp.PluginWith(accounts.GuardOptions{Failures: 3, Window: time.Hour, Ban: time.Hour}),
		"--listen", anyPort, "--root", t.TempDir(), "--auth", passwords(t, "alice"))
	late := dial(t, srv.Addrs()[0])
	late.want("220")
	for range 3 {
		enter(t, srv, "alice", "wr0ng", "530 Login incorrect.").gone()
	}
	for range 2 {
		c := dial(t, srv.Addrs()[0])
		c.want("421 Too many failed logins, try again in 1h0m0s.")
		c.gone()
	}
	late.do("USER alice", "331")
	late.do("PASS "+password, "530 Too many failed logins")
	if log := srv.Log(); strings.Count(log, `level=WARN msg="client banned"`) != 1 || strings.Count(log, `level=INFO msg="client refused"`) != 2 {
		t.Errorf("not one record of the ban and two of who came nevertheless:\n%s", log)
	}
	if got := fmt.Sprint(srv.Service.(plugins.Reporter).Report()); !strings.Contains(got, "bans=1") {
		t.Errorf("Report() = %s", got)
	}
}

// TestStopDuringPenalty says that whoever is held up does not hold up the stop.
func TestStopDuringPenalty(t *testing.T) {
	srv := plugintest.Start(t, ftp.PluginWith(accounts.GuardOptions{Delay: time.Hour, MaxDelay: time.Hour}),
		"--listen", anyPort, "--root", t.TempDir(), "--auth", passwords(t, "alice"))
	c := dial(t, srv.Addrs()[0])
	c.want("220")
	c.do("USER alice", "331")
	c.send("PASS wr0ng")
	srv.Drain()
	if err := srv.Wait(); err != nil {
		t.Error(err)
	}
	c.want("421 The server stops.")
}

// TestUserCalledAnonymous says that without anonymous clients the name is one like others.
func TestUserCalledAnonymous(t *testing.T) {
	dir := directory(t, map[string]string{"a.txt": "a"})
	file := filepath.Join(t.TempDir(), "users.toml")
	write(t, file, "[users.anonymous]\npermissions = \"none\"\n")
	srv := plugintest.Start(t, ftp.PluginWith(accounts.GuardOptions{}), "--listen", anyPort, "--root", dir, "--anonymous", "off",
		"--auth", passwords(t, "anonymous"), "--users", file)
	c := enter(t, srv, "anonymous", password, "230")
	_ = c.pasv()
	c.do("RETR a.txt", "550")
}

// TestUsersWithoutDirectory says who will not come in, at the start and at a reload, with the line that says so.
func TestUsersWithoutDirectory(t *testing.T) {
	dir := directory(t, map[string]string{"alice/": "", "joe/": ""})
	file := filepath.Join(dir, "users.toml")
	write(t, file, "[defaults]\nroot = \"%u\"\n[users.joe]\nroot = \"joe\"\n")
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--auth", passwords(t, "alice", "bob", "joe"), "--users", file)
	bob := `level=WARN msg="a user cannot log in" service=ftp user=bob error="` + file + `:2:8: defaults: root: `
	if log := srv.Log(); !strings.Contains(log, bob) || strings.Count(log, "cannot log in") != 1 {
		t.Errorf("no %q, or more, in %s", bob, log)
	}
	if err := os.Remove(filepath.Join(dir, "joe")); err != nil {
		t.Fatal(err)
	}
	err := srv.Service.(plugins.Reloader).Reload(t.Context())
	if want := file + ":4:8: users.joe: root: "; err == nil || !strings.Contains(err.Error(), want) || strings.Count(srv.Log(), "cannot log in") != 2 {
		t.Errorf("Reload() = %v, want %q in it and a second warning of bob in %s", err, want, srv.Log())
	}
}

func TestUsersFileMistakes(t *testing.T) {
	dir := directory(t, map[string]string{
		"bad.toml":     "[users.alice]\nroot = 5\n[users.bob]\nrights = \"all\"\n",
		"nowhere.toml": "[users.alice]\nroot = \"nowhere\"\n",
		"default.toml": "[defaults]\nroot = \"nowhere\"\n",
		"file.toml":    "[anonymous]\nroot = \"bad.toml\"\n",
		"guest.toml":   "[users.anonymous]\npermissions = \"none\"\n",
		"slip.toml":    "[users.ailce]\nenabled = false\n",
		"guests.toml":  "[anonymous]\npermissions = \"none\"\n",
	})
	auth := passwords(t, "alice")
	tests := []struct {
		name, file string
		auth       bool
		want       []string // none for no error
	}{
		{"all mistakes", "bad.toml", true, []string{"bad.toml:2:8: ", "bad.toml:4:1: "}},
		{"no file", "none.toml", true, []string{"--users ", "no such file"}},
		{"no file but a directory", ".", true, []string{"not a regular file"}},
		{"no root", "nowhere.toml", true, []string{"nowhere.toml:2:8: users.alice: root: ", "nowhere", "no such file"}},
		{"no root for all", "default.toml", true, []string{"default.toml:2:8: defaults: root: ", "nowhere", "no such file"}},
		{"root is a file", "file.toml", true, []string{"file.toml:2:8: anonymous: root: ", "not a directory"}},
		{"a table of anonymous", "guest.toml", true, []string{"guest.toml:1:8: users.anonymous: whoever gives this name is anonymous"}},
		{"the same without users", "guest.toml", false, []string{"guest.toml:1:8: users.anonymous: whoever gives this name is anonymous"}},
		{"a table of nobody", "slip.toml", true, []string{"slip.toml:1:8: users.ailce: no such user"}},
		{"no passwords", "nowhere.toml", false, []string{"nobody knows their passwords"}},
		{"anonymous only", "guests.toml", false, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			args := []string{"--listen", anyPort, "--root", dir, "--users", filepath.Join(dir, tt.file)}
			if tt.auth {
				args = append(args, "--auth", auth)
			}
			if tt.want == nil {
				start(t, plugintest.NewHost(t, "ftp"), args...)
				return
			}
			_, err := makeService(t, plugintest.NewHost(t, "ftp"), args...)
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("Make(%q) = %v, want %q in it", args, err, want)
				}
			}
		})
	}
}
