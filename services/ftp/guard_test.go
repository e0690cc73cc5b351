package ftp_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

// guarded serves clients behind a proxy, so that they can be many, and alice and bob.
func guarded(t *testing.T, args ...string) *plugintest.Server {
	t.Helper()
	return plugintest.Start(t, ftp.Plugin(), append([]string{"--listen", "haproxy:" + anyPort, "--root", t.TempDir(),
		"--auth", passwords(t, "alice", "bob")}, args...)...)
}

// try logs in from an address and says how the greeting, or the answer to the password, begins.
func try(t *testing.T, srv *plugintest.Server, client, name, password, want string) {
	t.Helper()
	c := from(t, srv, client)
	got := c.answer()
	if strings.HasPrefix(got, "220") {
		c.do("USER "+name, "331")
		c.send("PASS " + password)
		got = c.answer()
	}
	if !strings.HasPrefix(got, want) {
		t.Errorf("%s from %s: %q, want %q", name, client, got, want)
	}
}

func TestBanFlags(t *testing.T) {
	srv := guarded(t, "--login-delay", "0", "--ban-after", "2", "--ban-user-after", "3", "--ban-time", "7d", "--ban-trust", "192.0.2.0/24", "--ban-trust", "2001:db8::1")
	const wrong, address, user = "wr0ng", "421 Too many failed logins, try again in 168h0m0s.", "530 Too many failed logins"
	for range 4 { // whoever is trusted neither is banned nor gets others banned
		try(t, srv, "192.0.2.1", "alice", wrong, "530 Login incorrect.")
		try(t, srv, "2001:db8::1", "alice", wrong, "530 Login incorrect.")
	}
	try(t, srv, "198.51.100.1", "alice", wrong, "530 Login incorrect.")
	try(t, srv, "198.51.100.1", "alice", wrong, "530 Login incorrect.")
	try(t, srv, "198.51.100.1", "alice", password, address)
	try(t, srv, "2001:db8::2", "alice", wrong, "530 Login incorrect.") // the third of alice
	try(t, srv, "198.51.100.2", "alice", password, user)
	try(t, srv, "192.0.2.1", "alice", password, "230")
	try(t, srv, "198.51.100.2", "bob", password, "230")
	if got := fmt.Sprint(srv.Service.(plugins.Reporter).Report()); !strings.Contains(got, "bans=2") {
		t.Errorf("Report() = %s", got)
	}
}

func TestNoBan(t *testing.T) {
	for _, args := range [][]string{{"--ban-after", "0"}, {"--ban-after", "3", "--ban-window", "1ns"}} {
		srv := guarded(t, append(args, "--login-delay", "0")...)
		for range 12 {
			try(t, srv, "192.0.2.1", "alice", "wr0ng", "530 Login incorrect.")
		}
		try(t, srv, "192.0.2.1", "alice", password, "230")
	}
}

// TestBanEnds tries until the ban has passed.
func TestBanEnds(t *testing.T) {
	srv := guarded(t, "--login-delay", "0", "--ban-after", "1", "--ban-time", "200ms")
	try(t, srv, "192.0.2.1", "alice", "wr0ng", "530")
	for banned := true; banned; {
		banned = !strings.HasPrefix(from(t, srv, "192.0.2.1").answer(), "220")
	}
	try(t, srv, "192.0.2.1", "alice", password, "230")
	if log := srv.Log(); !strings.Contains(log, `msg="client banned"`) || !strings.Contains(log, "duration=200ms") {
		t.Errorf("no ban in %s", log)
	}
}

// TestLoginDelay gets no answer before the stop.
func TestLoginDelay(t *testing.T) {
	srv := guarded(t, "--login-delay", "1h")
	c := from(t, srv, "192.0.2.1")
	c.want("220")
	c.do("USER alice", "331")
	c.send("PASS wr0ng")
	srv.Drain()
	c.want("421 The server stops.")
	if err := srv.Wait(); err != nil {
		t.Error(err)
	}
}
