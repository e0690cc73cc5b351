package ftp

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins"
)

// TestPublicIPLookup moves a host to other addresses, as dynamic DNS does.
func TestPublicIPLookup(t *testing.T) {
	var list publicIPs
	if err := list.Set("10.0.0.0/8=home.example"); err != nil {
		t.Fatal(err)
	}
	rule := list.rules[0]
	broken := errors.New("no such host")
	start := time.Now()
	for _, tt := range []struct {
		name  string
		after time.Duration
		found []string
		err   error
		want  string // "" for the error
		asked bool
	}{
		{"never known", 0, nil, broken, "", true},
		{"no IPv4 address", 0, nil, nil, "", true},
		{"first", 0, []string{"203.0.113.7", "203.0.113.9"}, nil, "203.0.113.7", true},
		{"soon", resolvedFor - 1, []string{"203.0.113.8"}, nil, "203.0.113.7", false},
		{"moved", resolvedFor, []string{"::ffff:203.0.113.8"}, nil, "203.0.113.8", true},
		{"gone", 2 * resolvedFor, nil, broken, "203.0.113.8", true},
		{"gone, soon", 3*resolvedFor - 1, nil, broken, "203.0.113.8", false},
		{"without an address", 3 * resolvedFor, nil, nil, "203.0.113.8", true},
		{"back", 4 * resolvedFor, []string{"203.0.113.7"}, nil, "203.0.113.7", true},
	} {
		asked := false
		rule.lookup = func(ctx context.Context, network, host string) ([]netip.Addr, error) {
			asked = true
			if _, bounded := ctx.Deadline(); network != "ip4" || host != "home.example" || !bounded {
				t.Errorf("%s: lookup(%q, %q), bounded %v", tt.name, network, host, bounded)
			}
			var list []netip.Addr
			for _, s := range tt.found {
				list = append(list, netip.MustParseAddr(s))
			}
			return list, tt.err
		}
		now := start.Add(tt.after)
		var err error
		if _, fresh := rule.current(now); !fresh {
			err = rule.resolve(t.Context(), now)
		}
		got, _ := rule.current(now)
		if tt.want == "" {
			if _, usage := errors.AsType[*plugins.UsageError](err); !errors.Is(err, broken) && !usage {
				t.Errorf("%s: %v, %v, want an error", tt.name, got, err)
			}
		} else if got.String() != tt.want {
			t.Errorf("%s: %v, %v, want %s", tt.name, got, err, tt.want)
		}
		if asked != tt.asked {
			t.Errorf("%s: looked up: %v", tt.name, asked)
		}
	}
}

// TestPublicIPOf finds what clients of both sides of a router are told.
func TestPublicIPOf(t *testing.T) {
	var list publicIPs
	for _, s := range []string{"10.1.0.0/16=10.1.0.7", "203.0.113.7", "10.0.0.0/8=10.0.0.7", "10.2.0.1=10.2.0.7"} {
		if err := list.Set(s); err != nil {
			t.Fatal(err)
		}
	}
	for client, want := range map[string]string{"198.51.100.1": "203.0.113.7", "10.3.0.1": "10.0.0.7", "10.1.0.1": "10.1.0.7", "10.2.0.1": "10.2.0.7"} {
		if got := list.find(netip.MustParseAddr(client)); got.String() != want {
			t.Errorf("find(%s) = %v, want %s", client, got, want)
		}
	}
}

// TestNetworks says which networks are understood, and that they come back as they are meant.
func TestNetworks(t *testing.T) {
	for s, want := range map[string]string{
		"10.0.0.0/8": "10.0.0.0/8", "192.0.2.1": "192.0.2.1/32", "2001:db8::/32": "2001:db8::/32", "::1": "::1/128", "::ffff:192.0.2.1": "192.0.2.1/32",
		"": "", "10.0.0.0/33": "", "10.0.0": "", "fe80::1%eth0": "", "example.org": "",
		"10.1.2.3/8": "", "::ffff:10.0.0.0/104": "",
	} {
		var l networks
		if err := l.Set(s); (err == nil) != (want != "") || l.String() != want {
			t.Errorf("Set(%q) = %v, %v, want %q", s, l.String(), err, want)
		}
	}
}
