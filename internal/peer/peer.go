// Package peer is what services agree upon about the addresses of clients: which are taken for one client, and how a person
// writes down which of them are meant.
package peer

import (
	"errors"
	"fmt"
	"net/netip"
)

// ErrNetwork says that a text is neither an address nor a network.
var ErrNetwork = errors.New("not an address such as 10.0.0.1 or a network such as 10.0.0.0/8")

// Customer returns what is limited together with an address: itself for IPv4, also in its form of IPv6, and the first address
// of its /64 for IPv6, since whoever has one address of that has them all. An invalid address stays one.
func Customer(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr
	}
	network, _ := addr.Prefix(64) // fails for none of 128 bits
	return network.Addr()
}

// ParseNetwork reads an address, or a network in the notation of RFC 4632 section 3.1, of IPv4 or IPv6. The error is ErrNetwork
// or says what was meant, both without the text.
func ParseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	switch {
	case err != nil || network.Addr().Is4In6():
		return netip.Prefix{}, ErrNetwork
	case network.Masked() != network:
		return netip.Prefix{}, fmt.Errorf("not the first address of a network: did you mean %v, or %v alone?", network.Masked(), network.Addr())
	}
	return network, nil
}
