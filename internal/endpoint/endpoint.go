// Package endpoint turns descriptions such as "tcp:8080" into listeners, and owns every listener and open connection of
// the process. The types are
//
//	8080, :8080, 127.0.0.1:8080, [::1]:8080    short for tcp
//	tcp:PORT:interface=ADDRESS:backlog=N       IPv4 and IPv6 unless an address decides; port 0 takes a free one
//	tcp6:PORT:interface=ADDRESS:backlog=N      IPv6 only
//	udp:PORT:interface=ADDRESS                 datagrams, see Set.ListenPacket
//	unix:PATH:mode=660:backlog=N               "@NAME" is an abstract socket (Linux)
//	ssl:PORT:privateKey=FILE:certKey=FILE:extraCertChain=FILE:interface=ADDRESS:backlog=N
//	systemd:domain=INET:index=N, systemd:name=NAME
//	fd:N                                       an inherited descriptor
//	haproxy:…                                  a PROXY protocol header comes first
//
// The interface may be a name; "localhost" is 127.0.0.1 (::1 for tcp6), any other is resolved once, IPv4 preferred.
// An IPv4 address listens on IPv4 only, an IPv6 address (also "::") on IPv6 only. Without backlog the queue is as long as
// the system allows.
//
// A connection that a listener of this package accepted embeds *net.TCPConn or *net.UnixConn (under ssl, *tls.Conn is on
// top of that), so that sendfile, splice and half-close work. It leaves the set when it is closed.
//
// # TLS
//
// A handshake happens at the first Read or Write, not in Accept, so that a silent client cannot hold up others. Nothing
// here bounds its duration: net/http does so by its read timeouts, any other service by the deadline it sets on each new
// connection. Where certificates come from, and which protocols are named to clients, is up to whoever made the tls.Config.
//
// # Accept
//
// While the process is out of descriptors or memory, Accept waits and tries again, 5 ms at first and at most 1 s, and
// logs that once. After Close it returns the *net.OpError of package net, which wraps net.ErrClosed.
package endpoint

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// Options are what a Set needs of the process. The zero value inherits nothing, resolves relative paths in the current
// directory and does not log.
type Options struct {
	// Inherited finds descriptors that the process was started with.
	Inherited Inherited
	// Dir is the directory that relative paths in descriptions start from; "" is the current one.
	Dir string
	// Log gets notes on what no caller sees, such as a connection without a PROXY header. May be nil.
	Log *slog.Logger
	// TLS makes what an ssl: description needs of its files, named as they are there; cert and chain may be "": key then
	// holds the certificate too. An error is told to the user as it is, with its Hint if it has that method. Nil refuses ssl:.
	TLS func(key, cert, chain string) (*tls.Config, error)
}

// Inherited finds descriptors that the process was started with. A nil function finds nothing. The set closes the files it
// gets, after it made a listener of a duplicate; an error is told to the user as it is.
type Inherited struct {
	// File returns descriptor fd, as in "fd:3".
	File func(fd int) (*os.File, error)
	// ByIndex returns the nth socket, counted from 0, that the service manager passed (sd_listen_fds(3)).
	ByIndex func(n int) (*os.File, error)
	// ByName returns the socket with that name in LISTEN_FDNAMES.
	ByName func(name string) (*os.File, error)
}

// Info describes a listener.
type Info struct {
	// Owner is the service that listens, Spec the description in canonical form.
	Owner, Spec string
	// Network is "tcp", "udp" or "unix".
	Network string
	// Addr is the address it is bound to; the port is the real one, also for port 0.
	Addr net.Addr
	// TLS and Proxy tell whether connections begin with a TLS handshake and with a PROXY protocol header.
	TLS, Proxy bool
	// Path is that of a unix socket, "" for other networks.
	Path string

	ipv6only bool
}

// Set owns all listeners and open connections of the process. Its methods are safe for concurrent use.
type Set struct {
	opts Options
	log  *slog.Logger
	unix sync.Mutex // for one bind at a time, as the umask may have to be changed for it

	mu      sync.Mutex
	closed  bool
	sockets []*socket // in the order of binding
	owners  map[string]*registry
}

// socket is a bound socket until it is closed.
type socket struct {
	info  Info
	close func() error
}

// NewSet returns an empty set.
func NewSet(o Options) *Set {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Set{opts: o, log: log, owners: map[string]*registry{}}
}

// Listen binds the stream endpoint that spec describes. Its connections count for owner. ctx bounds the look-up of a host
// name. An error is an *Error. Close the listener, or the set.
func (s *Set) Listen(ctx context.Context, owner, spec string) (net.Listener, error) {
	return s.ListenTLS(ctx, owner, spec, nil)
}

// ListenTLS is Listen for a service that speaks TLS with c, unless spec brings its own certificate (ssl:). The listener
// accepts *tls.Conn, as it does for ssl:. A nil c is no TLS.
func (s *Set) ListenTLS(ctx context.Context, owner, spec string, c *tls.Config) (net.Listener, error) {
	sp, err := Parse(spec)
	if err != nil {
		return nil, err
	}
	if sp.kind == "udp" {
		return nil, &Error{Spec: spec, Malformed: true, Err: errors.New("udp carries datagrams, a stream is needed")}
	}
	l, err := s.listen(ctx, owner, sp, c)
	if err != nil {
		return nil, s.refused(sp, err)
	}
	return l, nil
}

