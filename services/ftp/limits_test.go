package ftp_test

import (
	"crypto/tls"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

// TestMinRate demands what no connection has, and what each has.
func TestMinRate(t *testing.T) {
	dir := t.TempDir()
	sparse(t, dir, "large")
	for rate, want := range map[string]string{"1T": "426 Too slow, transfer aborted.", "1": "226"} {
		srv := plugintest.Start(t, ftp.PluginWithGrace(time.Nanosecond), "--listen", anyPort, "--root", dir, "--writable", "--tls", "allow", "--min-rate", rate)
		for _, encrypt := range []bool{false, true} {
			config := trusting()
			open := func(c *raw) io.ReadWriteCloser { return c.pasv() }
			c := anonymous(t, srv)
			if encrypt {
				c = encrypted(t, srv, false, config)
				open = func(c *raw) io.ReadWriteCloser { return tls.Client(c.pasv(), config) }
			}
			data := open(c)
			c.do("RETR large", "150")
			n, _ := io.Copy(io.Discard, data)
			c.want(want)
			if complete := n == large; complete != (want == "226") {
				t.Errorf("--min-rate %s, TLS %v: %d bytes", rate, encrypt, n)
			}
			data = open(c)
			c.do("STOR new", "150")
			_, _ = io.WriteString(data, strings.Repeat("x", 1<<20))
			_ = data.Close()
			c.want(want)
		}
	}
}

// TestMinRateOfLimitedUser says that nobody has to be faster than the user's bandwidth is.
func TestMinRateOfLimitedUser(t *testing.T) {
	dir := directory(t, map[string]string{"a": strings.Repeat("x", 32<<10)})
	file := filepath.Join(t.TempDir(), "users.toml")
	write(t, file, "[anonymous]\npermissions = \"all\"\ndownload-bandwidth = \"64K\"\nupload-bandwidth = \"64K\"\n")
	srv := plugintest.Start(t, ftp.PluginWithGrace(50*time.Millisecond), "--listen", anyPort, "--root", dir, "--users", file, "--min-rate", "128K")
	c := anonymous(t, srv)
	if got := c.get("RETR a"); len(got) != 32<<10 {
		t.Errorf("RETR = %d bytes", len(got))
	}
	c.put("STOR b", strings.Repeat("x", 32<<10))
}
