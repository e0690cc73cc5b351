package ftp

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/services/ftp/accounts"
)

// TestDirectoriesOfOthers says that directories are tried with the rights that the process has left.
func TestDirectoriesOfOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root has rights to give up")
	}
	for _, tt := range []struct {
		name string
		mode os.FileMode // of the directories, which are root's
		file string
		want []string // none for no warning
	}{
		{"all is well", 0o755, "[defaults]\nroot = \"%u\"", nil},
		{"a home that cannot be opened", 0o700, "[users.u1]\nroot = \"%u\"", []string{`cannot open a directory that is there for users" user=u1`}},
		{"one without a name in it", 0o700, "[defaults]\nroot = \"u2\"", []string{`cannot open a directory that is there for users" user=""`}},
		{"one that cannot be written to", 0o755, "[users.u1]\nroot = \"%u\"\npermissions = \"all\"", []string{`cannot write to a directory of users who may: every upload there will be refused" user=u1`}},
		{"a missing one is another's warning", 0o755, "[users.nobody]\nroot = \"%u\"\npermissions = \"all\"", nil},
		{"the common one", 0o755, "[users.u1]\npermissions = [\"create\"]", []string{"the users file lets users write, but this process cannot"}},
		{"many", 0o700, "[defaults]\nroot = \"%u\"", []string{"user=u0", "user=u7", "to more directories\" directories=2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base := t.TempDir()
			var names []string
			for i := range 12 {
				names = append(names, fmt.Sprintf("u%d", i))
				if err := os.Mkdir(filepath.Join(base, names[i]), tt.mode); err != nil {
					t.Fatal(err)
				}
			}
			path := filepath.Join(base, "users.toml")
			if err := os.WriteFile(path, []byte(tt.file), 0o600); err != nil {
				t.Fatal(err)
			}
			open(t, base)
			main := filepath.Join(base, "u0")
			if tt.mode == 0o700 {
				main = filepath.Join(base, "main")
				if err := os.Mkdir(main, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			account := accounts.Account{Root: main, Permissions: accounts.Read}
			opts := accounts.Options{Path: path, Users: account, Anonymous: account}
			if strings.Contains(tt.file, "defaults") {
				opts.Names = func() []string { return names }
			}
			book, err := accounts.Open(opts)
			if err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			s := &server{log: slog.New(slog.NewTextHandler(&log, nil)), book: book, dir: main}
			if err := s.roots.begin(main); err != nil {
				t.Fatal(err)
			}
			defer s.roots.end()
			powerless(t, func() { s.warnOfDirectories(t.Context()) })
			for _, want := range tt.want {
				if !strings.Contains(log.String(), want) {
					t.Errorf("no %q in %s", want, &log)
				}
			}
			if len(tt.want) == 0 && log.Len() > 0 {
				t.Errorf("a warning: %s", &log)
			}
		})
	}
}

// TestRootOfAnother says that a directory that was opened with more rights is tried with those that are left.
func TestRootOfAnother(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root has rights to give up")
	}
	dir := t.TempDir()
	var log bytes.Buffer
	account := accounts.Account{Root: dir, Permissions: accounts.Read}
	book, err := accounts.Open(accounts.Options{Users: account, Anonymous: account})
	if err != nil {
		t.Fatal(err)
	}
	s := &server{log: slog.New(slog.NewTextHandler(&log, nil)), book: book, dir: dir}
	if err := s.roots.begin(dir); err != nil {
		t.Fatal(err)
	}
	defer s.roots.end()
	if err := os.Chmod(dir, 0o000); err != nil {
		t.Fatal(err)
	}
	powerless(t, func() { s.warnOfDirectories(t.Context()) })
	if !strings.Contains(log.String(), "cannot read the directory of --root") {
		t.Errorf("no warning in %q", &log)
	}
}

// open lets everybody into the directories of a test.
func open(t *testing.T, dir string) {
	t.Helper()
	for ; dir != filepath.Clean(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}
