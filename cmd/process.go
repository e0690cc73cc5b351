package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/gtwistd/gtwistd/daemon"
	"github.com/gtwistd/gtwistd/internal/control"
	"github.com/gtwistd/gtwistd/internal/endpoint"
	"github.com/gtwistd/gtwistd/plugins"
)

// detach starts a copy of this process that does the work, and says what became of it.
func (p *program) detach(o *options) error {
	if o.logfile == "-" {
		return &plugins.UsageError{Reason: "--logfile -: a detached process has no stdout", Suggestion: "stay in front with -n, or name a file"}
	}
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("detach: %w", err)
	}
	survivePipes()
	ignoreOthers() // the copy inherits that, until it takes these signals itself
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	result, err := daemon.Detach(ctx, daemon.Program{
		Executable: executable,
		Args:       append([]string{p.argv0}, p.args...),
		Env:        p.environ(),
		Stdout:     p.stdout,
		Stderr:     p.stderr,
		Inherited:  p.inherited,
	})
	p.tellNotes(p.stderr)
	if err != nil {
		if cleanErr := cleanUpAfter(result.PID, o.pidfile); cleanErr != nil {
			fmt.Fprintf(p.stderr, "%s: %v\n", p.name, cleanErr)
		}
		return err
	}
	hello, err := decodeWelcome(result.Text)
	if err == nil {
		err = p.show(hello, p.stdout, p.stderr)
	}
	if err != nil {
		p.notes = append(p.notes, fmt.Sprintf("running with pid %d, but %v", result.PID, err))
	}
	p.openPages(hello.Pages, func(string) {}) // by then nobody is here any more
	p.tellNotes(p.stderr)
	return nil
}

// cleanUpAfter takes away what a copy that died without a word left: its pidfile, unless somebody else has it by now, and
// its control socket, and a pidfile that it was only preparing.
func cleanUpAfter(pid int, pidfile string) error {
	if err := daemon.RemoveTemporary(pidfile, pid); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	owner, err := daemon.Probe(pidfile)
	if err != nil || owner.Running || owner.PID != pid || pid == 0 {
		return nil // nothing of that copy's is there
	}
	held, _, err := daemon.Lock(pidfile)
	if err != nil {
		return nil // somebody was quicker, who replaces both
	}
	if err := os.Remove(control.SocketPath(pidfile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return errors.Join(err, held.Release())
	}
	return held.Release()
}

// adviseOnPidfile adds what a person can do who cannot have the pidfile.
func (r *runner) adviseOnPidfile(err error) error {
	var running *daemon.RunningError
	switch {
	case errors.As(err, &running):
		stop := r.name + " stop"
		if r.opts.pidfile != defaultPidfile {
			stop = fmt.Sprintf("%s --pidfile %s stop", r.name, r.opts.pidfile)
		}
		return &exitError{err, exitFailed, stop + " ends it; another --pidfile runs one beside it"}
	case errors.Is(err, os.ErrPermission) && hintOf(err) == "":
		return &exitError{err, exitFailed, "--pidfile= runs without one, --pidfile FILE puts it elsewhere"}
	}
	return err
}

// mayBecome tells an ordinary user early what only root can do.
func mayBecome(identity *daemon.Identity) error {
	if identity == nil || os.Geteuid() == 0 || identity.UID == os.Geteuid() {
		return nil
	}
	return &exitError{
		fmt.Errorf("--uid, --gid: user %d cannot become %s: %w", os.Geteuid(), identity.Name, os.ErrPermission),
		exitFailed, "only root can change the user; leave the options out to stay who you are",
	}
}

// endpointOptions lets endpoints reach the descriptors that came with the process.
func (r *runner) endpointOptions() endpoint.Options {
	notFound := func(what any) error { return fmt.Errorf("no socket %v was passed to this process", what) }
	open := func(list []daemon.NamedFD, what any) (*os.File, error) {
		if len(list) > 0 {
			if f, ok := r.inherited.File(list[0].FD); ok {
				return f, nil
			}
		}
		return nil, notFound(what)
	}
	return endpoint.Options{
		Dir: r.startDir,
		Log: r.log,
		TLS: r.certs.Endpoint,
		Inherited: endpoint.Inherited{
			File: func(fd int) (*os.File, error) {
				f, ok := r.inherited.File(fd)
				if !ok {
					return nil, fmt.Errorf("descriptor %d was not passed to this process", fd)
				}
				return f, nil
			},
			ByIndex: func(n int) (*os.File, error) {
				list, err := r.inherited.Systemd()
				if err != nil {
					return nil, err
				}
				return open(list[min(n, len(list)):], n)
			},
			ByName: func(name string) (*os.File, error) {
				list, err := r.inherited.Systemd()
				if err != nil {
					return nil, err
				}
				for i, named := range list {
					if named.Name == name {
						return open(list[i:], name)
					}
				}
				return nil, notFound(name)
			},
		},
	}
}

// redirect sends what anybody writes to stdout and stderr to the log, marked. A detached process lets go of the terminal
// that it was started from. The result is nil where the system cannot.
func (r *runner) redirect() (*daemon.Redirection, error) {
	stdout := r.logs.observer.Writer("stdout", slog.LevelInfo)
	stderr := r.logs.observer.Writer("stderr", slog.LevelError)
	redirection, err := daemon.Redirect(
		func(line []byte) { _, _ = stdout.Write(line) }, // never fails: what is dropped is counted
		func(line []byte) { _, _ = stderr.Write(line) },
	)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil, nil // on Windows what is printed stays on the console
	}
	if err != nil {
		return nil, err
	}
	if r.parent != nil {
		err = redirection.ReleaseOriginal()
	} else if r.logs.main == nil {
		_, original := redirection.Original()
		crashInto(original)
	}
	if err != nil {
		return nil, errors.Join(err, redirection.Close())
	}
	return redirection, nil
}

