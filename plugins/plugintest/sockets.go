package plugintest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/gtwistd/gtwistd/plugins"
)

func (h *Host) listen(ctx context.Context, spec string) (net.Listener, error) {
	network, address, err := resolve(spec)
	if err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, network, address)
	if err == nil && h.occupied() {
		defer ln.Close()
		_, err = lc.Listen(ctx, network, ln.Addr().String())
	}
	if err != nil {
		return nil, fmt.Errorf("listen %s: %w", spec, cause(err))
	}
	l := &listener{Listener: ln, host: h}
	h.opened(l, ln.Addr())
	return l, nil
}

func (h *Host) listenPacket(ctx context.Context, spec string) (net.PacketConn, error) {
	network, address, err := resolve(spec)
	if err != nil {
		return nil, err
	}
	if network != "udp" {
		return nil, plugins.Usagef("endpoint %q is not for datagrams", spec)
	}
	var lc net.ListenConfig
	pc, err := lc.ListenPacket(ctx, network, address)
	if err == nil && h.occupied() {
		defer pc.Close()
		_, err = lc.ListenPacket(ctx, network, pc.LocalAddr().String())
	}
	if err != nil {
		return nil, fmt.Errorf("listen %s: %w", spec, cause(err))
	}
	p := &packetConn{UDPConn: pc.(*net.UDPConn), host: h}
	h.opened(p, pc.LocalAddr())
	return p, nil
}

// cause strips the operation and address that the spec already says.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// occupied counts the binds and says whether this is the one that must find its address in use.
func (h *Host) occupied() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.occupy > 0 && len(h.addrs)+1 == h.occupy
}

func (h *Host) opened(s io.Closer, addr net.Addr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sockets[s] = addr
	h.addrs = append(h.addrs, addr)
}

func (h *Host) closed(s io.Closer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sockets, s)
}

// resolve reads the forms of an endpoint that tests use. Without an interface it means the loopback one, as tests are not
// for the network.
func resolve(spec string) (network, address string, err error) {
	kind, rest, found := strings.Cut(spec, ":")
	switch {
	case kind == "unix" && rest != "":
		path, _, _ := strings.Cut(rest, ":")
		return "unix", path, nil
	case kind == "tcp" || kind == "tcp6" || kind == "udp":
		port, args, _ := strings.Cut(rest, ":")
		if host, p, err := net.SplitHostPort(rest); err == nil && !strings.Contains(rest, "=") {
			return kind, net.JoinHostPort(host, p), nil
		}
		host := "127.0.0.1"
		if kind == "tcp6" {
			host = "::1"
		}
		if i, ok := strings.CutPrefix(args, "interface="); ok {
			host = strings.ReplaceAll(i, `\`, "")
		}
		return kind, net.JoinHostPort(host, port), nil
	case spec == "":
		return "", "", plugins.Usagef("endpoint is empty")
	case !found:
		return "tcp", net.JoinHostPort("127.0.0.1", spec), nil
	}
	host, port, err := net.SplitHostPort(spec)
	if err != nil {
		return "", "", plugins.Usagef("endpoint %q: not an address", spec)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return "tcp", net.JoinHostPort(host, port), nil
}

// listener tells the host what is open.
type listener struct {
	net.Listener
	host *Host
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	switch c := c.(type) {
	case *net.TCPConn:
		return l.host.accepted(&tcpConn{c, l.host}), nil
	case *net.UnixConn:
		return l.host.accepted(&unixConn{c, l.host}), nil
	}
	return c, nil
}

func (l *listener) Close() error {
	defer l.host.closed(l)
	return l.Listener.Close()
}

// packetConn, tcpConn and unixConn embed the concrete type, as the runner's do, so that a service finds its fast paths.
type packetConn struct {
	*net.UDPConn
	host *Host
}

func (p *packetConn) Close() error {
	defer p.host.closed(p)
	return p.UDPConn.Close()
}

type tcpConn struct {
	*net.TCPConn
	host *Host
}

func (c *tcpConn) Close() error {
	defer c.host.left(c)
	return c.TCPConn.Close()
}

type unixConn struct {
	*net.UnixConn
	host *Host
}

func (c *unixConn) Close() error {
	defer c.host.left(c)
	return c.UnixConn.Close()
}

func (h *Host) accepted(c net.Conn) net.Conn {
	h.mu.Lock()
	h.conns[c] = struct{}{}
	cut := h.cut
	h.mu.Unlock()
	if cut {
		_ = c.Close()
	}
	return c
}

func (h *Host) left(c net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, c)
}
