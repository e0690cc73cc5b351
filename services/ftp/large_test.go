package ftp_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

// spliced is more than goes through the process before the kernel takes over.
func spliced() string {
	var b strings.Builder
	for i := range 3 << 20 / 8 {
		b.WriteString(string([]byte{byte(i), byte(i >> 8), byte(i >> 16), 'x', 'y', 'z', byte(i * 7), '\n'}))
	}
	return b.String()
}

// TestLargeUpload says that all bytes arrive in their place, also behind what was there.
func TestLargeUpload(t *testing.T) {
	text := spliced()
	for _, mode := range []string{"atomic", "direct"} {
		t.Run(mode, func(t *testing.T) {
			dir := t.TempDir()
			srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable", "--upload", mode)
			c := anonymous(t, srv)
			half := len(text) / 2
			c.put("STOR f", text[:half])
			c.put("APPE f", text[half:])
			c.put("STOR g", text)
			c.do("REST 5", "350")
			c.put("STOR g", text)
			for name, want := range map[string]string{"f": text, "g": text[:5] + text} {
				if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
					t.Errorf("%s has %d other bytes (%v), want %d", name, len(got), err, len(want))
				}
			}
		})
	}
}

// TestLargeQuota says that not a byte more is stored than there is room for.
func TestLargeQuota(t *testing.T) {
	text := spliced()
	dir := t.TempDir()
	users := filepath.Join(t.TempDir(), "users.toml")
	write(t, users, "[users.joe]\nroot = \""+dir+"\"\npermissions = \"all\"\nquota = \"2MiB\"\n")
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", t.TempDir(), "--auth", passwords(t, "joe"), "--users", users, "--upload", "direct")
	c := enter(t, srv, "joe", password, "230")
	refused(t, c, "STOR f", text, "552")
	if info, err := os.Stat(filepath.Join(dir, "f")); err != nil || info.Size() > 2<<20 {
		t.Errorf("%v, %v, want at most 2 MiB", info, err)
	}
	c.do("DELE f", "250")
	c.put("STOR f", text[:2<<20])
}
