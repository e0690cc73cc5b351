package endpoint

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// defaultPorts are left out of URLs.
var defaultPorts = map[string]uint16{"http": 80, "https": 443, "ftp": 21, "ftps": 990}

// URLs returns the addresses at which a person finds the listener, without a path: "http://127.0.0.1:8080". One that is
// bound to all interfaces has a URL for each of the host's addresses, which the caller passes (net.InterfaceAddrs):
// loopback first, then IPv4, then IPv6; link-local addresses are left out. Under TLS an "s" is appended to the scheme. An
// empty scheme, or "tcp", gives that of the network: tcp, tls or udp. A unix socket is "unix:" and its path.
func (i Info) URLs(scheme string, host []net.Addr) []string {
	if i.Addr == nil {
		return nil
	}
	if i.Network == "unix" {
		return []string{"unix:" + i.Path}
	}
	ap, err := netip.ParseAddrPort(i.Addr.String())
	if err != nil {
		return []string{i.Addr.String()}
	}
	scheme = i.scheme(scheme)
	port := ""
	if defaultPorts[scheme] != ap.Port() {
		port = ":" + strconv.Itoa(int(ap.Port()))
	}
	var urls []string
	for _, ip := range i.reached(ap.Addr(), host) {
		urls = append(urls, scheme+"://"+hostOfURL(ip)+port)
	}
	return urls
}

func (i Info) scheme(s string) string {
	switch {
	case s != "" && s != "tcp" && i.TLS:
		return s + "s"
	case s != "" && s != "tcp":
		return s
	case i.TLS:
		return "tls"
	}
	return i.Network
}

// reached returns the addresses under which the listener is reached.
func (i Info) reached(bound netip.Addr, host []net.Addr) []netip.Addr {
	if !bound.IsUnspecified() {
		return []netip.Addr{bound.Unmap()}
	}
	ips := slices.DeleteFunc(usable(host), func(ip netip.Addr) bool {
		return bound.Is4() && !ip.Is4() || i.ipv6only && ip.Is4()
	})
	slices.SortStableFunc(ips, func(a, b netip.Addr) int { return cmp.Compare(rank(a), rank(b)) })
	if len(ips) == 0 {
		ips = append(ips, bound)
	}
	return ips
}

func rank(ip netip.Addr) int {
	r := 0
	if !ip.IsLoopback() {
		r = 2
	}
	if !ip.Is4() {
		r++
	}
	return r
}

// usable returns the addresses that can be typed: link-local ones need a zone, which browsers do not take.
func usable(addrs []net.Addr) []netip.Addr {
	var list []netip.Addr
	for _, a := range addrs {
		text, _, _ := strings.Cut(a.String(), "/")
		ip, err := netip.ParseAddr(text)
		if err != nil || ip.IsLinkLocalUnicast() || ip.IsMulticast() || slices.Contains(list, ip.Unmap()) {
			continue
		}
		list = append(list, ip.Unmap())
	}
	return list
}

// hostOfURL brackets an IPv6 address and escapes the "%" before its zone (RFC 6874).
func hostOfURL(ip netip.Addr) string {
	if ip.Is4() {
		return ip.String()
	}
	return "[" + strings.Replace(ip.String(), "%", "%25", 1) + "]"
}
