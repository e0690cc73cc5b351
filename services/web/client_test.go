package web

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// trusting returns the value of a flag that was set so.
func trusting(t testing.TB, list ...string) *trustedProxies {
	t.Helper()
	var p trustedProxies
	for _, s := range list {
		if err := p.Set(s); err != nil {
			t.Fatalf("Set(%q) = %v", s, err)
		}
	}
	return &p
}

// addr parses an address; "" is that of a unix socket.
func addr(s string) netip.Addr {
	if s == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(s)
}

func TestTrusts(t *testing.T) {
	tests := []struct {
		list, peer string
		want       bool
	}{
		{"", "127.0.0.1", false},
		{"", "", false},
		{"10.0.0.1", "10.0.0.1", true},
		{"10.0.0.1", "10.0.0.2", false},
		{"10.0.0.1", "::ffff:10.0.0.1", true},
		{"::ffff:10.0.0.1", "10.0.0.1", true},
		{"10.0.0.0/8", "10.255.0.1", true},
		{"10.0.0.0/8", "11.0.0.1", false},
		{"10.0.0.0/8", "", false},
		{"2001:db8::/32", "2001:db8::1", true},
		{"2001:db8::/32", "2001:db9::1", false},
		{"0.0.0.0/0", "2001:db9::1", false},
		{"private", "192.168.1.1", true},
		{"private", "172.31.0.1", true},
		{"private", "172.32.0.1", false},
		{"private", "fd00::1", true},
		{"private", "fe80::1%eth0", true},
		{"private", "127.0.0.1", false},
		{"private", "", false},
		{"loopback", "127.8.8.8", true},
		{"loopback", "::1", true},
		{"loopback", "10.0.0.1", false},
		{"unix", "", true},
		{"unix", "127.0.0.1", false},
		{"unix loopback 192.0.2.0/24", "192.0.2.9", true},
	}
	for _, tt := range tests {
		if got := trusting(t, strings.Fields(tt.list)...).trusts(addr(tt.peer)); got != tt.want {
			t.Errorf("%q trusts %q = %v, want %v", tt.list, tt.peer, got, tt.want)
		}
	}
	if (*trustedProxies)(nil).trusts(netip.Addr{}) {
		t.Error("nil trusts somebody")
	}
}

func TestTrustedProxiesFlag(t *testing.T) {
	for s, want := range map[string]string{
		"":                   "not an address such as",
		"localhost":          "not an address such as",
		"Private":            "not an address such as",
		"10.0.0.0/33":        "not an address such as",
		"10.0.0.1,10.0.0.2":  "not an address such as",
		"fe80::1%eth0":       "not an address such as",
		"::ffff:10.0.0.0/96": "not an address such as",
		"10.0.0.1:80":        "not an address such as",
		"10.0.0.1/8":         "did you mean 10.0.0.0/8, or 10.0.0.1 alone?",
	} {
		if err := new(trustedProxies).Set(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Set(%q) = %v, want %q", s, err, want)
		}
	}
	var p trustedProxies
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.Var(&p, "trusted-proxy", "usage")
	if err := flags.Parse([]string{"--trusted-proxy", "unix", "--trusted-proxy=10.0.0.0/8"}); err != nil {
		t.Fatal(err)
	}
	if p.String() != "unix, 10.0.0.0/8" || !slices.Equal(p.GetSlice(), []string{"unix", "10.0.0.0/8"}) || !p.trusts(addr("")) {
		t.Errorf("the flag is %v", &p)
	}
	if err := p.Replace([]string{"x"}); err == nil || !p.trusts(addr("10.0.0.1")) {
		t.Errorf("Replace() = %v, now %v, want an error and no change", err, &p)
	}
	if err := p.Replace([]string{"loopback"}); err != nil || p.trusts(addr("10.0.0.1")) || p.trusts(addr("")) || !p.trusts(addr("::1")) {
		t.Errorf("Replace() = %v, now %v", err, &p)
	}
}

