// Package ftp is the plugin that serves files over FTP and FTPS (RFC 959, 2228, 2389, 2428, 3659, 4217), on
// github.com/fclairamb/ftpserverlib. The library reads commands and moves bytes; everything around it is here:
//
//	server.go     the service: start, stop, what it warns of; report.go: reload and status
//	admit.go      who gets a session, and who is told to come later
//	session.go    one client: the connection that the library sees; input.go: what it reads there, line by line
//	library.go    the listener, users and settings that the library sees
//	commands.go   what becomes of a command before the library has it; those that the session answers itself are in address.go,
//	              parameters.go, security.go, features.go, sums.go and site.go
//	replies.go    what becomes of an answer before the client has it; failure.go: the words for what went wrong
//	farewell.go   the last answer of a session that is broken off
//	listener.go   data connections on their way, passive and active; passive.go: their ports
//	data.go       data connections, in clear and under TLS; wire.go: their deadlines; copy.go: from and to files
//	transfer.go   what one moves, from the command to its last answer
//	files.go      the user's files, below an os.Root; roots.go: those that are open
//	changes.go    what clients do to files besides uploads
//	private.go    the program's own files, which are not there
//	upload.go     uploads, which appear when they are complete: upload_begin.go, upload_end.go
//	parts.go      what they are until then, and what becomes of those that are broken off
//	listing.go    listings; folder.go: the directories on the disk; shelf.go: large ones, kept for a moment
//	users.go      who logs in, and what the files above know of them; package accounts knows the rest
//	record.go     the records of logins and transfers
//
// The library never sees TLS, never dials and has no idea of limits: its data connections are ours, its control connection
// is a session. A session owns its connection and its goroutine; Serve waits for all of them.
package ftp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/services/ftp/accounts"
)

const (
	defaultPort   = "2121"
	defaultListen = "tcp:" + defaultPort

	defaultMaxClients   = 2000
	defaultMaxPerIP     = 100              // a twentieth of all, and enough for an office behind one address
	defaultIdle         = 10 * time.Minute // as twistd
	defaultLoginTimeout = time.Minute
	defaultStall        = time.Minute
	rateGrace           = 15 * time.Second

	anonymousName = "anonymous"
)

// Plugin returns the subcommand "ftp".
func Plugin() plugins.Plugin {
	return plugins.Plugin{
		Name:    "ftp",
		Summary: "serve files over FTP and FTPS",
		Scheme:  "ftp",
		Example: "gtwistd -n ftp\n" +
			"gtwistd -n ftp --root public --port 2121\n" +
			"gtwistd -n ftp --root incoming --writable --passive-ports 50000-50100\n" +
			"gtwistd ftp --root /srv/files --auth passwords --users users.toml --anonymous off --writable --tls require --passive-ports 50000-50100 --public-ip 203.0.113.7",
		New: func() plugins.Maker { return newOptions() },
	}
}

// The values of flags that are one of some words.
const (
	anonymousOn, anonymousOff  = "on", "off"
	uploadAtomic, uploadDirect = "atomic", "direct"
)

// options is what the command line says. Paths are made absolute as it is read: afterwards the program may change its
// directory (--rundir).
type options struct {
	given func(name string) bool // whether an option is on the command line

	port   string
	listen []string

	root     plugins.Path
	writable bool
	upload   string

	anonymous     string
	anonymousName string
	auth          plugins.Path
	passwordFile  plugins.Path
	users         plugins.Path
	guard         accounts.GuardOptions

	passivePorts portRange
	publicIP     publicIPs

	tls    tlsOptions
	limits limits
	names  int64         // see maxNames
	settle time.Duration // see settleTime

	xferlog plugins.Path
	gone    gone
}

func newOptions() *options {
	o := &options{
		root:          plugins.PathHere("DIR"),
		auth:          plugins.Path{Kind: "FILE", Prefix: "file:", Once: true},
		passwordFile:  plugins.Path{Kind: "FILE", Once: true},
		users:         plugins.Path{Kind: "FILE", Once: true},
		guard:         accounts.DefaultGuard(),
		xferlog:       plugins.Path{Kind: "FILE", Once: true},
		upload:        uploadAtomic,
		anonymous:     anonymousOn,
		anonymousName: anonymousName,
		tls:           tlsOptions{reuse: reuseOff},
		names:         maxNames,
		settle:        settleTime,
		limits: limits{
			maxClients: defaultMaxClients,
			maxPerIP:   defaultMaxPerIP,
			idle:       plugins.Duration(defaultIdle),
			login:      plugins.Duration(defaultLoginTimeout),
			stall:      plugins.Duration(defaultStall),
			grace:      rateGrace,
		},
	}
	o.root.Once = true
	return o
}

