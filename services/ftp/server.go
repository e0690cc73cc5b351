package ftp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	ftpserver "github.com/fclairamb/ftpserverlib"

	"github.com/gtwistd/gtwistd/internal/peer"
	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/services/ftp/accounts"
)

const (
	// connectTimeout is how long a data connection may take to come about.
	connectTimeout = 30 * time.Second
	// handshakeTimeout is how long a TLS handshake may take.
	handshakeTimeout = 15 * time.Second
	// refusalTimeout is how long a client that is refused may take to hear why, and maxRefusals how many are told at once.
	refusalTimeout = 2 * time.Second
	maxRefusals    = 64
	// dismissTimeout is how long the last answer of a session that is broken off may take.
	dismissTimeout = 500 * time.Millisecond
)

// server is one service: some listeners with the same files and users.
type server struct {
	env      *plugins.Env
	log      *slog.Logger
	limits   limits
	mode     string // of TLS on ordinary ports
	reuse    string // of TLS sessions on data connections
	publicIP publicIPs
	ports    portRange
	direct   bool // uploads are written in place
	commands map[string]command

	anonymous     bool
	anonymousName string
	writable      bool
	openToAll     atomic.Bool   // anonymous clients can write
	users         plugins.Users // nil without a password file
	book          *accounts.Book
	guard         *accounts.Guard

	roots     roots
	dir       string         // of users for whom the users file has none, as the book calls it
	usersFile string         // absolute; empty if there is none
	tls       *plugins.TLS   // nil without
	xferlog   io.WriteCloser // nil without

	listeners []net.Listener
	reserved  []int         // their ports
	inbox     chan net.Conn // sessions on their way to the library
	closed    chan struct{} // nobody puts any more into it
	deaf      chan struct{} // nobody takes any more out of it

	connect   time.Duration // how long a data connection may take to come about
	handshake time.Duration // how long a TLS handshake may take
	refusing  chan struct{}
	refusals  sync.WaitGroup

	ids        atomic.Uint64
	transfers  atomic.Int64
	lastNoPort atomic.Int64 // when noPort had its last record, in nanoseconds since 1970
	shelf      *shelf
	names      shared // by listings
	buffers    buffers
	sweeps     sweeps
	moved      func(upload bool, n int) // hears of each piece before the next is waited for; nil but in tests

	stopping atomic.Bool
	mu       sync.Mutex
	sessions map[*session]struct{}
	perIP    map[netip.Addr]int    // by peer.Customer
	passive  map[int]*dataListener // by port
	work     sync.WaitGroup        // sessions
}

var (
	_ plugins.Service  = (*server)(nil)
	_ plugins.Reloader = (*server)(nil)
	_ plugins.Reporter = (*server)(nil)
	_ plugins.Leaver   = (*server)(nil)
)

func newServer(env *plugins.Env, o *options) *server {
	return &server{
		env: env, log: env.Log, limits: o.limits,
		mode: o.tls.explicit(), reuse: o.tls.reuse,
		ports: o.passivePorts, publicIP: publicIPs{rules: o.publicIP.rules, stale: make(chan *publicIP)},
		connect: connectTimeout, handshake: handshakeTimeout,
		dir:      filepath.Clean(o.root.Abs()),
		direct:   o.upload == uploadDirect,
		commands: newCommands(),
		writable: o.writable, anonymous: o.anonymous == anonymousOn, anonymousName: o.anonymousName,
		guard: accounts.NewGuard(o.guard),
		inbox: make(chan net.Conn), closed: make(chan struct{}), deaf: make(chan struct{}), refusing: make(chan struct{}, maxRefusals),
		names: shared{most: o.names}, shelf: newShelf(o.settle),
		sessions: map[*session]struct{}{}, perIP: map[netip.Addr]int{}, passive: map[int]*dataListener{},
	}
}

// close releases what is open besides sessions. Closing a listener that is closed does no harm.
func (s *server) close() {
	s.closeListeners()
	s.roots.end()
	if s.xferlog == nil {
		return
	}
	if err := s.xferlog.Close(); err != nil {
		s.log.Warn("closing the xferlog", "error", err)
	}
}

func (s *server) closeListeners() {
	for _, l := range s.listeners {
		_ = l.Close()
	}
}

