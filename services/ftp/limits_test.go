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

// from connects as the client of an address, through a proxy in front of the server.
func from(t *testing.T, srv *plugintest.Server, client string) *raw {
	t.Helper()
	family := "TCP4"
	if strings.Contains(client, ":") {
		family = "TCP6"
	}
	c := dial(t, srv.Addrs()[0])
	c.send("PROXY " + family + " " + client + " " + client + " 1024 21")
	return c
}

// TestCustomers says that all addresses of a /64 of IPv6 are one client's.
func TestCustomers(t *testing.T) {
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", "haproxy:"+anyPort, "--root", t.TempDir(), "--max-clients-per-ip", "1")
	for _, tt := range []struct{ client, want string }{
		{"2001:db8::1", "220"},
		{"2001:db8::1", "421 Too many connections from 2001:db8::/64, 1 at most."},
		{"2001:db8::ffff:1", "421 Too many connections from 2001:db8::/64, 1 at most."},
		{"2001:db8:0:1::1", "220"},
		{"192.0.2.1", "220"},
		{"192.0.2.1", "421 Too many connections from 192.0.2.1, 1 at most."},
		{"192.0.2.2", "220"},
	} {
		from(t, srv, tt.client).want(tt.want)
	}
}