// limits bound what clients take. Zero is no limit, except for login and stall.
type limits struct {
	maxClients, maxPerIP int
	idle, login, stall   plugins.Duration
	minRate              plugins.Size  // bytes a second
	grace                time.Duration // how long the peer of a transfer is waited for before its rate matters
}

// Flags implements plugins.Maker.
func (o *options) Flags(fs *pflag.FlagSet) {
	fs.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "userAnonymous" { // as twistd spells it
			name = "user-anonymous"
		}
		return pflag.NormalizedName(name)
	})
	plugins.Group(fs, "Where to listen", o.listenFlags)
	plugins.Group(fs, "Files", o.fileFlags)
	plugins.Group(fs, "Users", o.userFlags)
	plugins.Group(fs, "Wrong passwords", o.guardFlags)
	plugins.Group(fs, "TLS", o.tls.flags)
	plugins.Group(fs, "Limits", o.limits.flags)
	plugins.Group(fs, "Log", func(fs *pflag.FlagSet) {
		fs.Var(&o.xferlog, "xferlog", "append a record of each transfer to a file, in the form of wu-ftpd's xferlog(5); the program's log has them in any case")
	})
	o.given = fs.Changed
	onlyOnce(fs, "port", "passive-ports", "upload", "anonymous", "user-anonymous", "tls", "tls-session-reuse")
}

func (o *options) listenFlags(fs *pflag.FlagSet) {
	fs.StringVarP(&o.port, "port", "p", "", "listen on `PORT` of all interfaces (default "+defaultPort+" without --listen and --implicit-port)")
	fs.StringArrayVar(&o.listen, "listen", nil, "listen on `ENDPOINT`, such as tcp:2121:interface=127.0.0.1; repeatable; see gtwistd help endpoints")
	fs.StringArrayVar(&o.tls.implicit, "implicit-port", nil, "listen on `ENDPOINT`, such as 990, for clients that begin with TLS; repeatable")
	fs.Var(&o.passivePorts, "passive-ports", "let clients connect for their data to these ports only, such as 50000-50100 (default any)")
	fs.Var(&o.publicIP, "public-ip", "tell clients in passive mode to connect to this IPv4 address, such as that of the router in front, to that of a host name, or, "+
		"with NETWORK=ADDRESS, only clients of that network, such as 10.0.0.0/8=10.0.0.7; repeatable (default where they came to)")
}

func (o *options) fileFlags(fs *pflag.FlagSet) {
	fs.VarP(&o.root, "root", "r", "serve the files below this directory (default the current directory)")
	fs.BoolVar(&o.writable, "writable", false, "let users write, too; without --auth, that is anybody")
	fs.Var(plugins.Choice(&o.upload, uploadAtomic, uploadDirect), "upload", "atomic: a file appears when all of it is there; direct: it is written in place, and seen while it grows")
}

func (o *options) userFlags(fs *pflag.FlagSet) {
	fs.Var(plugins.Choice(&o.anonymous, anonymousOn, anonymousOff), "anonymous", "let people without an account in, who may read")
	fs.StringVar(&o.anonymousName, "user-anonymous", o.anonymousName, "what they give as their `NAME`; ftp is always understood, too")
	fs.Var(&o.auth, "auth", "let the users of this password file in; gtwistd hash-password NAME writes its lines")
	fs.Var(&o.users, "users", "take the users' directories, rights, quotas and other limits from this file, in TOML; what it does not say is as the other options have it")
	fs.Var(&o.passwordFile, "password-file", "the old name of --auth")
	if err := fs.MarkHidden("password-file"); err != nil {
		panic(err) // there is no such option
	}
	o.gone.flags(fs)
}

func (o *options) guardFlags(fs *pflag.FlagSet) {
	g := &o.guard
	fs.Var((*plugins.Duration)(&g.Delay), "login-delay", "hold back the answer to a wrong password for this long, to the next of that address or user for twice as long, and so on up to "+g.MaxDelay.String()+"; 0 is not at all")
	fs.IntVar(&g.Failures, "ban-after", g.Failures, "let nobody in from an IPv4 address, or a /64 of IPv6, after this `NUMBER` of wrong passwords, at most 100; 0 is never")
	fs.IntVar(&g.UserFailures, "ban-user-after", g.UserFailures, "let a user in from nowhere after this `NUMBER` of wrong passwords, at most 100, with which anybody who knows the name can keep its owner out; 0 is never")
	fs.Var((*plugins.Duration)(&g.Window), "ban-window", "forget a wrong password after this long")
	fs.Var((*plugins.Duration)(&g.Ban), "ban-time", "end a ban after this long")
	fs.Var((*networks)(&g.Trusted), "ban-trust", "do not count the wrong passwords of this network, such as 10.0.0.0/8, or address; repeatable")
}