// confine gives up the rights that only the start needed.
func (r *runner) confine(identity *daemon.Identity) error {
	if err := r.logs.prepare(identity); err != nil {
		return err
	}
	c := daemon.Confinement{Dir: r.paths.rundir, Identity: identity, Umask: r.opts.umaskValue}
	if c.Umask == nil && r.parent != nil {
		private := 0o077
		c.Umask = &private
	}
	chroot, err := r.chroot()
	if err != nil {
		return err
	}
	if chroot != "" {
		c.Chroot, c.Dir = chroot, r.opts.rundir
		if c.Dir == "." {
			c.Dir = "/"
		}
	}
	if err := daemon.Confine(c); err != nil {
		return err
	}
	if identity != nil {
		r.log.Info("privileges dropped", "user", identity.Name, "uid", identity.UID, "gid", identity.GID)
	}
	r.jail = chroot
	r.logs.begin(chroot)
	return r.certs.Begin()
}

// chroot is where --chroot leads; "" means that the root stays.
func (r *runner) chroot() (string, error) {
	if r.opts.chroot == "" {
		return "", nil
	}
	dir, err := filepath.Abs(r.opts.chroot)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return "", fmt.Errorf("chroot: %w", err)
	}
	return dir, nil
}

// outputFiles names the regular files that output was redirected to, as nohup(1) and a shell do, where proc(5) tells. They are
// logs, although not ours to open.
func outputFiles(outputs ...*os.File) []string {
	var paths []string
	for _, f := range outputs {
		if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
			continue
		}
		if path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd())); err == nil {
			paths = append(paths, path)
		}
	}
	return paths
}

// interfaceAddresses are asked for once, at the start, when they can be: after a chroot or in a sandbox perhaps not.
func interfaceAddresses() []net.Addr {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil // the start-up text then shows what was bound, nothing else is lost
	}
	return addresses
}
