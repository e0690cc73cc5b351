package terms_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/gtwistd/gtwistd/internal/certs"
	"github.com/gtwistd/gtwistd/internal/endpoint"
	"github.com/gtwistd/gtwistd/internal/secrets"
	"github.com/gtwistd/gtwistd/internal/terms"
	"github.com/gtwistd/gtwistd/plugins"
)

func TestUsage(t *testing.T) {
	m := certs.New(certs.Options{StateDir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	defer m.Close()
	var list secrets.List
	_, wrongOption := terms.TLS(m, &list, "/", plugins.TLSOptions{ACME: []string{"no domain"}})
	_, noFile := terms.TLS(m, &list, "/", plugins.TLSOptions{Certificates: []plugins.KeyPair{{Cert: t.TempDir() + "/none.pem"}}})
	set := endpoint.NewSet(endpoint.Options{Log: slog.New(slog.DiscardHandler), TLS: m.Endpoint})
	defer set.Close()
	_, malformed := set.Listen(t.Context(), "hello", "carrier-pigeon:1")
	for _, tt := range []struct {
		name  string
		err   error
		usage bool
	}{
		{"an option that is wrong", wrongOption, true},
		{"a file that does not exist", noFile, false},
		{"a malformed endpoint", terms.Usage(malformed), true},
		{"another error", terms.Usage(errors.New("no")), false},
	} {
		if e, ok := errors.AsType[*plugins.UsageError](tt.err); tt.err == nil || ok != tt.usage || ok && e.Reason == "" {
			t.Errorf("%s: %#v, want a usage error: %v", tt.name, tt.err, tt.usage)
		}
	}
	if err := terms.Usage(nil); err != nil {
		t.Errorf("Usage(nil) = %v", err)
	}
}

// TestUsersFollow says that a password file is a secret, and so is the one that a link leads to after a reload.
func TestUsersFollow(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "users")
	turn := func(name string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte("joe:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_ = os.Remove(link)
		if err := os.Symlink(name, link); err != nil {
			t.Skip(err)
		}
	}
	turn("one")
	var list secrets.List
	users, err := terms.Users(&list, link, func(_ context.Context, fn func() error) error { return fn() })
	if err != nil {
		t.Fatal(err)
	}
	turn("two")
	if list.Has(filepath.Join(dir, "two")) {
		t.Error("two is a secret before the reload")
	}
	if err := users.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"users", "one", "two"} {
		if !list.Has(filepath.Join(dir, name)) {
			t.Errorf("%s is no secret", name)
		}
	}
	if users, err := terms.Users(&list, filepath.Join(dir, "none"), nil); !errors.Is(err, fs.ErrNotExist) || users != nil {
		t.Errorf("Users() = %v, %v, want ErrNotExist", users, err)
	}
}

// TestKeys says that keys are secrets, also those that lie in the file of the certificate.
func TestKeys(t *testing.T) {
	m := certs.New(certs.Options{StateDir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	defer m.Close()
	var list secrets.List
	dir := t.TempDir()
	pairs := []plugins.KeyPair{{Cert: "cert.pem", Key: "key.pem"}, {Cert: filepath.Join(dir, "both.pem")}}
	_, _ = terms.TLS(m, &list, dir, plugins.TLSOptions{Certificates: pairs}) // there are no such files
	for name, want := range map[string]bool{"key.pem": true, "both.pem": true, "cert.pem": false} {
		if got := list.Has(filepath.Join(dir, name)); got != want {
			t.Errorf("Has(%s) = %v, want %v", name, got, want)
		}
	}
}