func (l *limits) flags(fs *pflag.FlagSet) {
	fs.IntVar(&l.maxClients, "max-clients", l.maxClients, "serve this `NUMBER` of clients at once, and tell more of them to come later (421); 0 is no limit")
	fs.IntVar(&l.maxPerIP, "max-clients-per-ip", l.maxPerIP, "serve this `NUMBER` of clients of one IPv4 address, or one /64 of IPv6, at once; 0 is no limit")
	fs.Var(&l.idle, "idle-timeout", "close a connection without a command or a transfer for this long; 0 is never")
	fs.Var(&l.login, "login-timeout", "close a connection that has not logged in after this long")
	fs.Var(&l.stall, "stall-timeout", "break off a transfer that does not move for this long")
	fs.Var(&l.minRate, "min-rate", "break off a transfer that is slower than this many bytes a second on average, such as 1K (default no limit)")
}

// Make implements plugins.Maker.
func (o *options) Make(ctx context.Context, env *plugins.Env) (plugins.Service, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s := newServer(env, o)
	if err := o.open(ctx, s); err != nil {
		s.close()
		return nil, err
	}
	s.warnOfWriters(ctx)
	return s, nil
}

func (o *options) check() error {
	if err := o.gone.check(); err != nil {
		return err
	}
	switch {
	case o.given("port") && !maybeEndpoint(o.port):
		return &plugins.UsageError{Reason: fmt.Sprintf("--port %q: not a port", o.port), Suggestion: "give a number such as " + defaultPort + "; 0 takes a free one"}
	case o.auth.Given != "" && o.passwordFile.Given != "":
		return plugins.Usagef("--password-file is the old name of --auth: give one of them")
	case o.auth.Given == "":
		o.auth = o.passwordFile
	}
	switch {
	case o.xferlog.Given == "-":
		return &plugins.UsageError{Reason: `--xferlog "-": not a file`, Suggestion: "--xferlog /dev/stdout, or ./- for a file of that name; gtwistd's own log has each transfer, too"}
	case o.anonymous != anonymousOn && o.auth.Given == "":
		return &plugins.UsageError{Reason: "--anonymous off: nobody could log in", Suggestion: "add --auth FILE"}
	case o.anonymousName == "" || strings.ContainsAny(o.anonymousName, "\r\n\x00"):
		return plugins.Usagef("--user-anonymous %q: not a name", o.anonymousName)
	case o.limits.maxClients < 0:
		return plugins.Usagef("--max-clients %d: less than none", o.limits.maxClients)
	case o.limits.maxPerIP < 0:
		return plugins.Usagef("--max-clients-per-ip %d: less than none", o.limits.maxPerIP)
	case o.limits.login < soonest:
		return &plugins.UsageError{Reason: fmt.Sprintf("--login-timeout %v: nobody could log in", &o.limits.login), Suggestion: "give more, such as 1m"}
	case o.limits.stall < soonest:
		return &plugins.UsageError{Reason: fmt.Sprintf("--stall-timeout %v: nothing could be transferred", &o.limits.stall), Suggestion: "give more, such as 1m"}
	case o.limits.idle > 0 && o.limits.idle < soonest:
		return &plugins.UsageError{Reason: fmt.Sprintf("--idle-timeout %v: nobody could stay", &o.limits.idle), Suggestion: "give more, such as 5m, or 0 for no limit"}
	}
	if err := o.checkGuard(); err != nil {
		return err
	}
	if err := o.checkEndpoints(); err != nil {
		return err
	}
	return o.tls.check()
}

// soonest is less than any client takes for anything.
const soonest = plugins.Duration(10 * time.Millisecond)

// longestDelay is more than any client waits for an answer.
const longestDelay = time.Hour

func (o *options) checkGuard() error {
	const never = "give a number from 1 to 100, or 0 for never"
	g := &o.guard
	switch bans := g.Failures > 0 || g.UserFailures > 0; {
	case g.Delay > longestDelay:
		return &plugins.UsageError{Reason: fmt.Sprintf("--login-delay %v: longer than anybody waits", g.Delay), Suggestion: "give an hour at most"}
	case g.Failures < 0 || g.Failures > accounts.MaxFailures:
		return &plugins.UsageError{Reason: fmt.Sprintf("--ban-after %d: out of range", g.Failures), Suggestion: never}
	case g.UserFailures < 0 || g.UserFailures > accounts.MaxFailures:
		return &plugins.UsageError{Reason: fmt.Sprintf("--ban-user-after %d: out of range", g.UserFailures), Suggestion: never}
	case bans && g.Window <= 0:
		return &plugins.UsageError{Reason: "--ban-window 0: nobody would be banned", Suggestion: "say so with --ban-after 0"}
	case bans && g.Ban <= 0:
		return &plugins.UsageError{Reason: "--ban-time 0: nobody would be banned", Suggestion: "say so with --ban-after 0"}
	case !bans && (o.given("ban-window") || o.given("ban-time")):
		return &plugins.UsageError{Reason: "--ban-after 0: there are no bans, and nothing that --ban-window or --ban-time could say of them", Suggestion: "leave them out, or give --ban-after a number from 1 to 100"}
	}
	return nil
}

