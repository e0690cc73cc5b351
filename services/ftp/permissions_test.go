package ftp_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/plugins"
)

// TestPermissionWords says what each word of the users file allows over the wire, and that it allows nothing else.
func TestPermissionWords(t *testing.T) {
	commands := []struct {
		lines []string
		may   []string // words that are enough, each alone, or several with "+" together; nil for no word at all
	}{
		{[]string{"LIST"}, []string{"list"}},
		{[]string{"NLST"}, []string{"list"}},
		{[]string{"MLSD"}, []string{"list"}},
		{[]string{"SIZE f"}, []string{"list", "download", "overwrite"}},
		{[]string{"MDTM f"}, []string{"list", "download", "overwrite"}},
		{[]string{"MLST f"}, []string{"list", "download", "overwrite"}},
		{[]string{"RETR f"}, []string{"download"}},
		{[]string{"HASH f"}, []string{"download"}},
		{[]string{"STOR new"}, []string{"create"}},
		{[]string{"STOU"}, []string{"create"}},
		{[]string{"APPE new"}, []string{"create"}},
		{[]string{"STOR f"}, []string{"overwrite"}},
		{[]string{"APPE f"}, []string{"overwrite"}},
		{[]string{"REST 1", "STOR f"}, []string{"overwrite"}},
		{[]string{"MFMT 20200101000000 f"}, []string{"overwrite"}},
		{[]string{"SITE CHMOD 600 f"}, []string{"overwrite"}},
		{[]string{"DELE f"}, []string{"delete"}},
		{[]string{"RMD d"}, []string{"delete"}},
		{[]string{"RNFR f", "RNTO new"}, []string{"rename"}},
		{[]string{"RNFR f", "RNTO g"}, []string{"rename+overwrite"}},
		{[]string{"RNFR d", "RNTO new"}, []string{"rename"}},
		{[]string{"MKD new"}, []string{"mkdir"}},
		{[]string{"CWD d", "CDUP", "PWD"}, nil},
	}
	sets := map[string][]string{
		`"none"`:                  nil,
		`"read-only"`:             {"list", "download"},
		`"all"`:                   {"list", "download", "create", "overwrite", "delete", "rename", "mkdir"},
		`["read"]`:                {"list", "download"},
		`["write"]`:               {"create", "overwrite"},
		`["rename", "overwrite"]`: {"rename", "overwrite"},
		`["list"]`:                {"list"},
		`["download"]`:            {"download"},
		`["create"]`:              {"create"},
		`["overwrite"]`:           {"overwrite"},
		`["delete"]`:              {"delete"},
		`["rename"]`:              {"rename"},
		`["mkdir"]`:               {"mkdir"},
	}
	srv, dir, file := withAlice(t, "permissions = \"none\"\n")
	c := enter(t, srv, "alice", password, "230")
	for set, words := range sets {
		write(t, file, fmt.Sprintf("[users.alice]\npermissions = %s\n", set))
		if err := srv.Service.(plugins.Reloader).Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, command := range commands {
			fresh(t, dir)
			want := command.may == nil || slices.ContainsFunc(command.may, func(enough string) bool {
				return !slices.ContainsFunc(strings.Split(enough, "+"), func(word string) bool { return !slices.Contains(words, word) })
			})
			got := attempt(c, command.lines)
			if may := got[0] < '4'; may != want {
				t.Errorf("%s: %q: %q, want it allowed: %v", set, command.lines, got, want)
			} else if !may && !strings.HasSuffix(strings.ToLower(got), "permission denied.") {
				t.Errorf("%s: %q: %q, want the reason", set, command.lines, got)
			}
		}
	}
}

// fresh leaves nothing in a directory but the files f and g and the directory d.
func fresh(t *testing.T, dir string) {
	t.Helper()
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range found {
		if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "f"), "f's")
	write(t, filepath.Join(dir, "g"), "g's")
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// attempt sends commands, with a data connection for the last if it is a transfer, until one fails, and returns the last answer.
func attempt(c *raw, lines []string) (got string) {
	c.t.Helper()
	var data io.Closer = io.NopCloser(nil)
	if verb, _, _ := strings.Cut(lines[len(lines)-1], " "); slices.Contains([]string{"LIST", "NLST", "MLSD", "RETR", "STOR", "STOU", "APPE"}, verb) {
		data = c.pasv()
	}
	for _, line := range lines {
		c.send(line)
		if got = c.answer(); got[0] >= '4' {
			break
		}
	}
	_ = data.Close()
	if got[0] == '1' {
		got = c.answer()
	}
	return got
}
