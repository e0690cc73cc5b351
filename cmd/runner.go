package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/gtwistd/gtwistd/daemon"
	"github.com/gtwistd/gtwistd/internal/certs"
	"github.com/gtwistd/gtwistd/internal/control"
	"github.com/gtwistd/gtwistd/internal/endpoint"
	"github.com/gtwistd/gtwistd/internal/pool"
	"github.com/gtwistd/gtwistd/internal/secrets"
	"github.com/gtwistd/gtwistd/plugins"
)

// runner carries the services of one invocation from start to stop.
type runner struct {
	*program
	opts  *options
	parts []part
	paths paths

	logs      *logs
	log       *slog.Logger
	notifier  *daemon.Notifier
	pool      *pool.Pool
	certs     *certs.Manager
	hashing   *pool.Pool
	secrets   secrets.List
	jail      string // where --chroot leads, once it is the root
	endpoints *endpoint.Set
	services  []*service
	addresses []net.Addr // of this host
	ownFiles  []string   // pidfile, control socket, and where output is redirected to, with symbolic links resolved
	startDir  string     // what relative paths of endpoints start from

	stops    chan os.Signal
	asked    chan struct{} // closed when a stop is asked for over the control socket
	stopOnce sync.Once
	state    atomic.Value // string: starting, running, …
	reloads  sync.Mutex   // one reload, reopening or rotation at a time
}

// paths are the files of the process, absolute: relative ones mean the starting directory, as in twistd. Empty means
// none.
type paths struct {
	pidfile, socket, logfile, rundir, profile, state string
}

func (o *options) resolve(detached bool) (paths, error) {
	p := paths{pidfile: o.pidfile, logfile: o.logfile, rundir: o.rundir, profile: o.profile, state: o.stateDir}
	switch {
	case o.syslog, o.logfile == "-":
		p.logfile = ""
	case o.logfile == "" && detached:
		p.logfile = defaultLogfile
	}
	for _, path := range []*string{&p.pidfile, &p.logfile, &p.profile, &p.rundir, &p.state} {
		if *path == "" {
			continue
		}
		var err error
		if *path, err = filepath.Abs(*path); err != nil {
			return paths{}, fmt.Errorf("starting directory: %w", err)
		}
	}
	if o.chroot != "" {
		root, err := filepath.Abs(o.chroot)
		if err != nil {
			return paths{}, fmt.Errorf("starting directory: %w", err)
		}
		p.rundir = filepath.Join(root, filepath.Join("/", o.rundir))
	}
	if p.pidfile != "" {
		p.socket = control.SocketPath(p.pidfile)
	}
	return p, p.distinct()
}

// distinct refuses to write two things into one file.
func (p paths) distinct() error {
	seen := map[string]string{}
	for _, f := range []struct{ what, path string }{
		{"the pidfile", p.pidfile}, {"the control socket", p.socket}, {"the log", p.logfile}, {"the profile", p.profile},
	} {
		if other := seen[f.path]; other != "" && f.path != "" {
			return plugins.Usagef("%q cannot be both %s and %s", f.path, other, f.what)
		}
		seen[f.path] = f.what
	}
	return nil
}

// private returns the files that no service hands out, but for the logs, which know themselves.
func (p paths) private() []string {
	if p.pidfile == "" {
		return nil
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(p.pidfile))
	if err != nil {
		return nil // then the pidfile cannot be locked either, and says so
	}
	return []string{filepath.Join(dir, filepath.Base(p.pidfile)), filepath.Join(dir, filepath.Base(p.socket))}
}

// start runs the services here, or detached in a copy of this process.
func (p *program) start(inv *invocation) error {
	if p.parent == nil {
		p.notes = append(inv.opts.notes(), p.strayVariables()...)
		defer p.tellNotes(p.stderr) // at the latest
		if !p.staysInFront(inv.opts) {
			return p.detach(inv.opts)
		}
	}
	r := &runner{program: p, opts: inv.opts, parts: inv.parts, addresses: interfaceAddresses(), asked: make(chan struct{})}
	r.state.Store(starting)
	return r.run()
}

// tellNotes tells, once, what was odd about the command line. It waits for the end of the start: nothing is printed before
// every listener is bound.
func (p *program) tellNotes(w io.Writer) {
	for _, note := range p.notes {
		fmt.Fprintf(w, "%s: note: %s\n", p.name, note)
	}
	p.notes = nil
}

// staysInFront: pid 1 of a container and a service of a manager that waits for readiness would be taken for ended if
// they detached.
func (p *program) staysInFront(o *options) bool {
	return o.nodaemon || os.Getpid() == 1 || p.getenv("NOTIFY_SOCKET") != ""
}

