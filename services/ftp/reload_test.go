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

func reload(t *testing.T, srv *plugintest.Server) error {
	t.Helper()
	return srv.Service.(plugins.Reloader).Reload(t.Context())
}

// TestReloadChecks says that a reload refuses what a start does, and leaves everything as it was.
func TestReloadChecks(t *testing.T) {
	dir := directory(t, map[string]string{"alice/a.txt": "alice's", "file": ""})
	file := filepath.Join(t.TempDir(), "users.toml")
	good := "[anonymous]\nroot = \"" + filepath.Join(dir, "alice") + "\"\n"
	for _, tt := range []struct {
		name, text string
		auth       bool
		want       string
	}{
		{"no root", "[users.alice]\nroot = \"" + filepath.Join(dir, "none") + "\"\n", true, "none\": no such file or directory"},
		{"no root for all", "[defaults]\nroot = \"" + filepath.Join(dir, "none") + "\"\n", true, "none\": no such file or directory"},
		{"root is a file", "[anonymous]\nroot = \"" + filepath.Join(dir, "file") + "\"\n", true, "not a directory"},
		{"no passwords", "[users.alice]\n", false, "nobody knows their passwords"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			write(t, file, good)
			args := []string{"--listen", anyPort, "--root", dir, "--users", file}
			if tt.auth {
				args = append(args, "--auth", passwords(t, "alice"))
			}
			srv := plugintest.Start(t, ftp.Plugin(), args...)
			write(t, file, tt.text)
			if err := reload(t, srv); err == nil || !strings.HasPrefix(err.Error(), "--users: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Reload() = %v, want %q", err, tt.want)
			}
			if got := anonymous(t, srv).get("NLST"); got != "a.txt\r\n" {
				t.Errorf("anonymous sees %q, want what was there before", got)
			}
		})
	}
}

// TestWarnsOfWritersInUsersFile says that it does not matter what lets anonymous clients write, and when.
func TestWarnsOfWritersInUsersFile(t *testing.T) {
	dir := directory(t, map[string]string{"in/": ""})
	file := filepath.Join(t.TempDir(), "users.toml")
	const reader, writer = "[anonymous]\npermissions = \"read-only\"\n", "[anonymous]\npermissions = \"all\"\n"
	for _, tt := range []struct {
		name  string
		args  []string
		files []string // at the start and at each reload
		want  []int    // warnings until then
	}{
		{"writers", nil, []string{writer}, []int{1}},
		{"one directory", nil, []string{reader + "[anonymous.paths]\n\"/in\" = [\"create\"]\n"}, []int{1}},
		{"readers", nil, []string{reader}, []int{0}},
		{"nobody", nil, []string{writer + "enabled = false\n"}, []int{0}},
		{"not let in", []string{"--anonymous", "off"}, []string{writer}, []int{0}},
		{"users only", []string{"--writable"}, []string{""}, []int{0}},
		{"by reloads", nil, []string{reader, writer, writer, reader, writer}, []int{0, 1, 1, 1, 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			write(t, file, tt.files[0])
			srv := plugintest.Start(t, ftp.Plugin(), append([]string{"--listen", anyPort, "--root", dir, "--users", file, "--auth", passwords(t, "alice")}, tt.args...)...)
			for i, text := range tt.files {
				write(t, file, text)
				if i > 0 {
					if err := reload(t, srv); err != nil {
						t.Fatal(err)
					}
				}
				if got := strings.Count(srv.Log(), "ANYBODY CAN WRITE: the users file"); got != tt.want[i] {
					t.Errorf("after %q: %d warnings, want %d", text, got, tt.want[i])
				}
			}
		})
	}
}

// TestReloadRoot moves the link that is the root, as whoever installs releases does.
func TestReloadRoot(t *testing.T) {
	dir := directory(t, map[string]string{"1/one": "", "2/two": ""})
	link := filepath.Join(dir, "current")
	point := func(to string) {
		t.Helper()
		if err := os.Symlink(to, link+".new"); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
		if err := os.Rename(link+".new", link); err != nil {
			t.Fatal(err)
		}
	}
	point("1")
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", link)
	sees := func(c *raw, want string) {
		t.Helper()
		if got := c.get("NLST"); got != want+"\r\n" {
			t.Errorf("NLST = %q, want %q", got, want)
		}
	}
	old := anonymous(t, srv)
	point("2")
	sees(anonymous(t, srv), "one") // nobody has said so yet
	if err := reload(t, srv); err != nil {
		t.Fatal(err)
	}
	sees(old, "one")
	sees(anonymous(t, srv), "two")
	if log := srv.Log(); !strings.Contains(log, "--root is another directory now") {
		t.Errorf("no record in %s", log)
	}
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := reload(t, srv); err != nil {
		t.Fatal(err)
	}
	sees(anonymous(t, srv), "two")
	sees(old, "one")
	if log := srv.Log(); !strings.Contains(log, "--root not opened anew, the old one stays") {
		t.Errorf("no warning in %s", log)
	}
}
