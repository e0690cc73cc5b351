package ftp_test

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/gtwistd/gtwistd/services/ftp"
)

// TestRenameNew says that nothing is replaced, whatever it is: a name may be taken after it was looked for.
func TestRenameNew(t *testing.T) {
	dir := directory(t, map[string]string{"a": "a", "b": "b", "sub/c": "c", "full/x": "x", "empty/": ""})
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, tt := range []struct {
		from, to string
		want     error
	}{
		{"a", "b", fs.ErrExist},
		{"a", "sub/c", fs.ErrExist},
		{"a", "empty", fs.ErrExist},
		{"sub", "empty", fs.ErrExist},
		{"sub", "b", fs.ErrExist},
		{"none", "d", fs.ErrNotExist},
		{"a", "none/d", fs.ErrNotExist},
		{"a", "sub/d", nil},
		{"sub", "full/sub", nil},
		{"full/sub/d", "d", nil},
	} {
		if err := ftp.RenameNew(root, tt.from, tt.to); !errors.Is(err, tt.want) || tt.want == nil && err != nil {
			t.Errorf("renameNew(%s, %s) = %v, want %v", tt.from, tt.to, err, tt.want)
		}
	}
	for name, want := range map[string]string{"b": "b", "full/sub/c": "c", "d": "a"} {
		if got, err := root.ReadFile(name); string(got) != want || err != nil {
			t.Errorf("%s holds %q, %v, want %q", name, got, err, want)
		}
	}
}
