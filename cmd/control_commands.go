package cmd

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/gtwistd/gtwistd/daemon"
	"github.com/gtwistd/gtwistd/internal/control"
	"github.com/gtwistd/gtwistd/logfile"
	"github.com/gtwistd/gtwistd/plugins"
)

// target is the running gtwistd that a command talks to.
type target struct {
	*program
	pidfile string
	owner   daemon.Owner
	client  *control.Client
}

// controlCommands return as their action what talks to the running process, once the command line is known to be right.
func (p *program) controlCommands(inv *invocation) []*cobra.Command {
	asJSON, follow, lines := false, false, 10
	status := p.controlCommand(inv, "status", "show state, listeners, open connections and the worker pool", func(t *target, ctx context.Context) error {
		return t.status(ctx, asJSON)
	})
	now := false
	stop := p.controlCommand(inv, "stop", "stop it and wait until it is gone", func(t *target, ctx context.Context) error {
		return t.stop(ctx, now)
	})
	stop.Flags().BoolVar(&now, "now", false, "close open connections at once instead of waiting for them")
	status.Flags().BoolVar(&asJSON, "json", false, "write one JSON object")
	logs := p.controlCommand(inv, "logs", "show the end of the log", func(t *target, ctx context.Context) error {
		return t.logs(ctx, inv.opts, lines, follow)
	})
	logs.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what is logged from now on")
	logs.Flags().IntVarP(&lines, "lines", "n", lines, "begin with the last `N` records")
	return []*cobra.Command{
		status,
		stop,
		p.controlCommand(inv, "reload", "reopen the log, read certificates anew and let each service do so with its files", (*target).reload),
		p.controlCommand(inv, "reopen", "open log files anew that were moved away", (*target).reopen),
		logs,
	}
}

func (p *program) controlCommand(inv *invocation, name, summary string, do func(*target, context.Context) error) *cobra.Command {
	pidfile := ""
	c := &cobra.Command{
		Use:         name,
		Short:       summary,
		Annotations: map[string]string{"kind": "control"},
		Args:        noArguments(p.registry),
		RunE: func(c *cobra.Command, _ []string) error {
			if _, err := p.applyEnv(c.Root().Flags(), ""); err != nil {
				return err
			}
			if pidfile == "" {
				pidfile = inv.opts.pidfile
			}
			inv.action = func(ctx context.Context) error {
				ctx, cancel := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
				defer cancel()
				t, err := p.find(ctx, pidfile)
				if err != nil {
					return err
				}
				return do(t, ctx)
			}
			return nil
		},
	}
	c.Flags().SortFlags = false
	c.Flags().StringVar(&pidfile, "pidfile", "", "the pidfile `FILE` of the process to talk to (default gtwistd.pid, or the runner's --pidfile)")
	return c
}

// find looks at the pidfile's lock, which tells whether the process runs. A pidfile that somebody removed leaves the
// socket to ask.
func (p *program) find(ctx context.Context, pidfile string) (*target, error) {
	if pidfile == "" {
		return nil, plugins.Usagef("--pidfile is empty: there is nothing to find the process by")
	}
	path, err := filepath.Abs(pidfile)
	if err != nil {
		return nil, err
	}
	t := &target{program: p, pidfile: pidfile, client: control.Dial(control.SocketPath(path))}
	t.owner, err = t.look(ctx)
	return t, err
}

func (t *target) look(ctx context.Context) (daemon.Owner, error) {
	owner, err := daemon.Probe(t.pidfile)
	if err != nil || owner.Running {
		return owner, err
	}
	if status, err := t.askStatus(ctx); err == nil {
		return daemon.Owner{PID: status.PID, Running: true}, nil
	}
	return owner, nil
}

func (t *target) mustRun() error {
	if t.owner.Running {
		return nil
	}
	return &exitError{fmt.Errorf("not running: nobody holds pidfile %s", t.pidfile), exitNotRunning, ""}
}

func (t *target) status(ctx context.Context, asJSON bool) error {
	if !t.owner.Running {
		if !asJSON {
			return t.mustRun()
		}
		if err := t.writeJSON(map[string]string{"state": stopped, "pidfile": t.pidfile}); err != nil {
			return err
		}
		return silentExit(exitNotRunning)
	}
	status, err := t.askStatus(ctx)
	if unreachable(err) {
		status = control.Status{State: running, PID: t.owner.PID, Pidfile: t.pidfile}
		fmt.Fprintf(t.stderr, "%s: note: %v; only what the pidfile tells is shown\n", t.name, err)
	} else if err != nil {
		return err
	}
	if asJSON {
		return t.writeJSON(status)
	}
	return control.WriteText(t.stdout, status)
}

