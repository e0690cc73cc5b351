package part_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/internal/part"
)

func TestName(t *testing.T) {
	long := strings.Repeat("n", 255)
	for _, name := range []string{"", "a.txt", "ä", strings.Repeat("n", 241), strings.Repeat("n", 242), long} {
		got := part.Name(name)
		if core, ok := part.Core(got); !ok || len(name) < 242 && core != name {
			t.Errorf("Core(%q) = %q, %v, want %q", got, core, ok, name)
		}
		if !part.Is(got) || !part.Is(strings.ToUpper(got)) || len(got) > 255 {
			t.Errorf("Name(%q) = %q, want the name of a part, of at most 255 bytes", name, got)
		}
	}
	if part.Name(long) == part.Name(long[1:]) {
		t.Error("two long names have one part")
	}
	for _, name := range []string{"", ".part", ".gtwistd-", ".gtwistd-.par", ".gtwistd.part", "a.gtwistd-b.part"} {
		if part.Is(name) {
			t.Errorf("Is(%q) = true, want false", name)
		}
		if core, ok := part.Core(name); ok || core != "" {
			t.Errorf("Core(%q) = %q, %v, want none", name, core, ok)
		}
	}
}

func TestLock(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	open := func() *os.File {
		t.Helper()
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	first, second := open(), open()
	if err := part.Lock(first); err != nil {
		t.Fatalf("Lock() = %v", err)
	}
	if err := part.Lock(second); !errors.Is(err, part.ErrLocked) {
		t.Errorf("Lock() of a locked file = %v, want ErrLocked", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := part.Lock(second); err != nil {
		t.Errorf("Lock() = %v once the other has closed it", err)
	}
}