func (o *options) checkEndpoints() error {
	for _, named := range []struct {
		option string
		specs  []string
	}{{"--port", []string{o.port}}, {"--listen", o.listen}, {"--implicit-port", o.tls.implicit}} {
		for _, spec := range named.specs {
			if err := checkEndpoint(named.option, spec); err != nil {
				return err
			}
		}
	}
	return nil
}

// maybeEndpoint leaves numbers, and all that has the marks of an endpoint, to those who know more about them.
func maybeEndpoint(s string) bool {
	return strings.ContainsAny(s, `:/\=`) || s != "" && strings.Trim(s, "0123456789") == ""
}

// open fills s, from what is most likely to be wrong to what others can see.
func (o *options) open(ctx context.Context, s *server) (err error) {
	if err := s.roots.begin(s.dir); err != nil {
		return fmt.Errorf("--root %q: %w", o.root.Name(), err)
	}
	if o.auth.Given != "" {
		if s.users, err = s.env.Users(o.auth.Abs()); err != nil {
			return o.authError(err)
		}
		if err := s.checkNames(); err != nil {
			return o.authError(err)
		}
	}
	if err := o.openBook(ctx, s); err != nil {
		return err
	}
	if err := o.publicIP.resolve(ctx); err != nil {
		return err
	}
	if s.tls, err = o.tls.make(ctx, s.env); err != nil {
		return err
	}
	if o.xferlog.Given != "" { // of which the environment knows now that it is none of the others
		if s.xferlog, err = s.env.AccessLog(o.xferlog.Abs()); err != nil {
			return fmt.Errorf("--xferlog %q: %w", o.xferlog.Given, bare(err))
		}
	}
	return o.bind(ctx, s)
}

// openBook reads the users file, if there is one, and looks for the directories in it.
func (o *options) openBook(ctx context.Context, s *server) (err error) {
	anonymous := accounts.Account{Root: s.dir, Permissions: accounts.Read}
	users := anonymous
	if o.writable {
		users.Permissions = accounts.All
		if s.users == nil {
			anonymous.Permissions = accounts.All
		}
	}
	s.book, err = accounts.Open(accounts.Options{Path: o.users.Abs(), Users: users, Anonymous: anonymous, Guest: s.isAnonymous, Names: s.userNames(), Check: s.checkBook, Pool: s.env.Pool, Log: s.log})
	wrong, isWrong := errors.AsType[*accounts.Error](err)
	switch {
	case isWrong:
		return wrong // it names the file
	case err != nil:
		return fmt.Errorf("--users %q: %w", o.users.Given, bare(err))
	}
	if o.users.Given != "" {
		s.usersFile = o.users.Abs()
		s.hide()
	}
	err = s.checkBook(ctx, s.book)
	if errors.As(err, &wrong) || err == nil {
		return err
	}
	return fmt.Errorf("--users %q: %w", o.users.Given, err)
}

func (o *options) bind(ctx context.Context, s *server) error {
	specs := o.listen
	switch {
	case o.port != "":
		specs = append([]string{o.port}, specs...)
	case len(specs) == 0 && len(o.tls.implicit) == 0:
		specs = []string{defaultListen}
	}
	for _, spec := range specs {
		l, err := s.env.Listen(ctx, spec)
		if err != nil {
			return err
		}
		s.listeners = append(s.listeners, l)
	}
	for _, spec := range o.tls.implicit {
		l, err := s.env.ListenTLS(ctx, spec, s.tls.Config)
		if err != nil {
			return err
		}
		s.listeners = append(s.listeners, l)
	}
	s.implicit = len(o.tls.implicit)
	s.reserved = portsOf(s.listeners)
	_, err := s.ports.check(s.reserved)
	return err
}

// openRoot opens a directory that is served; path is absolute, links resolved.
func openRoot(dir string) (root *os.Root, path string, err error) {
	path, err = filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, "", bare(err)
	}
	if err := isDirectory(path); err != nil {
		return nil, "", err
	}
	if root, err = os.OpenRoot(path); err != nil {
		return nil, "", bare(err)
	}
	return root, path, nil
}

func isDirectory(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return bare(err)
	case !info.IsDir():
		return plugins.Usagef("not a directory")
	}
	return nil
}

// addrOf returns the IP address and port of an address, invalid for one of a unix socket.
func addrOf(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