// Serve implements plugins.Service. When ctx is done, sessions without a transfer end at once, the others after it.
func (s *server) Serve(ctx context.Context) error {
	defer s.close()
	lib := ftpserver.NewFtpServer(&library{s})
	lib.Logger = slog.New(quiet{s.log.Handler()})
	if err := lib.Listen(); err != nil {
		return err
	}
	s.inspect(ctx)
	serving, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var accepting, commands sync.WaitGroup
	commands.Go(func() {
		defer close(s.deaf)
		stop(cmp.Or(lib.Serve(), errLibrary))
	})
	commands.Go(func() { s.book.Run(serving) })
	commands.Go(func() { s.publicIP.run(serving, s.log) })
	for _, l := range s.listeners {
		accepting.Go(func() { stop(s.acceptFrom(l)) })
	}

	s.warnOfPrivate(ctx)

	<-serving.Done()
	failed := ctx.Err() == nil
	s.closeListeners()
	s.stop()
	if failed {
		s.Leave(context.WithoutCancel(ctx))
	}
	accepting.Wait()
	s.work.Wait()
	close(s.closed)
	commands.Wait()
	s.refusals.Wait()
	if failed {
		return context.Cause(serving)
	}
	return nil
}

// inspect warns of what this process may not do, now that it may have given up its rights.
func (s *server) inspect(ctx context.Context) {
	if err := s.ports.check(s.reserved); err != nil {
		s.log.WarnContext(ctx, "no client will have a port for its data", "error", err)
	}
	if !s.writable {
		return
	}
	root, err := s.roots.retain(s.dir)
	if err == nil {
		err = writable(root.root)
		s.roots.release(root)
	}
	if err != nil {
		s.log.WarnContext(ctx, "--writable, but this process cannot write to the directory: every upload there will be refused", "root", s.roots.path(), "error", err)
	}
}

// errLibrary does not happen: the library serves until there is nobody left.
var errLibrary = errors.New("the library serves no more")

// stop lets sessions end after what they do. A transfer for which the client has not come yet is not waited for.
func (s *server) stop() {
	for _, c := range s.stopAccepting() {
		c.mu.Lock()
		if c.user == nil {
			c.cancel(errStop) // a login that failed may be held up for long
		}
		d := c.data
		c.mu.Unlock()
		if d != nil {
			d.hurry()
		}
		c.poke()
	}
}

// stopAccepting lets no more sessions in and returns those that there are.
func (s *server) stopAccepting() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping.Store(true)
	return slices.Collect(maps.Keys(s.sessions))
}

// Leave implements plugins.Leaver: all sessions end in the middle of what they do, with an answer.
func (s *server) Leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*dismissTimeout)
	defer cancel()
	var told sync.WaitGroup
	for _, c := range s.stopAccepting() {
		told.Go(func() { c.dismiss(ctx, errStop) })
	}
	told.Wait()
}

// acceptFrom makes a session of each connection. It returns when the listener is closed or fails.
func (s *server) acceptFrom(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return fmt.Errorf("serve %s: %w", l.Addr(), err)
		}
		c := newSession(s, conn)
		if err := s.guard.Banned(c.remote.Addr()); err != nil {
			c.log.Info("client refused", "reason", err)
			s.refuse(conn, err.Error())
			continue
		}
		if reason := s.admit(c); reason != "" {
			c.log.Info("client refused", "reason", reason)
			s.refuse(conn, reason)
			continue
		}
		select {
		case s.inbox <- c: // the library takes it: it runs until the last session has ended
		case <-s.deaf: // it should
			_ = conn.Close()
			s.leave(c)
		}
	}
}

// admit enters a session, or returns why not.
func (s *server) admit(c *session) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ip := peer.Customer(c.remote.Addr())
	switch {
	case s.stopping.Load():
		return "the server stops"
	case s.limits.maxClients > 0 && len(s.sessions) >= s.limits.maxClients:
		return fmt.Sprintf("too many clients, %d at most; try again later", s.limits.maxClients)
	case s.limits.maxPerIP > 0 && ip.IsValid() && s.perIP[ip] >= s.limits.maxPerIP:
		return fmt.Sprintf("too many connections from %s, %d at most", network(ip), s.limits.maxPerIP)
	}
	s.sessions[c] = struct{}{}
	s.perIP[ip]++
	s.work.Add(1)
	return ""
}

// network is how a customer is called.
func network(customer netip.Addr) string {
	if customer.Is6() {
		return customer.String() + "/64"
	}
	return customer.String()
}

// leave is called once by a session of which nothing is left.
func (s *server) leave(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, c)
	ip := peer.Customer(c.remote.Addr())
	if s.perIP[ip]--; s.perIP[ip] <= 0 {
		delete(s.perIP, ip)
	}
	s.work.Done()
}

