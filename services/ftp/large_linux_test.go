package ftp_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
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

// TestUrgentData says that a byte which is sent as urgent is one of the file, and does not end it.
func TestUrgentData(t *testing.T) {
	text := spliced()
	dir := t.TempDir()
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable")
	c := anonymous(t, srv)
	data := c.pasv()
	c.do("STOR f", "150")
	half := len(text) / 2
	if _, err := io.WriteString(data, text[:half]); err != nil {
		t.Fatal(err)
	}
	rc, err := data.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if ctlErr := rc.Control(func(fd uintptr) { err = syscall.Sendto(int(fd), []byte(text[half:half+1]), syscall.MSG_OOB, nil) }); ctlErr != nil || err != nil {
		t.Fatal(ctlErr, err)
	}
	if _, err := io.WriteString(data, text[half+1:]); err != nil {
		t.Fatal(err)
	}
	if err := data.Close(); err != nil {
		t.Fatal(err)
	}
	c.want("226")
	if got, err := os.ReadFile(filepath.Join(dir, "f")); err != nil || string(got) != text {
		t.Errorf("the file has %d bytes (%v), want %d", len(got), err, len(text))
	}
}

// TestQuotaIsOfTheDirectory moves the link that is the root: what is stored where it leads to now is what counts.
func TestQuotaIsOfTheDirectory(t *testing.T) {
	here := t.TempDir()
	full, empty, link := filepath.Join(here, "full"), filepath.Join(here, "empty"), filepath.Join(here, "root")
	for _, dir := range []string{full, empty} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(full, "x"), strings.Repeat("x", 90))
	if err := os.Symlink(empty, link); err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(t.TempDir(), "users.toml")
	write(t, users, "[users.joe]\nroot = \""+link+"\"\npermissions = \"all\"\nquota = 100\n")
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", here, "--auth", passwords(t, "joe"), "--users", users)
	c := enter(t, srv, "joe", password, "230")
	c.put("STOR a", strings.Repeat("a", 20))
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(full, link); err != nil {
		t.Fatal(err)
	}
	later := enter(t, srv, "joe", password, "230")
	refused(t, later, "STOR a", strings.Repeat("a", 20), "552")
	c.put("STOR b", strings.Repeat("b", 70)) // in the session that has the old one
}
