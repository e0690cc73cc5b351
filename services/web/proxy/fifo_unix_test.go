//go:build unix

package proxy_test

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
)

// TestFIFOAsAuthority would wait for ever if the FIFO were opened like a file.
func TestFIFOAsAuthority(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "ca.pem")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{fifo, "/dev/zero"} {
		_, err := make1(t, plugintest.NewHost(t, "web"), "", "https://a", "tls-ca="+name)
		if err == nil || !strings.HasSuffix(err.Error(), ": not a regular file") {
			t.Errorf("tls-ca=%s: %v, want that it is no regular file", name, err)
		}
	}
}