// refuse tells a client why it is not served. Under a flood some are not told.
func (s *server) refuse(conn net.Conn, reason string) {
	select {
	case s.refusing <- struct{}{}:
	default:
		_ = conn.Close()
		return
	}
	s.refusals.Go(func() {
		defer func() { <-s.refusing }()
		_ = conn.SetDeadline(time.Now().Add(refusalTimeout))
		_, _ = fmt.Fprintf(conn, "421 %s\r\n", sentence(reason))
		_ = conn.Close()
	})
}

// Reload implements plugins.Reloader. A file that is wrong leaves what it says as it was.
func (s *server) Reload(ctx context.Context) error {
	var errs []error
	if s.users != nil {
		if err := s.users.Reload(ctx); err != nil {
			errs = append(errs, fmt.Errorf("--auth: %w", err))
		}
	}
	if err := s.env.Pool.Do(ctx, func() error { s.hide(); return s.book.Reload(ctx) }); err != nil {
		errs = append(errs, fmt.Errorf("--users: %w", err))
	}
	s.reopen(ctx)
	s.warnOfWriters(ctx)
	return errors.Join(errs...)
}

// reopen opens the directory of the command line anew, for those who log in from now on.
func (s *server) reopen(ctx context.Context) {
	var moved bool
	err := s.env.Pool.Do(ctx, func() (err error) {
		moved, err = s.roots.reopen()
		return err
	})
	switch {
	case err != nil: // after --chroot the path is another
		s.log.WarnContext(ctx, "--root not opened anew, the old one stays", "root", s.dir, "error", err)
	case moved:
		s.log.InfoContext(ctx, "--root is another directory now", "root", s.roots.path())
	}
}

// warnOfWriters is called at the start and after a reload, and warns of what was not so before.
func (s *server) warnOfWriters(ctx context.Context) {
	guest := s.book.Anonymous()
	now := s.anonymous && guest.MayChange()
	if before := s.openToAll.Swap(now); before || !now {
		return
	}
	way := "the users file lets anonymous clients change files; --anonymous off lets none in"
	if s.users == nil && s.writable {
		way = "--writable lets anonymous clients change and delete files; --auth FILE lets only users do that"
	}
	s.log.WarnContext(ctx, "ANYBODY CAN WRITE: "+way, "root", guest.Root, "permissions", describe(guest))
}

// Report implements plugins.Reporter.
func (s *server) Report() []slog.Attr {
	s.mu.Lock()
	sessions := len(s.sessions)
	s.mu.Unlock()
	attrs := s.terms()
	if n := s.guard.Bans(); n > 0 {
		attrs = append(attrs, slog.Int("bans", n))
	}
	if sessions > 0 {
		attrs = append(attrs, slog.Int("sessions", sessions))
	}
	if n := s.transfers.Load(); n > 0 {
		attrs = append(attrs, slog.Int64("transfers", n))
	}
	if s.tls != nil && s.tls.Report != nil {
		attrs = append(attrs, s.tls.Report()...)
	}
	return attrs
}

// terms are what does not change but at a reload.
func (s *server) terms() []slog.Attr {
	attrs := []slog.Attr{slog.String("root", s.roots.path())}
	if s.anonymous {
		attrs = append(attrs, slog.String("anonymous", describe(s.book.Anonymous())))
	}
	if s.users != nil {
		attrs = append(attrs, slog.String("users", fmt.Sprintf("%d, %s", len(s.users.Names()), s.theirRights())))
	}
	attrs = append(attrs, slog.String("tls", s.mode))
	if s.ports.low > 0 {
		attrs = append(attrs, slog.String("passive-ports", s.ports.String()))
	}
	if list := s.publicIP.GetSlice(); len(list) > 0 {
		attrs = append(attrs, slog.String("public-ip", strings.Join(list, ", ")))
	}
	return attrs
}

// theirRights says in a few words what users may do.
func (s *server) theirRights() string {
	if s.usersFile != "" {
		return "as " + s.usersFile + " says"
	}
	if s.writable {
		return describe(accounts.Account{Permissions: accounts.All})
	}
	return describe(accounts.Account{Permissions: accounts.Read})
}

// describe says in a word or two what an account may do.
func describe(a accounts.Account) string {
	switch {
	case a.Disabled:
		return "off"
	case a.Permissions == accounts.All:
		return "reads and writes"
	case a.Permissions == accounts.Read:
		return "reads"
	}
	return a.Permissions.String()
}

// inlet is the listener that the library sees.
type inlet struct{ s *server }

// Accept implements net.Listener: it returns sessions.
func (i inlet) Accept() (net.Conn, error) {
	select {
	case c := <-i.s.inbox:
		return c, nil
	case <-i.s.closed:
		// The library knows a stop by this type and text.
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: net.ErrClosed}
	}
}

