package ftp

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// doPASV has an IPv4 address in its answer, or makes none.
func (c *session) doPASV(verb, _ string) string {
	addr := c.passiveAddr()
	c.mu.Lock()
	c.active, c.passive = netip.AddrPort{}, addr
	only := c.epsvOnly
	c.mu.Unlock()
	switch {
	case only:
		return c.answer("501 After EPSV ALL there is only EPSV.")
	case !addr.IsValid():
		return c.answer("425 PASV is for IPv4: use EPSV.")
	}
	return verb
}

// passiveAddr is the address that PASV tells, invalid if there is none.
func (c *session) passiveAddr() netip.Addr {
	addr := c.srv.publicIP.find(c.remote.Addr())
	if !addr.IsValid() {
		addr = c.local.Addr()
	}
	if !addr.Is4() || !c.remote.Addr().Unmap().Is4() {
		return netip.Addr{} // whoever came over IPv6 would come to the data connection as somebody else
	}
	return addr
}

func (c *session) doEPSV(verb, param string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.active = netip.AddrPort{}
	own := "1"
	if c.local.Addr().Is6() {
		own = "2"
	}
	switch {
	case strings.EqualFold(param, "ALL"):
		c.epsvOnly = true
		c.pending = &answer{text: "200 There is only EPSV from now on."}
		return noop
	case param != "" && param != own && c.local.IsValid():
		c.pending = &answer{text: "522 The network protocol is another, use (" + own + ")"} // RFC 2428 section 2
		return noop
	}
	return verb
}

// doPORT lets the library wait for a connection, while the session makes one to the client.
func (c *session) doPORT(verb, param string) string {
	parse := parsePORT
	if verb == "EPRT" {
		parse = parseEPRT
	}
	addr, ok := parse(param)
	if ok && addr.Addr().IsUnspecified() { // from lftp over IPv6: its own, as ever
		addr = netip.AddrPortFrom(c.remote.Addr().WithZone(""), addr.Port())
	}
	c.mu.Lock()
	only := c.epsvOnly
	c.mu.Unlock()
	switch {
	case only:
		return c.answer("501 After EPSV ALL there is only EPSV.")
	case !ok:
		return c.answer("501 That is not an address.")
	case addr.Addr() != c.remote.Addr().WithZone("") || addr.Port() < firstUserPort:
		// RFC 2577: else this server could be made to talk to others.
		c.log.Warn("active mode refused", "target", addr)
		return c.answer("501 Data connections go to your own address, and to no port below " + strconv.Itoa(firstUserPort) + ".")
	}
	c.mu.Lock()
	c.active = netip.AddrPortFrom(c.remote.Addr(), addr.Port())
	c.mu.Unlock()
	return "PASV"
}

// firstUserPort is the first port that does not belong to a service of the system.
const firstUserPort = 1024

// parsePORT takes h1,h2,h3,h4,p1,p2 (RFC 959 section 4.1.2).
func parsePORT(s string) (netip.AddrPort, bool) {
	fields := strings.Split(s, ",")
	if len(fields) != 6 {
		return netip.AddrPort{}, false
	}
	var b [6]byte
	for i, field := range fields {
		n, err := strconv.ParseUint(strings.TrimSpace(field), 10, 8)
		if err != nil {
			return netip.AddrPort{}, false
		}
		b[i] = byte(n)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[:4])), uint16(b[4])<<8|uint16(b[5])), true
}

// parseEPRT takes |1|132.235.1.2|6275|, with any character in the place of the bar (RFC 2428 section 2).
func parseEPRT(s string) (netip.AddrPort, bool) {
	if s == "" {
		return netip.AddrPort{}, false
	}
	fields := strings.Split(s, s[:1])
	if len(fields) != 5 || fields[4] != "" || fields[1] != "1" && fields[1] != "2" {
		return netip.AddrPort{}, false
	}
	addr, err := netip.ParseAddr(fields[2])
	port, err2 := strconv.ParseUint(fields[3], 10, 16)
	if err != nil || err2 != nil || port == 0 || addr.Is4() != (fields[1] == "1") || addr.Zone() != "" {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), true
}

// passiveReply is the answer to PASV.
func passiveReply(addr netip.Addr, port int) string {
	b := addr.As4()
	return fmt.Sprintf("227 Entering Passive Mode (%d,%d,%d,%d,%d,%d).", b[0], b[1], b[2], b[3], port>>8, port&0xff)
}

// passivePort reads the port out of an answer to PASV or EPSV.
func passivePort(line string) (port int, extended bool) {
	_, rest, _ := strings.Cut(line, "(")
	rest, _, _ = strings.Cut(rest, ")")
	if fields := strings.Split(rest, "|"); len(fields) == 5 {
		port, _ = strconv.Atoi(fields[3])
		return port, true
	}
	fields := strings.Split(rest, ",")
	if len(fields) != 6 {
		return 0, false
	}
	high, _ := strconv.Atoi(fields[4])
	low, _ := strconv.Atoi(fields[5])
	return high<<8 | low, false
}
