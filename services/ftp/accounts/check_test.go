package accounts

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestReloadCheck says that what is not to be used is seen and not used.
func TestReloadCheck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.toml")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("")
	refused := errors.New("refused")
	check := func(_ context.Context, next *Book) error {
		if guest := next.Anonymous(); guest.MayChange() {
			return refused
		}
		return nil
	}
	b, err := Open(Options{Path: path, Check: check})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		text string
		want error
	}{
		{"[anonymous]\npermissions = \"read-only\"\n[users.alice]\n", nil},
		{"[anonymous]\npermissions = \"all\"\n", refused},
		{"[anonymous.paths]\n\"/in\" = [\"create\"]\n", refused},
		{"[anonymous]\nenabled = false\npermissions = \"all\"\n[users.alice]\n", nil},
	} {
		put(tt.text)
		if err := b.Reload(t.Context()); !errors.Is(err, tt.want) {
			t.Errorf("Reload() of %q = %v, want %v", tt.text, err, tt.want)
		}
		if !b.HasUsers() {
			t.Errorf("%q is in use", tt.text)
		}
	}
}