func (s *Set) listen(ctx context.Context, owner string, sp Spec, tlsConfig *tls.Config) (net.Listener, error) {
	own, err := s.tlsConfig(sp)
	if err != nil {
		return nil, err
	}
	if own != nil {
		tlsConfig = own
	}
	reg, err := s.registry(owner)
	if err != nil {
		return nil, err
	}
	b, err := s.bind(ctx, sp)
	if err != nil {
		return nil, err
	}
	if err := setBacklog(b.listener, sp.backlog); err != nil {
		b.close()
		return nil, err
	}
	l := &listener{bound: b, set: s, reg: reg, done: make(chan struct{})}
	info := describe(owner, sp, b.listener.Addr())
	info.TLS, info.Proxy = tlsConfig != nil, sp.proxy
	l.socket = &socket{info: info, close: l.Close}
	var top net.Listener = l
	if sp.proxy {
		p := newProxyListener(l)
		l.socket.close = p.Close
		top = p
	}
	if err := s.add(l.socket); err != nil {
		b.close()
		return nil, err
	}
	return withTLS(top, tlsConfig), nil
}

// ListenPacket binds the datagram endpoint that spec describes: "udp:7007", or an inherited descriptor. An error is an
// *Error. Close the connection, or the set; CloseListeners closes it too.
func (s *Set) ListenPacket(ctx context.Context, owner, spec string) (net.PacketConn, error) {
	sp, err := Parse(spec)
	if err != nil {
		return nil, err
	}
	if sp.kind != "udp" && sp.kind != "systemd" && sp.kind != "fd" || sp.proxy {
		e := &Error{Spec: spec, Malformed: true, Err: errors.New("not a datagram endpoint")}
		if sp.port != 0 {
			e.hint = "did you mean " + Spec{kind: "udp", host: sp.host, port: sp.port}.String() + "?"
		}
		return nil, e
	}
	c, err := s.bindPacket(ctx, sp)
	if err != nil {
		return nil, s.refused(sp, err)
	}
	p := &packetConn{UDPConn: c, set: s}
	p.socket = &socket{info: describe(owner, sp, c.LocalAddr()), close: p.Close}
	if err := s.add(p.socket); err != nil {
		c.Close()
		return nil, s.refused(sp, err)
	}
	return p, nil
}

// packetConn leaves the set at Close.
type packetConn struct {
	*net.UDPConn
	set    *Set
	socket *socket
}

func (p *packetConn) Close() error {
	p.set.remove(p.socket)
	return p.UDPConn.Close()
}

func describe(owner string, sp Spec, addr net.Addr) Info {
	info := Info{Owner: owner, Spec: sp.String(), Network: addr.Network(), Addr: addr}
	info.ipv6only = sp.network() == "tcp6" || sp.network() == "udp6"
	if u, ok := addr.(*net.UnixAddr); ok {
		info.Path = u.Name
	}
	return info
}

// registry returns the connections of owner, whose record stays for good: there are few owners.
func (s *Set) registry(owner string) (*registry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, net.ErrClosed
	}
	if s.owners[owner] == nil {
		s.owners[owner] = newRegistry()
	}
	return s.owners[owner], nil
}

func (s *Set) add(k *socket) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.sockets = append(s.sockets, k)
	return nil
}

func (s *Set) remove(k *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.sockets, k); i >= 0 {
		s.sockets = slices.Delete(s.sockets, i, i+1)
	}
}

// Listeners returns the sockets of owner that are bound now, or those of all owners if owner is "", in the order in which
// they were bound.
func (s *Set) Listeners(owner string) []Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	var infos []Info
	for _, k := range s.sockets {
		if owner == "" || k.info.Owner == owner {
			infos = append(infos, k.info)
		}
	}
	return infos
}

// Counts tells what became of the connections of an owner.
type Counts struct {
	// Open is how many are open now.
	Open int
	// Accepted is how many there ever were, Dropped how many of them were closed for lack of a PROXY header.
	Accepted, Dropped uint64
}

// Counts returns the counts of owner, or of all owners together if owner is "".
func (s *Set) Counts(owner string) Counts {
	var sum Counts
	for _, r := range s.registries(owner) {
		sum.Open += r.open()
		sum.Accepted += r.accepted.Load()
		sum.Dropped += r.dropped.Load()
	}
	return sum
}

// Connections returns how many connections owner has open now, or all owners together if owner is "".
func (s *Set) Connections(owner string) int { return s.Counts(owner).Open }

func (s *Set) registries(owner string) []*registry {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*registry
	for name, r := range s.owners {
		if owner == "" || name == owner {
			list = append(list, r)
		}
	}
	return list
}

// CloseListeners closes all listeners and packet connections; connections stay.
func (s *Set) CloseListeners() error {
	s.mu.Lock()
	sockets := slices.Clone(s.sockets)
	s.mu.Unlock()
	var errs []error
	for _, k := range sockets {
		if err := k.close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// CloseConns closes all open connections, those under TLS without the farewell of the protocol, and returns how many there
// were.
func (s *Set) CloseConns() int {
	n := 0
	for _, r := range s.registries("") {
		n += r.closeAll()
	}
	return n
}

// Close closes all listeners and connections. Nothing can be bound after it. The error is that of CloseListeners.
func (s *Set) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	err := s.CloseListeners()
	s.CloseConns()
	return err
}

// path resolves a path of a description.
func (s *Set) path(name string) string {
	if s.opts.Dir == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(s.opts.Dir, name)
}
