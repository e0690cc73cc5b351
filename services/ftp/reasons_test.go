package ftp

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/services/ftp/accounts"
)

func TestReasons(t *testing.T) {
	for _, tt := range []struct {
		err  error
		code int
		text string
	}{
		{errName, 553, "files with such a name are not taken"},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.ENOENT}, 550, noSuchFile},
		{&os.LinkError{Op: "renameat", Old: "x", New: "y", Err: syscall.ENOTDIR}, 550, noSuchFile},
		{&fs.PathError{Op: "statat", Path: "x", Err: syscall.ELOOP}, 550, noSuchFile},
		{fmt.Errorf("count: %w", plugins.ErrFull), 450, "busy, try again later"},
		{fmt.Errorf("%w, at most 5 bytes", accounts.ErrTooLarge), 552, "the file is larger than allowed"},
		{accounts.ErrQuota, 552, "quota exceeded"},
		{syscall.ENOSPC, 452, "no room left"},
		{syscall.EACCES, 550, "permission denied"},
		{syscall.EEXIST, 550, "it exists"},
		{syscall.EISDIR, 550, "it is a directory"},
		{syscall.EROFS, 550, "the file system is read-only"},
		{syscall.ENAMETOOLONG, 553, "no file can have that name"},
		{errors.New("a file called: path escapes from parent"), 0, ""},
		{syscall.EIO, 0, ""},
	} {
		if code, text := reasonOf(tt.err); code != tt.code || text != tt.text {
			t.Errorf("reasonOf(%v) = %d, %q, want %d, %q", tt.err, code, text, tt.code, tt.text)
		}
	}
}

// TestEscapes says that what package os says of links that lead out of a root is known, for each kind of error.
func TestEscapes(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink(t.TempDir(), filepath.Join(dir, "out")); err != nil {
		t.Skip(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := root.WriteFile("a", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, statErr := root.Stat("out/a")
	for _, err := range []error{statErr, root.Rename("a", "out/a"), root.Rename("out/a", "a"), root.Mkdir("out/a", 0o700), root.Chmod("out", 0o700)} {
		if code, text := reasonOf(err); code != 550 || text != noSuchFile {
			t.Errorf("reasonOf(%v) = %d, %q", err, code, text)
		}
	}
}
