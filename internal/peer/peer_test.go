package peer_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/internal/peer"
)

func TestCustomer(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7":          "192.0.2.7",
		"::ffff:192.0.2.7":   "192.0.2.7",
		"2001:db8:0:1::7":    "2001:db8:0:1::",
		"2001:db8:0:1:2::7":  "2001:db8:0:1::",
		"fe80::1:2:3:4%eth0": "fe80::",
	} {
		if got := peer.Customer(netip.MustParseAddr(addr)); got.String() != want {
			t.Errorf("Customer(%s) = %v, want %s", addr, got, want)
		}
	}
}

func TestParseNetwork(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.1":          "10.0.0.1/32",
		"10.0.0.0/8":        "10.0.0.0/8",
		"::ffff:10.0.0.1":   "10.0.0.1/32",
		"2001:db8::1":       "2001:db8::1/128",
		"2001:db8::/32":     "2001:db8::/32",
		"0.0.0.0/0":         "0.0.0.0/0",
		"2001:0DB8:0::0/32": "2001:db8::/32",
	} {
		if got, err := peer.ParseNetwork(text); err != nil || got.String() != want {
			t.Errorf("ParseNetwork(%q) = %v, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "localhost", "10.0.0.0/33", "10.0.0.1:80", "fe80::1%eth0", "::ffff:10.0.0.0/96", "10.0.0.1,10.0.0.2"} {
		if got, err := peer.ParseNetwork(text); !errors.Is(err, peer.ErrNetwork) {
			t.Errorf("ParseNetwork(%q) = %v, %v, want ErrNetwork", text, got, err)
		}
	}
	if _, err := peer.ParseNetwork("10.0.0.1/8"); err == nil || !strings.HasSuffix(err.Error(), "did you mean 10.0.0.0/8, or 10.0.0.1 alone?") {
		t.Errorf("ParseNetwork(10.0.0.1/8) = %v, want a question", err)
	}
}
