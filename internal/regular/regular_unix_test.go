//go:build unix

package regular_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gtwistd/gtwistd/internal/regular"
)

func TestFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := regular.Read(path, limit, "word list"); err == nil {
		t.Error("Read() of a FIFO = nil, want an error")
	}
	f, err := os.OpenFile(path, os.O_RDONLY|regular.Nonblock, 0)
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
}