func TestClient(t *testing.T) {
	tests := []struct {
		name, trusted, peer string
		header              []string
		want                string
	}{
		{"nobody trusted", "", "10.0.0.1", []string{"192.0.2.1"}, "10.0.0.1"},
		{"another trusted", "10.0.0.2", "10.0.0.1", []string{"192.0.2.1"}, "10.0.0.1"},
		{"no header", "10.0.0.1", "10.0.0.1", nil, "10.0.0.1"},
		{"one hop", "10.0.0.1", "10.0.0.1", []string{"192.0.2.1"}, "192.0.2.1"},
		{"made up by the client", "10.0.0.1", "10.0.0.1", []string{"127.0.0.1, 10.0.0.1, 192.0.2.1"}, "192.0.2.1"},
		{"two proxies", "private", "10.0.0.1", []string{"192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
		{"two headers", "private", "10.0.0.1", []string{"198.51.100.1, 192.0.2.1", "10.0.0.2"}, "192.0.2.1"},
		{"all trusted", "private", "10.0.0.1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"malformed", "private", "10.0.0.1", []string{"192.0.2.1, junk"}, "10.0.0.1"},
		{"malformed behind a proxy", "private", "10.0.0.1", []string{"192.0.2.1, unknown, 10.0.0.2"}, "10.0.0.2"},
		{"malformed and never reached", "private", "10.0.0.1", []string{"junk, 192.0.2.1"}, "192.0.2.1"},
		{"empty", "private", "10.0.0.1", []string{""}, "10.0.0.1"},
		{"empty, then none", "private", "10.0.0.1", []string{"192.0.2.1", ""}, "10.0.0.1"},
		{"comma at the end", "private", "10.0.0.1", []string{"192.0.2.1,"}, "10.0.0.1"},
		{"no spaces, tabs", "private", "10.0.0.1", []string{"198.51.100.1,192.0.2.1 ,\t10.0.0.2"}, "192.0.2.1"},
		{"port", "private", "10.0.0.1", []string{"192.0.2.1:4711"}, "192.0.2.1"},
		{"no port after the colon", "private", "10.0.0.1", []string{"192.0.2.1:"}, "10.0.0.1"},
		{"ipv6", "private", "10.0.0.1", []string{"2001:db8::1"}, "2001:db8::1"},
		{"ipv6 in brackets", "private", "10.0.0.1", []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"ipv6 with a port", "private", "10.0.0.1", []string{"[2001:db8::1]:4711"}, "2001:db8::1"},
		{"ipv6, bracket open", "private", "10.0.0.1", []string{"[2001:db8::1"}, "10.0.0.1"},
		{"ipv4 in brackets", "private", "10.0.0.1", []string{"[192.0.2.1]"}, "10.0.0.1"},
		{"ipv6 with a zone", "private", "10.0.0.1", []string{"fe80::1%eth0"}, "10.0.0.1"},
		{"ipv4 as ipv6", "private", "10.0.0.1", []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		{"trusted ipv4 as ipv6", "private", "::ffff:10.0.0.1", []string{"192.0.2.1, ::ffff:10.0.0.2"}, "192.0.2.1"},
		{"octal", "private", "10.0.0.1", []string{"0192.0.2.1"}, "10.0.0.1"},
		{"NUL", "private", "10.0.0.1", []string{"192.0.2.1\x00"}, "10.0.0.1"},
		{"enormous", "private", "10.0.0.1", []string{strings.Repeat("1", 60000)}, "10.0.0.1"},
		{"unix socket", "unix", "", []string{"192.0.2.1"}, "192.0.2.1"},
		{"unix socket, malformed", "unix", "", []string{"x"}, ""},
		{"unix socket, not trusted", "private", "", []string{"192.0.2.1"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := trusting(t, strings.Fields(tt.trusted)...)
			if got := p.client(addr(tt.peer), tt.header); got != addr(tt.want) {
				t.Errorf("client(%q, %q) = %v, want %q", tt.peer, tt.header, got, tt.want)
			}
		})
	}
}

func TestClientDoesNotAllocate(t *testing.T) {
	var none *trustedProxies
	some, header := trusting(t, "private"), []string{"198.51.100.1, 192.0.2.1:80, [2001:db8::1]:80", "10.0.0.3, 10.0.0.2"}
	n := testing.AllocsPerRun(100, func() {
		peer := peerOf("10.0.0.1:4711")
		_, _ = none.client(peer, header), some.client(peer, header)
		_ = some.scheme(peer, "http", []string{"https"})
	})
	if n != 0 {
		t.Errorf("%v allocations for an address, want none", n)
	}
}

func TestPeerOf(t *testing.T) {
	for s, want := range map[string]string{
		"127.0.0.1:80": "127.0.0.1", "[::1]:80": "::1", "[::ffff:10.0.0.1]:80": "10.0.0.1", "@": "", "": "", "/run/x": "", "pipe": "",
	} {
		if got := peerOf(s); got != addr(want) {
			t.Errorf("peerOf(%q) = %v, want %q", s, got, want)
		}
	}
}

func TestScheme(t *testing.T) {
	tests := []struct {
		peer, own string
		header    []string
		want      string
	}{
		{"10.0.0.1", "http", nil, "http"},
		{"10.0.0.1", "http", []string{"https"}, "https"},
		{"10.0.0.1", "https", []string{"HTTP"}, "http"},
		{"10.0.0.1", "http", []string{"wss"}, "https"},
		{"10.0.0.1", "http", []string{"http, https"}, "https"},
		{"10.0.0.1", "http", []string{"https", "http"}, "http"},
		{"10.0.0.1", "https", []string{"javascript"}, "https"},
		{"10.0.0.1", "https", []string{""}, "https"},
		{"192.0.2.1", "http", []string{"https"}, "http"},
	}
	for _, tt := range tests {
		if got := trusting(t, "private").scheme(addr(tt.peer), tt.own, tt.header); got != tt.want {
			t.Errorf("scheme(%s, %s, %q) = %q, want %q", tt.peer, tt.own, tt.header, got, tt.want)
		}
	}
}

func TestDropForwarded(t *testing.T) {
	h := http.Header{}
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "x-forwarded-host", "X_Forwarded_For", "X-Forwarded_for", "Forwarded", "X-Real-Ip", "X_real_ip"} {
		h[name] = []string{"x"}
	}
	kept := []string{"Accept", "Host", "X-Forwarded", "X-Forward", "Via", "X-Request-Id", "Forwarded-By"}
	for _, name := range kept {
		h[name] = []string{"x"}
	}
	dropForwarded(h)
	for name := range h {
		if !slices.Contains(kept, name) {
			t.Errorf("%s is left", name)
		}
	}
	if len(h) != len(kept) {
		t.Errorf("left are %v, want %v", h, kept)
	}
}

// FuzzForwardedFor says that an address comes from the header, without a zone and in one form, or is the peer's.
func FuzzForwardedFor(f *testing.F) {
	f.Add("192.0.2.1, 10.0.0.2", "10.0.0.3")
	f.Add("[2001:db8::1]:80,", "::ffff:10.0.0.1")
	f.Add("[", "]:")
	f.Add("1.2.3.4:99999, :1", ",")
	p := trusting(f, "private")
	f.Fuzz(func(t *testing.T, first, second string) {
		peer := addr("10.0.0.1")
		got := p.client(peer, []string{first, second})
		if !got.IsValid() || got.Zone() != "" || got.Is4In6() {
			t.Errorf("client(%q, %q) = %v", first, second, got)
		}
		// What is right of a comma decides before what is left of it does.
		if more := p.client(peer, []string{"203.0.113.9", first + "," + second}); got != peer && !p.trusts(got) && more != got {
			t.Errorf("client(%q, %q) = %v, and %v with more to the left", first, second, got, more)
		}
	})
}

func BenchmarkClient(b *testing.B) {
	var none *trustedProxies
	for name, p := range map[string]*trustedProxies{"none": none, "private": trusting(b, "private")} {
		b.Run(name, func(b *testing.B) {
			peer, header := addr("10.0.0.1"), []string{"192.0.2.1"}
			b.ReportAllocs()
			for b.Loop() {
				_ = p.client(peer, header)
			}
		})
	}
}