// Close implements net.Listener. The library's Stop, the only one to call it, is not used.
func (i inlet) Close() error { return nil }

// Addr implements net.Listener.
func (i inlet) Addr() net.Addr { return i.s.listeners[0].Addr() }

// library is what the library asks for.
type library struct{ s *server }

var (
	_ ftpserver.MainDriver                         = (*library)(nil)
	_ ftpserver.MainDriverExtensionPassiveWrapper  = (*library)(nil)
	_ ftpserver.MainDriverExtensionPostAuthMessage = (*library)(nil)
)

// never is a time that does not come, in seconds: sessions and data listeners have their own clocks.
const never = 1 << 30

// GetSettings implements ftpserver.MainDriver.
func (l *library) GetSettings() (*ftpserver.Settings, error) {
	return &ftpserver.Settings{
		Listener:            inlet{l.s},
		ListenAddr:          statAddr,
		Banner:              "gtwistd",
		IdleTimeout:         never,
		ConnectionTimeout:   never,
		DisableLISTArgs:     true, // a session removes them
		DisableSite:         true, // SITE CHOWN gives files to root, SITE RMDIR is recursive
		DisableActiveMode:   true, // data connections are ours
		EnableHASH:          true,
		DefaultTransferType: ftpserver.TransferTypeBinary,
		// A data listener knows whom it waits for.
		PasvConnectionsCheck: ftpserver.IPMatchDisabled,
		// PASV must not fail once there is a listener, as nobody would close it.
		PublicIPResolver: l.publicIP,
	}, nil
}

// publicIP always yields an address. What is sent to the client is decided by the session.
func (l *library) publicIP(ftpserver.ClientContext) (string, error) { return "0.0.0.0", nil }

// ClientConnected implements ftpserver.MainDriver.
func (l *library) ClientConnected(cc ftpserver.ClientContext) (string, error) {
	sessionOf(cc).context = cc
	return "gtwistd ready.", nil
}

// ClientDisconnected implements ftpserver.MainDriver.
func (l *library) ClientDisconnected(cc ftpserver.ClientContext) {
	c := sessionOf(cc)
	c.disconnected()
	c.release()
}

// GetTLSConfig implements ftpserver.MainDriver: TLS is not the library's business.
func (l *library) GetTLSConfig() (*tls.Config, error) { return nil, errNoTLS }

var errNoTLS = errors.New("no TLS here")

// AuthUser implements ftpserver.MainDriver.
func (l *library) AuthUser(cc ftpserver.ClientContext, name, password string) (ftpserver.ClientDriver, error) {
	c := sessionOf(cc)
	u, err := l.s.login(c.ctx, attempt{name: name, password: password, client: c.remote.Addr()})
	c.loggedIn(name, u, err)
	if err != nil {
		return nil, err
	}
	return &files{session: c, user: u}, nil
}

// PostAuthMessage implements ftpserver.MainDriverExtensionPostAuthMessage. The session knows better what to say of an error.
func (l *library) PostAuthMessage(_ ftpserver.ClientContext, _ string, err error) string {
	if err != nil {
		return "Login incorrect."
	}
	return "Welcome."
}

// WrapPassiveListener implements ftpserver.MainDriverExtensionPassiveWrapper.
func (l *library) WrapPassiveListener(listener net.Listener) (net.Listener, error) {
	tcp, ok := listener.(*net.TCPListener)
	if !ok {
		_ = listener.Close()
		return nil, fmt.Errorf("a passive listener of type %T", listener)
	}
	return l.s.newDataListener(tcp), nil
}

// sessionOf finds the session of the library's client: it is what the library takes for its address.
func sessionOf(cc ftpserver.ClientContext) *session { return cc.RemoteAddr().(*clientAddr).session }

// quiet passes on what the library logs, at level debug and without what clients sent, which may be a password. Its panics
// stay errors.
type quiet struct{ slog.Handler }

// Enabled implements slog.Handler.
func (q quiet) Enabled(ctx context.Context, _ slog.Level) bool {
	return q.Handler.Enabled(ctx, slog.LevelDebug)
}

// Handle implements slog.Handler.
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	switch r.Message {
	case "Received line", "Sending answer":
		return nil
	}
	out := slog.NewRecord(r.Time, slog.LevelDebug, "library: "+r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "line", "param":
		default:
			out.AddAttrs(a)
		}
		return true
	})
	return q.Handler.Handle(ctx, out)
}

// WithAttrs implements slog.Handler.
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }
