// Package plugins is the vocabulary that the runner and the services share: what a plugin, a running service and its
// environment are. It holds no state; the runner (package cmd) fills in an Env, a service only reads it.
//
// A plugin for a service that greets:
//
//	plugins.Plugin{Name: "hello", Summary: "say hello over TCP", Scheme: "tcp", New: func() plugins.Maker { return &options{} }}
package plugins

import (
	"context"
	"crypto/tls"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/pflag"
)

// Plugin describes one subcommand. It is a value: cheap to list, and nothing runs until New is called.
type Plugin struct {
	// Name is the subcommand: lower-case letters, digits and hyphens, beginning with a letter.
	Name string
	// Summary says in one line, without a full stop, what the service does.
	Summary string
	// Example holds complete command lines, one a line, shown by --help. Empty means none.
	Example string
	// Scheme is the URL scheme of the addresses that the service listens on, such as "http"; under TLS an "s" is
	// appended. Empty means that the network ("tcp", "udp") is shown instead.
	Scheme string
	// Topics are pages of the manual beside the options. Empty means none.
	Topics []Topic
	// New returns a fresh set of options, so that one plugin can serve several times in one process.
	New func() Maker
}

// Maker holds the options of one service while they are parsed.
type Maker interface {
	// Flags binds the options to the receiver. It is called once, before Make. Every option also has an environment
	// twin, GTWISTD_<PLUGIN>_<OPTION>, which the runner applies.
	Flags(fs *pflag.FlagSet)

	// Make checks the options and binds all sockets through env, so that a service that was made is ready as far as its
	// clients can see. A *UsageError ends the program with exit code 2, any other error with 1. Resources that env does not
	// own are released before an error is returned. ctx ends only if the start is abandoned.
	Make(ctx context.Context, env *Env) (Service, error)
}

// Service is a running unit.
type Service interface {
	// Serve works until ctx is done, then closes its listeners, waits for open connections and returns nil; any other
	// return is a failure of the service and stops the program. After the grace period the runner closes the
	// connections, so waiting for them is enough. When Serve returns, every goroutine it started has ended. The runner
	// calls it once.
	Serve(ctx context.Context) error
}

// Reloader is an optional ability of a Service: Reload reads certificates, password files or symlinked roots anew while
// Serve runs. What is wrong stays as it was, and the error names it; the rest is new.
type Reloader interface {
	Reload(ctx context.Context) error
}

// Preparer is an optional ability of a Service: Prepare is called once, before Serve, when the process has given up the rights
// with which it began (--uid, --chroot). An error ends the start, and Prepare has released what Make opened, as Make does: that
// of a directory, say, which only root could open.
type Preparer interface {
	Prepare(ctx context.Context) error
}

// Leaver is an optional ability of a Service: Leave tells the clients that are still there, in a protocol that has words for
// it, that they are about to lose the connection. The runner calls it when the grace period is over or has been cut short, even
// when Serve has returned while other services still stop, and then closes the connections. It returns as soon as ctx is done.
type Leaver interface {
	Leave(ctx context.Context)
}

// Reporter is an optional ability of a Service: Report returns what `gtwistd status`, the start-up text and the log of the
// start show beside the addresses, such as a root directory. It is called from any goroutine, at any time after Make, even when Serve has
// returned while other services still stop.
type Reporter interface {
	Report() []slog.Attr
}

// Announcer is an optional ability of a Service: Announcement says how the runner shows the service's addresses, and what
// else it does with them at the start. It is called like Report.
type Announcer interface {
	Announcement() Announcement
}

// Announcement is what the person who starts a service wants to see of it. The zero value is the addresses, no more. What
// cannot be done, for want of a terminal or a browser, is told in a note and is no failure of the start.
type Announcement struct {
	// QR is for a QR code on the terminal: the first address that other devices reach, or else a loopback address.
	QR bool
	// Open is for the browser, which is shown the first address of this machine's own, or else the first there is.
	Open bool
	// Path follows the addresses as they are shown, such as "/app" if there is nothing above it. Empty means nothing.
	Path string
}

// RecordWriter is what a writer for access records may be, for services that write very many: a record is composed where it
// will be kept, and has the time that the service has just looked at.
type RecordWriter interface {
	// Begin returns a buffer, at the end of which a record of that time is to be appended. Nobody else can write to that log until
	// End gets what came of the buffer: in between, the caller does nothing that blocks or logs, and a panic must not keep it
	// from End. If ok is false nobody wants the record, and there is no End.
	Begin(at time.Time) (buf []byte, ok bool)
	// End ends the record, which must be one line without control characters, since nobody looks at it again. The newline at its
	// end is optional, as it is for Write.
	End(record []byte)
}

// Env is all that a service may take from the process. The runner makes one for each service; its functions are safe for
// concurrent use.
type Env struct {
	// Name is the name of the instance: the plugin's, with a number if it serves several times ("web", "web-2").
	Name string
	// Log is the service's logger; every record carries Name.
	Log *slog.Logger
	// Pool bounds the blocking calls of all services.
	Pool Pool

	// Listen binds a description of a stream endpoint: "8080", "tcp:8080:interface=127.0.0.1", "unix:/run/x",
	// "ssl:8443:certKey=…". The runner owns the connections and closes what is left of them after the grace period;
	// Serve closes the listener. Accepted connections keep the fast paths of *net.TCPConn (sendfile, splice).
	Listen func(ctx context.Context, spec string) (net.Listener, error)
	// ListenPacket does the same for datagrams: "udp:7007".
	ListenPacket func(ctx context.Context, spec string) (net.PacketConn, error)

	// TLS loads or makes the certificates that o asks for, from the one manager of the process, which keeps them up to date:
	// it reads changed files anew, by itself and at a reload, and renews what an authority issued. A mistake in o is a
	// *UsageError.
	TLS func(ctx context.Context, o TLSOptions) (*TLS, error)
	// ListenTLS is Listen for a service that speaks TLS with c, a Config from TLS: the listener accepts *tls.Conn and its URL
	// has the scheme's "s". An "ssl:" endpoint keeps its own certificate.
	ListenTLS func(ctx context.Context, spec string, c *tls.Config) (net.Listener, error)

	// AccessLog returns a writer for access records. Each Write is one record, with or without a newline at its end; it is
	// buffered, never blocks and never fails because the disk does. Path "" is the program's own log; any other is a file
	// that is rotated and reopened together with it, and an error wraps what opening it met. The service closes it. It may be
	// a RecordWriter.
	AccessLog func(path string) (io.WriteCloser, error)

	// Users opens a password file, in the format of Apache's htpasswd; a relative path means the current directory. The error
	// names the file, and the line if one is bad, and wraps what opening it met. There is nothing to close.
	Users func(path string) (Users, error)

	// Private reports whether an absolute path, without symbolic links, is a file of the program itself: the pidfile, the
	// control socket, a password file, a log or one of its rotated files. No service hands these out. Nil counts as never.
	Private func(path string) bool
	// PrivateBelow returns one of these files that lies at an absolute path, without symbolic links, or below it, or would if
	// it were there; "" means that there is none, and that Private is false for all that is there: services ask no further then.
	// Links on the way to such files count, too: whoever moves one, or puts something in its place, decides what is read next. It
	// is cheap. Nil counts as perhaps, unless Private is nil.
	PrivateBelow func(path string) string
	// PrivateFile reports whether a file, by whatever name it was found, is one that says who may do what: a password file, a
	// key, or one that Hide was called for. It may make a blocking call. Nil counts as never.
	PrivateFile func(info fs.FileInfo) bool
	// Hide makes a file that the service reads one of the private files of all services. It is called again after each reload,
	// as a link may lead elsewhere, and makes blocking calls. Nil counts as nothing to do.
	Hide func(path string)
}

// TLSOptions are what a person may say about certificates. The zero value is a self-made one, kept in the state directory.
// In errors the options have the names that every service gives them: --certificate, --privkey, --client-ca, --acme,
// --acme-email and --acme-directory.
type TLSOptions struct {
	// Certificates are PEM files, chosen by the server name that a client sends. The first is also for clients that send none,
	// or an unknown one.
	Certificates []KeyPair
	// ClientCA is a PEM file with the authorities of client certificates, which are then required. Empty requires none.
	ClientCA string
	// ACME are the domains to get certificates for from an authority, instead of Certificates. ACMEEmail is the address of the
	// account, empty for none, ACMEDirectory the URL of the authority, empty for Let's Encrypt.
	ACME                     []string
	ACMEEmail, ACMEDirectory string
	// NextProtos are the names of the service's protocols (ALPN), the best first: "h2", "http/1.1". Clients that offer none of
	// them are served without a name.
	NextProtos []string
}

// KeyPair names the PEM files of a certificate, which the authorities between it and a root follow, and of its private key.
// An empty Key means that Cert holds both.
type KeyPair struct{ Cert, Key string }

// TLS is what a service needs to speak it.
type TLS struct {
	// Config is for ListenTLS and tls.Server. Never change it: it is the same as long as the service runs, so that sessions
	// are resumed, and certificates change behind its functions. A clone has those, too, but sessions are not resumed across
	// the two: clone it only to keep them apart.
	Config *tls.Config
	// Challenge answers what the authority asks over plain HTTP on port 80 before it issues a certificate, and hands all other
	// requests to next. Nil without ACME. A service that does not call it relies on port 443, where Config answers.
	Challenge func(next http.Handler) http.Handler
	// Report describes the certificates, that of a self-made one by its fingerprint; a Reporter adds it to its own. It may be
	// called at any time.
	Report func() []slog.Attr
}

// Users are the people of a password file. It is safe for concurrent use.
type Users interface {
	// Verify reports whether there is a user of that name with that password. It may take a while, as good hashes do, and
	// no longer for a name that exists than for one that does not; what was right once is known at once. It returns ctx's error
	// if ctx ends while it waits, and ErrFull if too many already wait.
	Verify(ctx context.Context, name, password string) (bool, error)
	// Names returns the users' names, in the order of the file.
	Names() []string
	// Reload reads the file anew. An error leaves the users as they were.
	Reload(ctx context.Context) error
}

// Pool bounds calls that may block an OS thread: open, stat, readdir, hashing. Never put a whole transfer in it.
type Pool interface {
	// Do runs fn in the caller's goroutine once a slot is free and returns its error. It returns ctx's error if ctx ends
	// while it waits, ErrFull if too many already wait, and an error with the stack if fn panics.
	Do(ctx context.Context, fn func() error) error
}
