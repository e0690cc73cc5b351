package ftp

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	ftpserver "github.com/fclairamb/ftpserverlib"

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
	clientCA string // as it was given; "" if clients need no certificate
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
	implicit  int           // how many of them begin with TLS
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
	_ plugins.Preparer = (*server)(nil)
	_ plugins.Reloader = (*server)(nil)
	_ plugins.Reporter = (*server)(nil)
	_ plugins.Leaver   = (*server)(nil)
)

func newServer(env *plugins.Env, o *options) *server {
	return &server{
		env: env, log: env.Log, limits: o.limits,
		mode: o.tls.explicit(), clientCA: o.tls.ClientCA, reuse: o.tls.reuse,
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

// Prepare implements plugins.Preparer: it refuses what this process has no right to, now that it may have given up some.
func (s *server) Prepare(ctx context.Context) error {
	err := s.inspect(ctx)
	if err != nil {
		s.close()
	}
	return err
}

func (s *server) inspect(ctx context.Context) error {
	free, err := s.ports.check(s.reserved)
	if err != nil {
		return err
	}
	if !free {
		s.log.WarnContext(ctx, "others have all of --passive-ports at the moment: until they end, no passive client will have a port for its data", "ports", s.ports.String())
	}
	return s.env.Pool.Do(ctx, func() error {
		if err := s.enterRoot(); err != nil {
			return err
		}
		s.warnOfDirectories(ctx)
		return nil
	})
}

// warnOfDirectories makes blocking calls.
func (s *server) warnOfDirectories(ctx context.Context) {
	s.warnOfRoot(ctx)
	s.warnOfHomes(ctx)
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
