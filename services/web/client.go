package web

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/internal/peer"
)

// trustedProxies is a flag value: whose word about the client is taken. It is a list of addresses, of networks, and of the
// words private (RFC 1918, RFC 4193, and link-local addresses), loopback, and unix, for all who come over a unix socket. The
// zero value, and nil, trust nobody. Once set it is safe for concurrent use.
type trustedProxies struct {
	given    []string
	networks []netip.Prefix
	unix     bool
}

var _ pflag.SliceValue = (*trustedProxies)(nil)

// Set implements pflag.Value: it adds to the list.
func (t *trustedProxies) Set(s string) error { return t.Append(s) }

// Append implements pflag.SliceValue.
func (t *trustedProxies) Append(s string) error {
	switch s {
	case "unix":
		t.unix = true
	case "private":
		t.networks = append(t.networks, mustPrefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")...)
	case "loopback":
		t.networks = append(t.networks, mustPrefixes("127.0.0.0/8", "::1/128")...)
	default:
		network, err := peer.ParseNetwork(s)
		switch {
		case errors.Is(err, peer.ErrNetwork):
			return errors.New("not an address such as 10.0.0.1, a network such as 10.0.0.0/8, or private, loopback or unix")
		case err != nil:
			return err
		}
		t.networks = append(t.networks, network)
	}
	t.given = append(t.given, s)
	return nil
}

// Replace implements pflag.SliceValue.
func (t *trustedProxies) Replace(list []string) error {
	var fresh trustedProxies
	for _, s := range list {
		if err := fresh.Append(s); err != nil {
			return err
		}
	}
	*t = fresh
	return nil
}

// GetSlice implements pflag.SliceValue.
func (t *trustedProxies) GetSlice() []string { return slices.Clone(t.given) }

// String implements pflag.Value.
func (t *trustedProxies) String() string { return strings.Join(t.given, ", ") }

// Type implements pflag.Value.
func (t *trustedProxies) Type() string { return "PEER" }

func mustPrefixes(list ...string) []netip.Prefix {
	prefixes := make([]netip.Prefix, len(list))
	for i, s := range list {
		prefixes[i] = netip.MustParsePrefix(s)
	}
	return prefixes
}

// trusts reports whether what the peer of a connection says about its client is taken. An invalid address is that of a unix
// socket.
func (t *trustedProxies) trusts(peer netip.Addr) bool {
	if t == nil || !t.unix && len(t.networks) == 0 {
		return false
	}
	if !peer.IsValid() {
		return t.unix
	}
	peer = peer.Unmap().WithZone("") // a network holds no address with a zone
	for _, network := range t.networks {
		if network.Contains(peer) {
			return true
		}
	}
	return false
}

// client returns the address that a request comes from: the peer's, or, if that is trusted, the last one in the values of
// X-Forwarded-For that is not. Each proxy appends the address that it sees, so what stands to the left of the first untrusted
// address is hearsay, and so is what stands to the left of something that is no address. The result is invalid for a client
// behind a unix socket. There are no allocations.
//
// Forwarded (RFC 7239) is not read: proxies that write the one header pass on the other as it came from the client.
func (t *trustedProxies) client(peer netip.Addr, forwardedFor []string) netip.Addr {
	client := peer
	if !t.trusts(peer) {
		return client
	}
	for _, rest := range slices.Backward(forwardedFor) {
		for more := true; more; {
			hop := rest
			comma := strings.LastIndexByte(rest, ',')
			if more = comma >= 0; more {
				rest, hop = rest[:comma], rest[comma+1:]
			}
			addr, ok := parseHop(strings.Trim(hop, " \t"))
			if !ok {
				return client
			}
			client = addr
			if !t.trusts(addr) {
				return client
			}
		}
	}
	return client
}

// parseHop takes an address with or without a port: 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1], [2001:db8::1]:80.
func parseHop(s string) (netip.Addr, bool) {
	const longest = len("[1111:1111:1111:1111:1111:1111:111.111.111.111]:65535")
	if s == "" || len(s) > longest {
		return netip.Addr{}, false
	}
	bare := s
	if s[0] == '[' {
		end := strings.IndexByte(s, ']')
		if end < 0 || end+1 < len(s) && !isPort(s[end+1:]) {
			return netip.Addr{}, false
		}
		bare = s[1:end]
	} else if colon := strings.IndexByte(s, ':'); colon >= 0 && strings.IndexByte(s, '.') >= 0 && isPort(s[colon:]) {
		bare = s[:colon]
	}
	// The errors of netip would be allocated for nothing, but only for what no proxy writes.
	addr, err := netip.ParseAddr(bare)
	if err != nil || addr.Zone() != "" || s[0] == '[' && addr.Is4() {
		return netip.Addr{}, false
	}
	return addr.Unmap(), true
}

// isPort takes a colon and up to five digits.
func isPort(s string) bool {
	return len(s) >= 2 && len(s) <= 6 && s[0] == ':' && strings.Trim(s[1:], "0123456789") == ""
}

// scheme returns "http" or "https": what a trusted peer says in the values of X-Forwarded-Proto that its client spoke, and
// own, that of the connection, otherwise. Of several it is the last, which the peer itself wrote.
func (t *trustedProxies) scheme(peer netip.Addr, own string, forwardedProto []string) string {
	if len(forwardedProto) == 0 || !t.trusts(peer) {
		return own
	}
	last := forwardedProto[len(forwardedProto)-1]
	last = strings.Trim(last[strings.LastIndexByte(last, ',')+1:], " \t")
	switch {
	case strings.EqualFold(last, "https"), strings.EqualFold(last, "wss"):
		return "https"
	case strings.EqualFold(last, "http"), strings.EqualFold(last, "ws"):
		return "http"
	}
	return own
}

// dropForwarded removes what only a trusted proxy may say about its client, also if it is written with underscores, which
// become the same variables for a CGI program.
func dropForwarded(h http.Header) {
	for name := range h {
		if isForwarded(name) {
			delete(h, name)
		}
	}
}

func isForwarded(name string) bool {
	const prefix = "X-Forwarded-"
	if len(name) > len(prefix) {
		return sameHeader(name[:len(prefix)], prefix)
	}
	return sameHeader(name, "Forwarded") || sameHeader(name, "X-Real-IP")
}

// sameHeader compares ASCII names, with "_" for "-" and in any case.
func sameHeader(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if headerByte(a[i]) != headerByte(b[i]) {
			return false
		}
	}
	return true
}

func headerByte(c byte) byte {
	switch {
	case c == '_':
		return '-'
	case 'A' <= c && c <= 'Z':
		return c + 'a' - 'A'
	}
	return c
}

// peerOf returns the address of an http.Request's RemoteAddr, which is invalid for a unix socket.
func peerOf(remoteAddr string) netip.Addr {
	if remoteAddr == "" || remoteAddr[0] == '@' || remoteAddr[0] == '/' {
		return netip.Addr{}
	}
	addr, _ := netip.ParseAddrPort(remoteAddr)
	return addr.Addr().Unmap()
}
