package regular_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/internal/regular"
)

const limit = 1 << 20

func TestRead(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		name string
		size int
		want string // of the error
	}{
		{"empty", 0, ""},
		{"as large as may be", limit, ""},
		{"too large", limit + 1, ": larger than 1 MiB, not a word list"},
	} {
		path := filepath.Join(dir, test.name)
		if err := os.WriteFile(path, make([]byte, test.size), 0o600); err != nil {
			t.Fatal(err)
		}
		data, err := regular.Read(path, limit, "word list")
		if test.want == "" && (err != nil || len(data) != test.size) {
			t.Errorf("%s: Read() = %d bytes, %v, want %d", test.name, len(data), err, test.size)
		}
		if test.want != "" && (err == nil || err.Error() != path+test.want) {
			t.Errorf("%s: Read() = %v, want %q", test.name, err, path+test.want)
		}
	}
	if _, err := regular.Read(filepath.Join(dir, "none"), limit, "word list"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read() of no file = %v, want ErrNotExist", err)
	}
	if _, err := regular.Read(dir, limit, "word list"); err == nil || !strings.HasSuffix(err.Error(), ": not a regular file") {
		t.Errorf("Read() of a directory = %v, want that it is no regular file", err)
	}
}
