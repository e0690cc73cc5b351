package ftp

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// A system without statx(2), or a filter that refuses it, tells the same.
func TestWithoutStatx(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]fs.FileMode{"file": 0o640, "a name of 24 bytes ......": 0o444} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "directory"), 0o711), os.Symlink("file", filepath.Join(dir, "link"))); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	folder, err := openFolder(root, ".")
	if err != nil {
		t.Fatal(err)
	}
	defer folder.close()
	items, _, err := folder.next(nil)
	if err != nil || len(items) != 4 {
		t.Fatalf("next = %v, %v, want 4 items", items, err)
	}
	if err := os.Remove(filepath.Join(dir, "file")); err != nil {
		t.Fatal(err)
	}
	for _, it := range items {
		folder.old = false
		first, firstErr := folder.lstat(it.name)
		folder.old = true
		second, secondErr := folder.lstat(it.name)
		if first != second || !errors.Is(firstErr, secondErr) {
			t.Errorf("%q: %v, %v with statx, %v, %v without", it.name, first, firstErr, second, secondErr)
		}
		if gone := it.name == "file"; gone != errors.Is(firstErr, fs.ErrNotExist) || !gone && first.kind != it.kind {
			t.Errorf("%q: %v, %v, want that it is %v", it.name, first, firstErr, it.kind)
		}
	}
}
