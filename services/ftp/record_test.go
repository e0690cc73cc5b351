package ftp_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
	"github.com/gtwistd/gtwistd/services/ftp/accounts"
)

const password = "correct-horse-battery"

// passwordFile has alice with that password, hashed cheaply by openssl's SHA-512.
func passwordFile(t *testing.T) string {
	t.Helper()
	plugintest.NeedTool(t, "openssl", "openssl")
	out, err := exec.CommandContext(t.Context(), "openssl", "passwd", "-6", "-salt", "saltsalt", password).Output()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, []byte("alice:"+string(out)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestUsers(t *testing.T) {
	users := passwordFile(t)
	dir := directory(t, map[string]string{"a.txt": "abc"})
	srv := plugintest.Start(t, ftp.PluginWith(accounts.GuardOptions{}), "--listen", anyPort, "--root", dir, "--auth", "file:"+users, "--writable")
	in := func(name, password, want string) *raw {
		t.Helper()
		c := dial(t, srv.Addrs()[0])
		c.want("220")
		c.do("USER "+name, "331")
		c.do("PASS "+password, want)
		return c
	}
	alice := in("alice", password, "230")
	alice.put("STOR new", "x")
	in("alice", "wr0ng-pw", "530 Login incorrect.").gone()
	in("bob", password, "530 Login incorrect.").gone()
	in("alice", "", "530").gone()
	guest := in("anonymous", "me@example.org", "230")
	_ = guest.pasv()
	guest.do("STOR other", "550 /other: permission denied.")
	guest.do("DELE new", "550")

	// A reload reads the file anew and keeps sessions.
	line, err := os.ReadFile(users)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(users, []byte(strings.ReplaceAll(string(line), "alice", "carol")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := srv.Service.(plugins.Reloader).Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	in("carol", password, "230")
	in("alice", password, "530")
	alice.do("SIZE new", "213 1")
	if err := os.WriteFile(users, []byte("mallory:plain"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := srv.Service.(plugins.Reloader).Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "plain text") {
		t.Errorf("Reload() = %v, want plain text refused", err)
	}
	in("carol", password, "230")
	if log := srv.Log(); strings.Contains(log, password) || strings.Contains(log, "me@example.org") || strings.Contains(log, "wr0ng") {
		t.Errorf("a password is in the log:\n%s", log)
	}
}

func TestOnlyUsers(t *testing.T) {
	srv := plugintest.Start(t, ftp.PluginWith(accounts.GuardOptions{}), "--listen", anyPort, "--root", t.TempDir(), "--password-file", passwordFile(t), "--anonymous", "off")
	c := dial(t, srv.Addrs()[0])
	c.want("220")
	c.do("USER anonymous", "331")
	c.do("PASS x", "530")
}

func TestAnonymousName(t *testing.T) {
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", t.TempDir(), "--userAnonymous", "guest")
	for name, want := range map[string]string{"guest": "230", "ftp": "230", "anonymous": "530"} {
		c := dial(t, srv.Addrs()[0])
		c.want("220")
		c.do("USER "+name, "331")
		c.do("PASS x", want)
	}
}

func TestWarnsOfAnonymousWriters(t *testing.T) {
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", t.TempDir(), "--writable")
	if log := srv.Log(); !strings.Contains(log, "ANYBODY CAN WRITE") {
		t.Errorf("no warning in %s", log)
	}
	quiet := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", t.TempDir())
	if log := quiet.Log(); strings.Contains(log, "ANYBODY") {
		t.Errorf("a warning in %s", log)
	}
}

func TestMakeErrors(t *testing.T) {
	dir := directory(t, map[string]string{"plain": "alice:secret", "file": ""})
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"no root", []string{"--root", filepath.Join(dir, "nowhere")}, "no such file or directory"},
		{"root is a file", []string{"--root", filepath.Join(dir, "file")}, "not a directory"},
		{"plain text", []string{"--auth", filepath.Join(dir, "plain")}, "plain text"},
		{"plain text, twistd", []string{"--password-file", filepath.Join(dir, "plain")}, "plain text"},
		{"no users", []string{"--auth", filepath.Join(dir, "nowhere")}, "no such file"},
		{"no log", []string{"--xferlog", filepath.Join(dir, "nowhere", "log")}, "no such file"},
		{"no certificate", []string{"--certificate", filepath.Join(dir, "nowhere.pem")}, "nowhere.pem"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := makeService(t, plugintest.NewHost(t, "ftp"), append([]string{"--port", "0"}, tt.args...)...)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Make(%q) = %v, want %q in it", tt.args, err, tt.want)
			}
		})
	}
}

func TestRecords(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a b.txt"), []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	sparse(t, dir, "large")
	file := filepath.Join(t.TempDir(), "xferlog")
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable", "--xferlog", file)
	c := anonymous(t, srv)
	c.get("RETR a b.txt")
	c.get("LIST")
	c.do("MKD sub", "257")
	c.do("CWD sub", "250")
	c.put("STOR new", "12345")
	data := c.pasv()
	c.do("RETR ../large", "150")
	c.do("ABOR", "426")
	c.want("226")
	_ = data.Close()
	_ = c.pasv()
	c.do("RETR nowhere", "550")
	c.do("TYPE A", "200")
	c.get("RETR //sub/./new")
	c.do("TYPE I", "200")
	c.put("STOR a\x00b", "x")
	c.do("RNFR a\x00b", "350")
	c.do("RNTO .//c\x00d", "250")
	stou := c.pasv()
	got := c.do("STOU", "150 FILE: upload-")
	_ = stou.Close()
	c.want("226")
	c.do("DELE "+strings.TrimPrefix(got, "150 FILE: "), "250")
	c.do("QUIT", "221")
	c.gone()
	srv.Drain()
	if err := srv.Wait(); err != nil {
		t.Fatal(err)
	}

	const stamp = `[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4} `
	log, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`\d+ 127.0.0.1 3 /a_b.txt b _ o a anonymous ftp 0 \* c`, `\d+ 127.0.0.1 5 /sub/new b _ i a anonymous ftp 0 \* c`,
		`\d+ 127.0.0.1 \d+ /large b _ o a anonymous ftp 0 \* i`, `\d+ 127.0.0.1 0 /sub/nowhere b _ o a anonymous ftp 0 \* i`,
		`\d+ 127.0.0.1 5 /sub/new a _ o a anonymous ftp 0 \* c`, `\d+ 127.0.0.1 1 /sub/a_b b _ i a anonymous ftp 0 \* c`,
		`\d+ 127.0.0.1 0 /sub/upload-\w+ b _ i a anonymous ftp 0 \* c`,
	}
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	for i, pattern := range want {
		if i >= len(lines) || !regexp.MustCompile("^"+stamp+pattern+"$").MatchString(lines[i]) {
			t.Errorf("xferlog %q, want line %d like %q", lines, i, pattern)
		}
	}
	for _, pattern := range []string{
		`level=INFO msg=login .*client=127\.0\.0\.1:\d+ user=anonymous tls=false`,
		`level=INFO msg=download .*user=anonymous path="/a b.txt" command=RETR bytes=3 duration=\S+ tls=false result=complete`,
		`level=INFO msg=upload .*path=/sub/new command=STOR bytes=5 .* result=complete`,
		`level=WARN msg=download .*path=/large .* result="Transfer aborted"`,
		`level=WARN msg=download .*path=/sub/nowhere .* bytes=0 .*result=`,
		`level=INFO msg="directory made" .*path=/sub`,
		`level=INFO msg=download .*path=/sub/new `,
		`level=INFO msg=upload .*path="/sub/a\\nb"`,
		`level=INFO msg=renamed .*path="/sub/a\\nb" to="/sub/c\\nd"`,
		`level=INFO msg=deleted .*path=/sub/upload-`,
	} {
		if !regexp.MustCompile(pattern).MatchString(srv.Log()) {
			t.Errorf("no %q in the log:\n%s", pattern, srv.Log())
		}
	}
}

// TestASCII says that lines change their ends and nothing else.
func TestASCII(t *testing.T) {
	dir := directory(t, map[string]string{"unix": "one\ntwo\n", "dos": "one\r\ntwo\r\n"})
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable")
	c := anonymous(t, srv)
	c.do("TYPE A", "200")
	for _, name := range []string{"unix", "dos"} {
		if got := c.get("RETR " + name); got != "one\r\ntwo\r\n" {
			t.Errorf("RETR %s = %q", name, got)
		}
	}
	c.put("STOR new", "one\r\ntwo\r\n")
	holds(t, "one\ntwo\n", dir, "new")
}

func TestLargeDirectory(t *testing.T) {
	dir := t.TempDir()
	const n = 10_000
	for i := range n {
		f, err := os.Create(filepath.Join(dir, "file-"+string(rune('a'+i%26))+strings.Repeat("x", i%50)+time.Duration(i).String()))
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
	}
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir)
	c := anonymous(t, srv)
	for _, line := range []string{"LIST", "NLST", "MLSD"} {
		if got := c.get(line); strings.Count(got, "\r\n") != n {
			t.Errorf("%s has %d lines, want %d", line, strings.Count(got, "\r\n"), n)
		}
	}
}
