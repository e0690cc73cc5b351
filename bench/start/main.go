// Command start measures gtwistd beside its peers in one run and prints a table of medians: how fast it starts, what it
// weighs, what echo and the access log cost. It measures on Linux with two cores, the server on one and the load on the
// other; a peer or tool that is not installed is named and left out.
//
//	make bench-start
//	go run ./bench/start -gtwistd ./gtwistd -only echo -rounds 40
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

// bench is one run. It works in a directory of its own and ends every process that it starts.
type bench struct {
	gtwistd string // absolute paths of programs; empty if not installed
	twistd  string
	wrk     string
	loop    string
	self    string
	dir     string
	site    string // what web serves
	rounds  int
	seconds int // of load in each round
	table   table
}

func main() {
	if len(os.Args) == 5 && os.Args[1] == "load" {
		fail(load(os.Args[2], os.Args[3], os.Args[4]))
		return
	}
	b := &bench{}
	flag.StringVar(&b.gtwistd, "gtwistd", "./gtwistd", "the `FILE` to measure, stripped")
	flag.IntVar(&b.rounds, "rounds", 15, "how often each figure is taken, rates twice as often because they vary more; the median counts")
	flag.IntVar(&b.seconds, "seconds", 1, "how long the load of each round lasts")
	only := flag.String("only", "", "one `GROUP` of figures: start, memory, size, echo or log")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fail(b.run(ctx, *only))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/start:", err)
		os.Exit(1)
	}
}

// run measures the groups one after the other, so that none disturbs another.
func (b *bench) run(ctx context.Context, only string) error {
	if err := b.prepare(ctx); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	groups := []struct {
		name    string
		measure func(context.Context) error
	}{
		{"size", b.size},
		{"start", b.start},
		{"memory", b.memory},
		{"echo", b.echo},
		{"log", b.accessLog},
	}
	known := only == ""
	for _, group := range groups {
		if only != "" && only != group.name {
			continue
		}
		known = true
		if err := group.measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", group.name, err)
		}
	}
	if !known {
		return fmt.Errorf("-only %q: no such group", only)
	}
	b.table.print(os.Stdout)
	return nil
}

// prepare finds the programs, builds the yardstick and makes a site of one small file.
func (b *bench) prepare(ctx context.Context) (err error) {
	if b.gtwistd, err = filepath.Abs(b.gtwistd); err != nil {
		return err
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if _, err := os.Stat(b.gtwistd); err != nil {
		return fmt.Errorf("%w (make build)", err)
	}
	if _, err := exec.LookPath("taskset"); err != nil {
		return errors.New("taskset is not installed (Debian package util-linux)")
	}
	b.twistd = installed("twistd3", "python3-twisted")
	b.wrk = installed("wrk", "wrk")
	if b.dir, err = os.MkdirTemp("", "gtwistd-bench-"); err != nil {
		return err
	}
	b.site = filepath.Join(b.dir, "site")
	b.loop = filepath.Join(b.dir, "loop")
	if err := os.Mkdir(b.site, 0o755); err != nil {
		return err
	}
	page := strings.Repeat("a small file, as most are\n", 40)
	if err := os.WriteFile(filepath.Join(b.site, "small.txt"), []byte(page), 0o644); err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.loop,
		"github.com/gtwistd/gtwistd/bench/loop")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	return build.Run()
}

// installed is the path of a program, or empty after a line that says what brings it.
func installed(name, pkg string) string {
	file, err := exec.LookPath(name)
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench/start: %s is not installed (Debian package %s): its figures are left out\n", name, pkg)
		return ""
	}
	return file
}
