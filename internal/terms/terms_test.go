package terms_test

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/gtwistd/gtwistd/internal/certs"
	"github.com/gtwistd/gtwistd/internal/endpoint"
	"github.com/gtwistd/gtwistd/internal/terms"
	"github.com/gtwistd/gtwistd/plugins"
)

func TestUsage(t *testing.T) {
	m := certs.New(certs.Options{StateDir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	defer m.Close()
	_, wrongOption := terms.TLS(m, plugins.TLSOptions{ACME: []string{"no domain"}})
	_, noFile := terms.TLS(m, plugins.TLSOptions{Certificates: []plugins.KeyPair{{Cert: t.TempDir() + "/none.pem"}}})
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
