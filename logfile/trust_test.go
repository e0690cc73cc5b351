//go:build unix

package logfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gtwistd/gtwistd/logfile"
)

const nobody = 65534

// trap is a directory with root's file victim, beside a directory that nobody can write to.
func trap(t *testing.T, mode fs.FileMode, owner int) (victim, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to be protected from others")
	}
	top := t.TempDir()
	victim, dir = filepath.Join(top, "safe", "victim.log"), filepath.Join(top, "shared")
	err := errors.Join(
		os.Mkdir(filepath.Dir(victim), 0o755), os.WriteFile(victim, []byte("precious\n"), 0o640),
		os.Mkdir(dir, 0o755), os.Chown(dir, owner, owner), os.Chmod(dir, mode),
	)
	if err != nil {
		t.Fatal(err)
	}
	return victim, dir
}

func wantUntouched(t *testing.T, victim string) {
	t.Helper()
	b, err := os.ReadFile(victim)
	if err != nil || string(b) != "precious\n" || ownerOf(t, victim) != 0 {
		t.Errorf("root's file says %q and belongs to %d, %v", b, ownerOf(t, victim), err)
	}
	if entries, err := os.ReadDir(filepath.Dir(victim)); err != nil || len(entries) != 1 {
		t.Errorf("beside root's file are %v, %v", entries, err)
	}
}

func ownerOf(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Sys().(*syscall.Stat_t).Uid)
}

// plant makes a file of a user's, or of root's.
func plant(t *testing.T, path string, owner int) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Lchown(path, owner, owner)); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestRootIsNotLedElsewhere(t *testing.T) {
	const sticky = fs.ModeSticky | 0o777
	tests := []struct {
		name    string
		mode    fs.FileMode
		owner   int
		prepare func(t *testing.T, victim, path string)
		err     string // empty if the file may be opened
		keeps   string // why Chown leaves the owner; empty if it hands the file over
	}{
		{"nothing there", 0o755, nobody, nil, "", ""},
		{"nothing there, sticky", sticky, 0, nil, "", ""},
		{"nothing there, directory of root", 0o755, 0, nil, "", ""},
		{"symbolic link", 0o755, nobody, func(t *testing.T, victim, path string) { must(t, os.Symlink(victim, path)) }, "is a symbolic link", ""},
		{"symbolic link to nothing", 0o755, nobody, func(t *testing.T, victim, path string) {
			must(t, os.Symlink(victim+".new", path))
		}, "is a symbolic link", ""},
		{"symbolic link, sticky", sticky, 0, func(t *testing.T, victim, path string) {
			must(t, os.Symlink(victim, path), os.Lchown(path, nobody, nobody))
		}, "is a symbolic link", ""},
		{"symbolic link, group", 0o775, 0, func(t *testing.T, victim, path string) { must(t, os.Symlink(victim, path)) }, "is a symbolic link", ""},
		{"symbolic link of root, sticky", sticky, 0, func(t *testing.T, victim, path string) {
			plant(t, path+".real", 0)
			must(t, os.Symlink("x.log.real", path))
		}, "", "its path is a symbolic link"},
		{"symbolic link, directory of root", 0o755, 0, func(t *testing.T, victim, path string) {
			plant(t, path+".real", 0)
			must(t, os.Symlink("../shared/./x.log.real", path))
		}, "", "its path is a symbolic link"},
		{"absolute symbolic link, directory of root", 0o755, 0, func(t *testing.T, victim, path string) {
			plant(t, path+".real", 0)
			must(t, os.Symlink(path+".real", path))
		}, "", "its path is a symbolic link"},
		{"circle", 0o755, 0, func(t *testing.T, victim, path string) { must(t, os.Symlink("x.log", path)) }, "too many levels of symbolic links", ""},
		{"hard link", 0o755, nobody, func(t *testing.T, victim, path string) { must(t, os.Link(victim, path)) }, "it has 2 names", ""},
		{"hard link, directory of root", 0o755, 0, func(t *testing.T, victim, path string) {
			plant(t, path, 0)
			must(t, os.Link(path, path+".2"))
		}, "", "it has 2 names"},
		{"file of root", 0o755, nobody, func(t *testing.T, victim, path string) { plant(t, path, 0) }, "", "it belongs to root, in a directory that others can write to"},
		{"file of root, sticky", sticky, 0, func(t *testing.T, victim, path string) { plant(t, path, 0) }, "", "it belongs to root, in a directory that others can write to"},
		{"file of root, directory of root", 0o755, 0, func(t *testing.T, victim, path string) { plant(t, path, 0) }, "", ""},
		{"file of the user", 0o755, nobody, func(t *testing.T, victim, path string) { plant(t, path, nobody) }, "", ""},
		{"file of the user, sticky", sticky, 0, func(t *testing.T, victim, path string) { plant(t, path, nobody) }, "", ""},
		{"file of somebody", 0o755, nobody, func(t *testing.T, victim, path string) { plant(t, path, 1234) }, "it belongs to uid 1234", ""},
		{"file of somebody, sticky", sticky, 0, func(t *testing.T, victim, path string) { plant(t, path, 1234) }, "it belongs to uid 1234", ""},
		{"file of somebody, directory of root", 0o755, 0, func(t *testing.T, victim, path string) { plant(t, path, 1234) }, "", "it belongs to uid 1234"},
		{"file of the directory's owner", 0o755, 1234, func(t *testing.T, victim, path string) { plant(t, path, 1234) }, "", "it belongs to uid 1234"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			victim, dir := trap(t, test.mode, test.owner)
			path := filepath.Join(dir, "x.log")
			if test.prepare != nil {
				test.prepare(t, victim, path)
			}
			w := &warnings{}
			f, err := logfile.Open(path, logfile.Options{Warn: w.warn, User: nobody})
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Fatalf("Open = %v, want %q", err, test.err)
			}
			if err != nil {
				wantUntouched(t, victim)
				return
			}
			defer f.Close()
			write(t, f, "one")
			before, err := os.Stat(path)
			must(t, err)
			must(t, f.Chown(nobody, nobody), f.Chown(nobody, nobody))
			after, err := os.Stat(path)
			must(t, err)
			all := strings.Join(w.all(), "\n")
			want, owner := before.Sys().(*syscall.Stat_t).Uid, after.Sys().(*syscall.Stat_t).Uid
			if test.keeps == "" {
				want = nobody
			}
			if owner != want || (test.keeps == "") != (all == "") || !strings.HasSuffix(all, test.keeps) || strings.Count(all, "\n") > 0 {
				t.Errorf("the file belongs to %d, want %d; warnings %q, want one of %q", owner, want, all, test.keeps)
			}
			wantUntouched(t, victim)
		})
	}
}

