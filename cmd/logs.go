package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/gtwistd/gtwistd/daemon"
	"github.com/gtwistd/gtwistd/logfile"
)

// logs is every log of the process: its own, and the access logs of the services, which are rotated and reopened
// together with it.
type logs struct {
	observer *logfile.Observer
	main     *logfile.File // nil when the log goes to stdout or to the system log
	sink     io.Closer     // what the observer writes to; nil for the system log, which it closes itself
	options  logfile.Options
	console  bool      // a person reads the log as it is written
	fallback io.Writer // told when a log cannot be written; nil when nobody would read it

	mu     sync.Mutex
	access map[string]*accessFile // by absolute path
	order  []*accessFile
	early  []func(*slog.Logger) // warnings of opening the log itself

	timers sync.WaitGroup
	cancel context.CancelFunc
}

// accessFile is an access log of its own; services that name the same path share it.
type accessFile struct {
	file     *logfile.File
	observer *logfile.Observer
}

// openLogs opens the log that the options ask for.
func (r *runner) openLogs(identity *daemon.Identity) error {
	l := &logs{access: map[string]*accessFile{}}
	l.options = logfile.Options{
		Keep:       time.Duration(r.opts.logKeep),
		MaxTotal:   int64(r.opts.logMaxSize),
		RotateSize: int64(r.opts.logRotateSize),
		Compress:   r.opts.logCompress,
		Warn: func(msg string, args ...any) {
			if r.log == nil {
				l.early = append(l.early, func(log *slog.Logger) { log.Warn(msg, args...) })
				return
			}
			r.log.Warn(msg, args...)
		},
	}
	if identity != nil {
		l.options.User = identity.UID
	}
	if r.parent == nil {
		terminal, err := duplicate(r.stderr)
		if err != nil {
			return err
		}
		l.fallback = terminal
	}
	o := logfile.ObserverOptions{Levels: r.opts.levels, Fallback: l.fallback}
	if err := r.openObserver(l, o); err != nil {
		return err
	}
	r.logs = l
	r.log = l.observer.Logger("gtwistd")
	for _, warn := range l.early {
		warn(r.log)
	}
	return nil
}

func (r *runner) openObserver(l *logs, o logfile.ObserverOptions) (err error) {
	switch {
	case r.opts.syslog:
		if l.observer, err = logfile.NewSyslog(r.opts.prefix, o); err != nil {
			return &exitError{fmt.Errorf("--syslog: %w", err), exitFailed, "start a daemon such as rsyslogd, whose socket is /dev/log, or log to a file: --logfile FILE"}
		}
		return nil
	case r.paths.logfile == "":
		stdout, err := duplicate(r.stdout)
		if err != nil {
			return err
		}
		terminal := term.IsTerminal(int(stdout.Fd()))
		o.Format = r.opts.format(terminal)
		l.console = o.Format == logfile.Console
		o.Color = terminal && r.coloured()
		l.observer, l.sink = logfile.NewObserver(stdout, o), stdout
		return nil
	}
	options := l.options
	options.OnOpen = crashInto
	if l.main, err = logfile.Open(r.paths.logfile, options); err != nil {
		return err // names the log file
	}
	o.Format = r.opts.format(false)
	l.observer, l.sink = logfile.NewObserver(l.main, o), l.main
	return nil
}

// crashInto sends the trace of a crash to f, since nobody reads a detached process's stderr.
func crashInto(f *os.File) {
	_ = debug.SetCrashOutput(f, debug.CrashOptions{}) // without it a trace is lost, nothing else
}

// accessLog is the AccessLog function of one service's environment.
func (r *runner) accessLog(service string) func(path string) (io.WriteCloser, error) {
	l := r.logs
	return func(path string) (io.WriteCloser, error) {
		if path == "" {
			return l.observer.Writer(service, slog.LevelInfo), nil
		}
		path, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		switch path {
		case r.paths.logfile:
			return l.observer.Writer(service, slog.LevelInfo), nil
		case r.paths.pidfile, r.paths.socket, r.paths.profile:
			return nil, fmt.Errorf("%q is another file of this process", path)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		a, ok := l.access[path]
		if !ok {
			if info, err := os.Stat(path); err == nil && r.secrets.Is(info) {
				return nil, errors.New("it holds passwords, keys or the rights of users: no log goes there")
			}
			f, err := logfile.Open(path, l.options)
			if err != nil {
				return nil, err
			}
			a = &accessFile{f, logfile.NewObserver(f, logfile.ObserverOptions{Format: logfile.Raw, Warn: l.options.Warn, Fallback: l.fallback})}
			l.access[path] = a
			l.order = append(l.order, a)
		}
		return a.observer.Writer("", slog.LevelInfo), nil
	}
}

// files returns every log that is a file.
func (l *logs) files() []*logfile.File {
	l.mu.Lock()
	defer l.mu.Unlock()
	var files []*logfile.File
	if l.main != nil {
		files = append(files, l.main)
	}
	for _, a := range l.order {
		files = append(files, a.file)
	}
	return files
}

// own reports whether path is a log or a rotated one.
func (l *logs) own(path string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.main != nil && l.main.Owns(path) ||
		slices.ContainsFunc(l.order, func(a *accessFile) bool { return a.file.Owns(path) })
}

// below returns a log that is or may come to be at dir or below it, "" if there is none.
func (l *logs) below(dir string) string {
	for _, f := range l.files() {
		if f.Below(dir) {
			return f.Path()
		}
	}
	return ""
}

// prepare makes the files ready for a process that gives up its rights, and begin tells them where they are when it has.
func (l *logs) prepare(identity *daemon.Identity) error {
	if identity == nil {
		return nil
	}
	for _, f := range l.files() {
		if err := f.Chown(identity.UID, identity.GID); err != nil {
			return fmt.Errorf("log: %w", err)
		}
	}
	return nil
}

func (l *logs) begin(chroot string) {
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	for _, f := range l.files() {
		if chroot != "" {
			f.Chroot(chroot)
		}
		l.timers.Go(func() { f.Run(ctx) })
	}
}

// reopen opens anew the files that were moved away; the others are left alone.
func (l *logs) reopen() error {
	var errs []error
	for _, f := range l.files() {
		_, err := f.Reopen()
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// rotate opens anew the files that were moved away and rotates the others.
func (l *logs) rotate() error {
	var errs []error
	for _, f := range l.files() {
		moved, err := f.Reopen()
		if err == nil && !moved {
			err = f.Rotate()
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// flush waits, for a while at most, until what was logged is written.
func (l *logs) flush(atMost time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), atMost)
	defer cancel()
	_ = l.observer.Flush(ctx) // the observer itself tells what is lost, and keeps the rest
}

// close writes what waits. The files that a failed start created are removed again: what they would say went to the
// terminal.
func (l *logs) close(failedStart bool) error {
	if l.cancel != nil {
		l.cancel()
		l.timers.Wait()
	}
	var errs []error
	for _, a := range l.order {
		errs = append(errs, a.observer.Close(), a.file.Close())
	}
	errs = append(errs, l.observer.Close())
	if l.sink != nil {
		errs = append(errs, l.sink.Close())
	}
	if failedStart {
		for _, f := range l.files() {
			errs = append(errs, f.Discard())
		}
	}
	return errors.Join(errs...)
}
