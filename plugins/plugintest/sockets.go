package plugintest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/gtwistd/gtwistd/internal/terms"
)

func (h *Host) listen(ctx context.Context, spec string) (net.Listener, error) {
	return h.listenTLS(ctx, spec, nil)
}

func (h *Host) listenTLS(ctx context.Context, spec string, c *tls.Config) (net.Listener, error) {
	ln, err := h.set.ListenTLS(ctx, h.Env.Name, spec, c)
	if err != nil {
		return nil, terms.Usage(err)
	}
	if err := h.bound(ctx, spec, ln.Addr()); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	return ln, nil
}

func (h *Host) listenPacket(ctx context.Context, spec string) (net.PacketConn, error) {
	pc, err := h.set.ListenPacket(ctx, h.Env.Name, spec)
	if err != nil {
		return nil, terms.Usage(err)
	}
	if err := h.bound(ctx, spec, pc.LocalAddr()); err != nil {
		return nil, errors.Join(err, pc.Close())
	}
	return pc, nil
}

// bound takes note of an address. If it is the one that shall be in use, it returns what a second bind to it meets.
func (h *Host) bound(ctx context.Context, spec string, addr net.Addr) error {
	h.mu.Lock()
	h.addrs = append(h.addrs, reachable(addr))
	occupied := len(h.addrs) == h.occupy
	h.mu.Unlock()
	if !occupied {
		return nil
	}
	var lc net.ListenConfig
	var second io.Closer
	var err error
	if addr.Network() == "udp" {
		second, err = lc.ListenPacket(ctx, "udp", addr.String())
	} else {
		second, err = lc.Listen(ctx, addr.Network(), addr.String())
	}
	if err == nil {
		return errors.Join(fmt.Errorf("plugintest: %v can be bound twice", addr), second.Close())
	}
	return fmt.Errorf("listen %s: %w", spec, err)
}

// reachable puts the loopback address in the place of "all interfaces", which not every system lets a client dial.
func reachable(addr net.Addr) net.Addr {
	switch a := addr.(type) {
	case *net.TCPAddr:
		if a.IP.IsUnspecified() {
			return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: a.Port}
		}
	case *net.UDPAddr:
		if a.IP.IsUnspecified() {
			return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: a.Port}
		}
	}
	return addr
}