// TestRootIsNotLedElsewhereByADirectory: the link is on the way to the file.
func TestRootIsNotLedElsewhereByADirectory(t *testing.T) {
	victim, dir := trap(t, 0o755, nobody)
	link := filepath.Join(dir, "logs")
	must(t, os.Symlink(filepath.Dir(victim), link))
	for _, name := range []string{filepath.Base(victim), "new.log"} {
		_, err := logfile.Open(filepath.Join(link, name), logfile.Options{})
		var hint interface{ Hint() string }
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), link+" is a symbolic link") || !errors.As(err, &hint) || hint.Hint() == "" {
			t.Errorf("Open = %v, want a refusal with a hint", err)
		}
	}
	wantUntouched(t, victim)
}

// TestRootIsNotLedElsewhereLater: the trap is laid while the file is open.
func TestRootIsNotLedElsewhereLater(t *testing.T) {
	for _, test := range []struct {
		name string
		lay  func(victim, path string) error
	}{{"symbolic link", os.Symlink}, {"hard link", os.Link}} {
		t.Run(test.name, func(t *testing.T) {
			victim, dir := trap(t, 0o755, nobody)
			path := filepath.Join(dir, "x.log")
			w := &warnings{}
			f := open(t, path, logfile.Options{Warn: w.warn})
			must(t, f.Chown(nobody, nobody))
			write(t, f, "one")
			must(t, os.Rename(path, path+".1"), test.lay(victim, path))
			write(t, f, "two")
			if _, err := f.Reopen(); !errors.Is(err, fs.ErrPermission) {
				t.Errorf("Reopen = %v, want a permission error", err)
			}
			if b, err := os.ReadFile(path + ".1"); err != nil || string(b) != "one\ntwo\n" || len(w.all()) != 1 {
				t.Errorf("the moved file says %q, %v, warnings %q", b, err, w.all())
			}
			wantUntouched(t, victim)
			must(t, os.Remove(path))
			write(t, f, "three")
			if ownerOf(t, path) != nobody {
				t.Errorf("the new file belongs to %d", ownerOf(t, path))
			}
		})
	}
}

// TestRootCompressesNothingAmongOthers: lumberjack follows what it finds under the names of rotated files.
func TestRootCompressesNothingAmongOthers(t *testing.T) {
	victim, dir := trap(t, 0o755, nobody)
	const rotated = "x-2036-11-19T23-59-59.999.log"
	plant(t, filepath.Join(dir, rotated), nobody)
	must(t, os.Symlink(victim, filepath.Join(dir, rotated+".gz")))
	w := &warnings{}
	c := newClock(t, "2036-11-20 12:00:00")
	f := open(t, filepath.Join(dir, "x.log"), logfile.Options{Compress: true, Warn: w.warn, Now: c.Now})
	for _, now := range []string{"12:00:00", "12:20:00", "12:40:00"} {
		c.set(t, "2036-11-20 "+now)
		f.Run(canceled(t))
	}
	if all := w.all(); len(all) != 1 || !strings.Contains(all[0], "not compressed") {
		t.Errorf("warnings = %q, want one", all)
	}
	wantUntouched(t, victim)
}
