//go:build unix

package certs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gtwistd/gtwistd/internal/certs"
)

func fifo(t testing.TB, path string) {
	t.Helper()
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestNoFiles names what would keep a reader for ever.
func TestNoFiles(t *testing.T) {
	dir := t.TempDir()
	newAuthority(t).issueTo(t, dir, "a", "a.example")
	fifo(t, filepath.Join(dir, "fifo"))
	fifo(t, filepath.Join(dir, "self-made.pem"))
	pair := certs.Pair{Cert: "a.crt", Key: "a.key"}
	for _, test := range []struct {
		config certs.Config
		want   string
	}{
		{certs.Config{Pairs: []certs.Pair{{Cert: "fifo"}}}, `--certificate "fifo": not a regular file`},
		{certs.Config{Pairs: []certs.Pair{{Cert: "/dev/zero", Key: "a.key"}}}, `--certificate "/dev/zero": not a regular file`},
		{certs.Config{Pairs: []certs.Pair{{Cert: "a.crt", Key: "fifo"}}}, `--privkey "fifo": not a regular file`},
		{certs.Config{Pairs: []certs.Pair{pair}, ClientCA: "fifo"}, `--client-ca "fifo": not a regular file`},
		{certs.Config{}, "state directory: " + filepath.Join(dir, "self-made.pem") + ": not a regular file"},
	} {
		_, err := certs.New(certs.Options{Dir: dir, StateDir: dir}).TLS(test.config)
		if err == nil || err.Error() != test.want {
			t.Errorf("TLS() = %v, want %s", err, test.want)
		}
	}
}

// TestFileBecomesFIFO is about a service that runs.
func TestFileBecomesFIFO(t *testing.T) {
	dir := t.TempDir()
	newAuthority(t).issueTo(t, dir, "a", "a.example")
	log, now := &logged{}, newClock()
	m := certs.New(certs.Options{Dir: dir, Now: now.Now, Log: log.logger()})
	addr := serve(t, load(t, m, certs.Config{Pairs: []certs.Pair{{Cert: "a.pem"}}}).Config)
	path := filepath.Join(dir, "a.pem")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	fifo(t, path)
	for range 2 {
		now.advance(3 * time.Second)
		served(t, addr, "a.example")
	}
	if !strings.Contains(log.String(), "not a regular file") {
		t.Errorf("no word of the FIFO in\n%s", log)
	}
	if err := m.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("Reload() = %v, want that it is no regular file", err)
	}
}