func (t *target) writeJSON(v any) error {
	encoder := json.NewEncoder(t.stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// stop returns when the process has let go of its pidfile.
func (t *target) stop(ctx context.Context, now bool) error {
	if err := t.mustRun(); err != nil {
		return err
	}
	if status, err := t.askStatus(ctx); err == nil && status.LogError != "" {
		fmt.Fprintf(t.stderr, "%s: note: records are lost, %s cannot be written: %s\n", t.name, status.Logfile, status.LogError)
	}
	if err := t.ask(ctx, patient(t.client.Stop), syscall.SIGTERM); err != nil {
		return err
	}
	patience := time.After(time.Second)
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		owner, err := t.look(ctx)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if !owner.Running || owner.PID != t.owner.PID && owner.PID != 0 {
			fmt.Fprintf(t.stdout, "stopped, pid %d\n", t.owner.PID)
			return nil
		}
		if now { // of the signals on top of a stop that is under way, the second allows no grace
			if err := t.signal(syscall.SIGTERM); err != nil {
				return err
			}
		}
		select {
		case <-patience:
			fmt.Fprintf(t.stderr, "%s: pid %d waits for open connections; Ctrl-C leaves it to itself, %s stop --now closes them\n",
				t.name, t.owner.PID, t.name)
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("pid %d is still stopping", t.owner.PID)
		}
	}
}

func (t *target) reload(ctx context.Context) error {
	if err := t.mustRun(); err != nil {
		return err
	}
	if err := t.ask(ctx, t.client.Reload, hangup); err != nil {
		return err
	}
	_, err := fmt.Fprintf(t.stdout, "reloaded, pid %d\n", t.owner.PID)
	return err
}

func (t *target) reopen(ctx context.Context) error {
	if err := t.mustRun(); err != nil {
		return err
	}
	if err := t.ask(ctx, patient(t.client.Reopen), userSignal1); err != nil {
		return err
	}
	_, err := fmt.Fprintf(t.stdout, "logs reopened, pid %d\n", t.owner.PID)
	return err
}

// ask asks over the socket, and with a signal if there is nobody at the socket.
func (t *target) ask(ctx context.Context, request func(context.Context) error, sig syscall.Signal) error {
	told := time.AfterFunc(time.Second, func() {
		fmt.Fprintf(t.stderr, "%s: waiting for the answer of pid %d\n", t.name, t.owner.PID)
	})
	defer told.Stop()
	err := request(ctx)
	if !unreachable(err) {
		return err
	}
	return t.signal(sig)
}

// signal takes a process that has just ended for one that obeyed.
func (t *target) signal(sig syscall.Signal) error {
	if t.owner.PID == 0 {
		return fmt.Errorf("pidfile %s does not prove which process holds it: %s", t.pidfile, cmp.Or(t.owner.Note, "its pid is unknown"))
	}
	process, err := os.FindProcess(t.owner.PID)
	if err == nil {
		err = process.Signal(sig)
	}
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal pid %d: %w", t.owner.PID, err)
	}
	return nil
}

// answerTime is how long the process may take to answer before it counts as unreachable; a reload may take longer.
const answerTime = 5 * time.Second

// unreachable errors leave the pidfile and signals as the way to the process.
func unreachable(err error) bool {
	return errors.Is(err, control.ErrNotRunning) || errors.Is(err, errors.ErrUnsupported) || errors.Is(err, context.DeadlineExceeded)
}

// patient bounds a request that the process answers at once if it can.
func patient(request func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, answerTime)
		defer cancel()
		return request(ctx)
	}
}

func (t *target) askStatus(ctx context.Context) (control.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	return t.client.Status(ctx)
}

// logs works without a running process, too: that is when a log is read most.
func (t *target) logs(ctx context.Context, o *options, lines int, follow bool) error {
	path := o.logfile
	if t.owner.Running {
		status, err := t.askStatus(ctx)
		switch {
		case err == nil && status.Logfile == "":
			return fmt.Errorf("pid %d does not log to a file", t.owner.PID)
		case err == nil:
			path = status.Logfile
		case !unreachable(err):
			return err
		}
	}
	if path == "" {
		path = defaultLogfile
	}
	if lines < 0 {
		return plugins.Usagef("logs: --lines %d: not a number of records", lines)
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &exitError{fmt.Errorf("there is no log %s", path), exitFailed, "--logfile FILE before the command names another"}
	}
	if err == nil && info.Size() == 0 {
		fmt.Fprintf(t.stderr, "%s: note: %s is empty since %s; earlier records are in the rotated files beside it\n",
			t.name, path, info.ModTime().Format(time.DateTime))
	}
	return logfile.Tail(ctx, t.stdout, path, lines, follow)
}
