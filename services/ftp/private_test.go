package ftp_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

const hashes = "joe:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n" // secret

// realDir makes files below a path without links, as the program's own files have one.
func realDir(t *testing.T, files map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(directory(t, files))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestPrivateStays says that nobody takes a private file to a name that is not private, or puts another file in its place.
func TestPrivateStays(t *testing.T) {
	dir := realDir(t, map[string]string{
		"etc/deep/": "", "etc/users.toml": "", "releases/1/": "", "mine/pw": "mallory:x", "mine/users.toml": "", "plain": "p", "other/f": "f",
	})
	write(t, filepath.Join(dir, "etc/deep/pw"), hashes)
	for link, target := range map[string]string{"pw1": "pw2", "pw2": "etc/deep/pw", "current": "releases/1", "away": "other", "releases/1/users": "../../etc/users.toml"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Skip(err)
		}
	}
	if err := os.Link(filepath.Join(dir, "etc/deep/pw"), filepath.Join(dir, "hard")); err != nil {
		t.Skip(err)
	}
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable",
		"--auth", filepath.Join(dir, "pw1"), "--users", filepath.Join(dir, "current/users"))
	c := enter(t, srv, "joe", "secret", "230")
	for _, name := range []string{"/etc", "/etc/deep", "/current", "/releases", "/away/../etc"} {
		c.do("RNFR "+name, "350")
		c.do("RNTO /stolen", "550 ")
		c.do("SITE CHMOD 777 "+name, "550")
	}
	for _, name := range []string{"/pw1", "/pw2", "/hard", "/etc/deep/pw", "/away/../etc/deep/pw", "/etc/users.toml", "/releases/1/users", "/current/users"} {
		c.do("RNFR "+name, "550")
		c.do("DELE "+name, "550")
		c.do("SIZE "+name, "550")
		_ = c.pasv()
		c.do("RETR "+name, "550")
		c.do("STOR "+name, "55")
		c.do("APPE "+name, "55")
		c.do("MKD "+name, "55")
		c.do("RNFR /plain", "350")
		c.do("RNTO "+name, "553")
	}
	c.do("DELE /current", "550 /current: permission denied.")
	// Where an owner has moved them away, their names are not to be had.
	for _, name := range []string{"etc", "current", "pw2"} {
		if err := os.Rename(filepath.Join(dir, name), filepath.Join(dir, "moved-"+name)); err != nil {
			t.Fatal(err)
		}
		c.do("RNFR /mine", "350")
		c.do("RNTO /"+name, "553")
		c.do("MKD /"+name, "553")
		_ = c.pasv()
		c.do("STOR /"+name, "553")
	}
	// A password file is known wherever it is.
	_ = c.pasv()
	c.do("RETR /moved-etc/deep/pw", "550")
	c.do("SIZE /moved-etc/deep/pw", "550")
	c.do("RNFR /mine", "350")
	c.do("RNTO /other/mine", "250")
	if got := c.get("NLST /other"); got != "/other/f\r\n/other/mine\r\n" && got != "other/f\r\nother/mine\r\n" {
		t.Errorf("NLST = %q", got)
	}
}

// TestPrivateAfterReload says that the users file is private where a link leads to now.
func TestPrivateAfterReload(t *testing.T) {
	dir := realDir(t, map[string]string{"one": "", "two": "", "three": ""})
	link := filepath.Join(t.TempDir(), "users.toml")
	to := func(name string) {
		t.Helper()
		_ = os.Remove(link)
		if err := os.Symlink(filepath.Join(dir, name), link); err != nil {
			t.Skip(err)
		}
	}
	to("one")
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--users", link)
	c := anonymous(t, srv)
	if got := c.get("NLST"); got != "three\r\ntwo\r\n" {
		t.Errorf("NLST = %q", got)
	}
	to("two")
	if err := srv.Service.(plugins.Reloader).Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = c.pasv()
	c.do("RETR two", "550")
	c.do("SIZE two", "550")
	if got := c.get("NLST"); got != "three\r\n" {
		t.Errorf("NLST = %q", got)
	}
}

// TestPrivateIsWarnedOf says that whoever has a private file where others write hears of it, and nobody else.
func TestPrivateIsWarnedOf(t *testing.T) {
	dir := realDir(t, map[string]string{"users.toml": "", "up/": ""})
	for _, tt := range []struct {
		name, root string
		args       []string
		want       bool
	}{
		{"writable", ".", []string{"--writable"}, true},
		{"read only", ".", nil, false},
		{"elsewhere", "up", []string{"--writable"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(dir, "users.toml")
			srv := plugintest.Start(t, ftp.Plugin(), append(tt.args, "--listen", anyPort, "--root", filepath.Join(dir, tt.root), "--users", file)...)
			anonymous(t, srv).do("NOOP", "200")
			if err := srv.Stop(); err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(srv.Log(), "gtwistd's own") && strings.Contains(srv.Log(), file); got != tt.want {
				t.Errorf("log %s: a warning is %v, want %v", srv.Log(), got, tt.want)
			}
		})
	}
}
