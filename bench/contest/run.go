package contest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Run is one run of a program that measures. Before Main, Rounds and Seconds are what they are without options.
type Run struct {
	Dir
	Memory  Dir    // one in memory, where the system has that: no disk decides about what is written there
	Gtwistd string // the absolute path of what is measured
	Rounds  int    // how often each figure is taken
	Seconds int    // of load in each round
	Table   Table
}

// Group are figures that are measured together.
type Group struct {
	Name    string
	Measure func(context.Context) error
}

// Loads are the kinds of load that a program puts on servers. Each knows its target and how long it lasts, and returns a
// rate.
type Loads map[string]func(target string, lasts time.Duration) (perSecond float64, err error)

// Main is the main function of a program that measures: it reads the command line, goes to a network of its own if it may,
// takes the groups that prepare returns one after the other, so that none disturbs another, prints the table and ends the
// process if there was an error. The program called with "load" puts load on a server instead.
func (r *Run) Main(loads Loads, prepare func(context.Context) ([]Group, error)) {
	if len(os.Args) == 5 && os.Args[1] == "load" {
		fail(loads.put(os.Args[2], os.Args[3], os.Args[4]))
		return
	}
	flag.StringVar(&r.Gtwistd, "gtwistd", "./gtwistd", "the `FILE` to measure, stripped")
	flag.IntVar(&r.Rounds, "rounds", r.Rounds, "how often each figure is taken; the median counts")
	flag.IntVar(&r.Seconds, "seconds", r.Seconds, "how long the load of each round lasts")
	only := flag.String("only", "", "measure one `GROUP` of figures; a name that is none gives a list")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	done, err := alone(ctx)
	if err == nil && !done {
		if err = r.run(ctx, prepare, *only); ctx.Err() != nil {
			err = errors.New("interrupted")
		}
	}
	fail(err)
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (r *Run) run(ctx context.Context, prepare func(context.Context) ([]Group, error), only string) (err error) {
	if r.Gtwistd, err = filepath.Abs(r.Gtwistd); err != nil {
		return err
	}
	if _, err := os.Stat(r.Gtwistd); err != nil {
		return fmt.Errorf("%w (make build)", err)
	}
	if _, err := exec.LookPath("taskset"); err != nil {
		return errors.New("taskset is not installed (Debian package util-linux)")
	}
	dir, err := os.MkdirTemp("", "gtwistd-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	memory, err := os.MkdirTemp(inMemory(), "gtwistd-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(memory)
	r.Dir, r.Memory = Dir(dir), Dir(memory)
	groups, err := prepare(ctx)
	if err != nil {
		return err
	}
	if groups, err = selected(groups, only); err != nil {
		return err
	}
	for _, group := range groups {
		if err := group.Measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", group.Name, err)
		}
	}
	r.Table.Print(os.Stdout)
	return nil
}

// inMemory is where Linux keeps files in memory, or empty.
func inMemory() string {
	const shared = "/dev/shm"
	if info, err := os.Stat(shared); err != nil || !info.IsDir() {
		return ""
	}
	return shared
}

// selected are all groups, or the one that has a name.
func selected(groups []Group, only string) ([]Group, error) {
	if only == "" {
		return groups, nil
	}
	var names []string
	for i, group := range groups {
		if group.Name == only {
			return groups[i : i+1], nil
		}
		names = append(names, group.Name)
	}
	return nil, fmt.Errorf("-only %q: no such group, there are %s", only, strings.Join(names, ", "))
}

// Load puts a kind of load on a target, from a process of its own on the core of the load.
func (r *Run) Load(ctx context.Context, kind, target string) (rate float64, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := Pinned(ctx, LoadCore, self, "load", kind, target, fmt.Sprintf("%ds", r.Seconds))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, err
	}
	_, err = fmt.Sscan(string(out), &rate)
	return rate, err
}

// Press watches a server under a kind of load. What the load leaves open stays open until the server has been looked at: of
// one that has a process for each connection, what ended ones did may be lost.
func (r *Run) Press(ctx context.Context, pid int, kind, target string) (Result, error) {
	self, err := os.Executable()
	if err != nil {
		return Result{}, err
	}
	cmd := Pinned(ctx, LoadCore, self, "load", kind, target, fmt.Sprintf("%ds", r.Seconds))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return Result{}, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return Result{}, err
	}
	result, err := Watch(pid, func() (rate float64, err error) {
		if err := cmd.Start(); err != nil {
			return 0, err
		}
		_, err = fmt.Fscan(out, &rate)
		return rate, err
	})
	in.Close()
	if cmd.Process != nil {
		if ended := cmd.Wait(); ended != nil {
			err = ended // it has said why there is no rate
		}
	}
	return result, err
}

// put is the other side of Load and Press. It prints the rate, and ends with its input.
func (l Loads) put(kind, target, duration string) error {
	lasts, err := time.ParseDuration(duration)
	if err != nil {
		return err
	}
	load, ok := l[kind]
	if !ok {
		return fmt.Errorf("load %q: no such kind", kind)
	}
	rate, err := load(target, lasts)
	if err != nil {
		return err
	}
	fmt.Println(rate)
	_, err = io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(l) // and with it the connections that a load keeps
	return err
}
