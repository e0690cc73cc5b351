package endpoint

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
)

// bind makes the stream socket of a description.
func (s *Set) bind(ctx context.Context, sp Spec) (bound, error) {
	switch sp.kind {
	case "unix":
		s.unix.Lock()
		defer s.unix.Unlock()
		return listenUnix(ctx, s.unixPath(sp), sp.mode)
	case "systemd", "fd":
		return s.inheritListener(sp)
	}
	addr, err := sp.address(ctx)
	if err != nil {
		return bound{}, err
	}
	lc := tcpConfig()
	l, err := lc.Listen(ctx, sp.network(), addr)
	return bound{listener: l}, err
}

func (s *Set) unixPath(sp Spec) string {
	if sp.abstract() {
		return sp.path
	}
	return s.path(sp.path)
}

// bindPacket makes the datagram socket of a description.
func (s *Set) bindPacket(ctx context.Context, sp Spec) (*net.UDPConn, error) {
	if sp.kind != "udp" {
		return s.inheritPacket(sp)
	}
	addr, err := sp.address(ctx)
	if err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	c, err := lc.ListenPacket(ctx, sp.network(), addr)
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}

// address returns HOST:PORT with the host resolved, so that a name that does not exist is told from one that is no address
// of this host.
func (sp Spec) address(ctx context.Context) (string, error) {
	port := strconv.Itoa(sp.port)
	if _, err := netip.ParseAddr(sp.host); err == nil || sp.host == "" {
		return net.JoinHostPort(sp.host, port), nil
	}
	// A resolver may have no entry for it (RFC 6761, section 6.3).
	if sp.host == "localhost" {
		if sp.kind == "tcp6" {
			return net.JoinHostPort("::1", port), nil
		}
		return net.JoinHostPort("127.0.0.1", port), nil
	}
	network := "ip"
	if sp.kind == "tcp6" {
		network = "ip6"
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, network, sp.host)
	if err != nil {
		return "", sp.unresolved(err)
	}
	best := addrs[0].Unmap()
	for _, a := range addrs {
		if a = a.Unmap(); a.Is4() && !best.Is4() {
			best = a
		}
	}
	return net.JoinHostPort(best.String(), port), nil
}

// unresolved explains a host that is not found; often it is the name of a network interface.
func (sp Spec) unresolved(err error) error {
	f := fault{text: fmt.Sprintf("interface %q: no such host", sp.host)}
	var dns *net.DNSError
	if errors.As(err, &dns) && !dns.IsNotFound {
		f.text = fmt.Sprintf("interface %q: %s", sp.host, dns.Err)
	}
	if nic, nicErr := net.InterfaceByName(sp.host); nicErr == nil {
		if addrs, _ := nic.Addrs(); len(addrs) > 0 {
			ip, _, _ := net.ParseCIDR(addrs[0].String())
			f.hint = fmt.Sprintf("%s is a network interface; write its address, such as %s", sp.host, ip)
		}
	}
	return &wrapped{fault: f, err: err}
}

// wrapped is a fault with a cause that callers may look for.
type wrapped struct {
	fault
	err error
}

func (w *wrapped) Unwrap() []error { return []error{&w.fault, w.err} }

// inherited returns the file that a systemd: or fd: description means.
func (s *Set) inherited(sp Spec) (*os.File, error) {
	in := s.opts.Inherited
	var f *os.File
	var err error
	switch {
	case sp.kind == "fd" && in.File != nil:
		f, err = in.File(sp.fd)
	case sp.kind == "systemd" && sp.name != "" && in.ByName != nil:
		f, err = in.ByName(sp.name)
	case sp.kind == "systemd" && sp.name == "" && in.ByIndex != nil:
		f, err = in.ByIndex(sp.index)
	default:
		err = faultf("no descriptors were inherited").suggest("%s is for a program started by a service manager; else take %q", sp.kind, "tcp:8080")
	}
	return f, err
}

func (s *Set) inheritListener(sp Spec) (bound, error) {
	f, err := s.inherited(sp)
	if err != nil {
		return bound{}, err
	}
	defer f.Close()
	if err := listening(f); err != nil {
		return bound{}, err
	}
	l, err := net.FileListener(f)
	if err != nil {
		return bound{}, fmt.Errorf("not a stream socket: %w", err)
	}
	if u, ok := l.(*net.UnixListener); ok {
		// The file belongs to who bound it.
		u.SetUnlinkOnClose(false)
	}
	if err := sp.checkDomain(l.Addr()); err != nil {
		l.Close()
		return bound{}, err
	}
	return bound{listener: l}, nil
}

func (s *Set) inheritPacket(sp Spec) (*net.UDPConn, error) {
	f, err := s.inherited(sp)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c, err := net.FilePacketConn(f)
	if err != nil {
		return nil, fmt.Errorf("not a datagram socket: %w", err)
	}
	udp, ok := c.(*net.UDPConn)
	if !ok {
		c.Close()
		return nil, fmt.Errorf("a %s socket, not udp", c.LocalAddr().Network())
	}
	if err := sp.checkDomain(c.LocalAddr()); err != nil {
		c.Close()
		return nil, err
	}
	return udp, nil
}

// checkDomain compares the family that a systemd: description names with that of the socket.
func (sp Spec) checkDomain(a net.Addr) error {
	is := "UNIX"
	if ap, err := netip.ParseAddrPort(a.String()); err == nil {
		is = "INET6"
		if ap.Addr().Is4() {
			is = "INET"
		}
	}
	if sp.domain == "" || sp.domain == is {
		return nil
	}
	return faultf("domain %s: the socket is %s (%s)", sp.domain, is, a)
}