// run is the life of the process: lock, log, bind, confine, prepare, ready, serve, stop. What a step takes, its defer gives back,
// in the reverse order and on every way out.
func (r *runner) run() (err error) {
	ctx, cancel := r.catchSignals()
	defer cancel()
	identity, err := r.orient()
	if err != nil {
		return err
	}
	if r.notifier, err = r.openNotifier(); err != nil {
		return err
	}
	defer r.notifier.Close()

	pidfile, note, err := daemon.Lock(r.opts.pidfile)
	if err != nil {
		return r.adviseOnPidfile(err)
	}
	defer pidfile.Release() // again, unless farewell came to it

	if err = r.openLogs(identity); err != nil {
		return err
	}
	ready := false
	defer func() {
		r.farewell(pidfile, ready, err)
		err = errors.Join(err, r.logs.close(!ready))
	}()
	if note != "" {
		r.log.Warn(note)
	}

	stopProfile, err := startProfile(r.paths.profile, r.opts.profiler)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopProfile()) }()

	r.pool, r.hashing = pool.New(r.opts.poolSize, poolQueue), newHashing()
	defer r.closePools()
	if r.certs, err = r.newCerts(identity); err != nil {
		return err
	}
	defer r.certs.Close()
	r.endpoints = endpoint.NewSet(r.endpointOptions())
	defer r.endpoints.Close()
	if err = r.makeServices(ctx); err != nil {
		return abandoned(ctx, err)
	}
	stopControl, err := r.startControl(identity)
	if err != nil {
		return err
	}
	defer stopControl()
	r.inherited.CloseRest()

	redirection, err := r.redirect()
	if err != nil {
		return err
	}
	if redirection != nil {
		defer redirection.Close()
	}
	if err = r.confine(identity); err != nil {
		return err
	}
	if err = r.prepareServices(ctx, identity); err != nil {
		return abandoned(ctx, err)
	}
	r.state.Store(running) // whoever reads that it is ready may ask for a reload at once
	if err = abandoned(ctx, nil); err != nil {
		return err
	}
	if err = r.announce(redirection); err != nil {
		return err
	}
	ready = true
	return r.serve()
}

// orient finds out where things are and who the process shall be.
func (r *runner) orient() (*daemon.Identity, error) {
	identity, err := daemon.LookupIdentity(r.opts.uid, r.opts.gid)
	if err != nil {
		return nil, err
	}
	if err := mayBecome(identity); err != nil {
		return nil, err
	}
	if r.startDir, err = os.Getwd(); err != nil {
		return nil, fmt.Errorf("starting directory: %w", err)
	}
	if r.paths, err = r.opts.resolve(r.parent != nil); err != nil {
		return nil, err
	}
	if r.paths.state == "" {
		r.paths.state = defaultStateDir(r.getenv, os.Geteuid() == 0)
	}
	r.ownFiles = r.paths.private()
	if r.parent == nil {
		r.ownFiles = append(r.ownFiles, outputFiles(r.stdout, r.stderr)...)
	}
	return identity, nil
}

// abandoned returns err, unless the start was told to stop, which is then the reason.
func abandoned(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("start abandoned: %w", context.Cause(ctx))
	}
	return err
}

const (
	defaultLogfile = "gtwistd.log"
	defaultPidfile = "gtwistd.pid"
	// poolQueue bounds how many calls may wait for the pool, so that a stalled disk is answered with "try again later"
	// before the waiting requests fill the memory.
	poolQueue = 16384
)

func (r *runner) openNotifier() (*daemon.Notifier, error) {
	socket := r.getenv("NOTIFY_SOCKET")
	if socket == "" {
		return nil, nil
	}
	if err := os.Unsetenv("NOTIFY_SOCKET"); err != nil { // not for the children
		return nil, err
	}
	return daemon.OpenNotifier(socket)
}

// notify tells the service manager; that it does not listen is worth a line in the log and nothing more.
func (r *runner) notify(state string) {
	if err := r.notifier.Notify(state); err != nil {
		r.log.Warn("service manager", "error", err)
	}
}

func (r *runner) closePools() {
	ctx, cancel := context.WithTimeout(context.Background(), lastResort)
	defer cancel()
	for _, p := range []*pool.Pool{r.pool, r.hashing} {
		if err := p.Close(ctx); err != nil {
			r.log.Error("worker pool", "error", err)
		}
	}
}

// farewell gives up the pidfile while there is still a log to say that it cannot be removed. Whoever waits for the
// pidfile finds the log complete, but for that.
func (r *runner) farewell(pidfile *daemon.Pidfile, ready bool, failure error) {
	switch {
	case ready:
		r.log.Info("stopped")
	case r.logs.main != nil || r.opts.syslog: // otherwise the error goes to the same place by itself
		r.log.Error("not started", "error", failure)
	}
	r.logs.flush(lastResort)
	if err := pidfile.Release(); err != nil {
		r.log.Warn("pidfile", "error", err)
	}
}
