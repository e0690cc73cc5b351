// Command start measures gtwistd beside its peers in one run and prints a table of medians: how fast it starts, what it
// weighs, what echo costs. It measures on Linux with two cores, the server on one and the load on the
// other; a peer or tool that is not installed is named and left out.
//
//	make bench-start
//	go run ./bench/start -gtwistd ./gtwistd -only echo -rounds 40
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/gtwistd/gtwistd/bench/contest"
)

// bench is one run. It works in a directory of its own and ends every process that it starts.
type bench struct {
	gtwistd string // absolute paths of programs; empty if not installed
	twistd  string
	loop    string
	dir     contest.Dir
	site    string // what web serves
	rounds  int
	seconds int // of load in each round
	table   contest.Table
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
	only := flag.String("only", "", "one `GROUP` of figures: start, memory, size or echo")
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

func (b *bench) run(ctx context.Context, only string) error {
	var err error
	if b.gtwistd, b.dir, err = contest.Begin(b.gtwistd); err != nil {
		return err
	}
	defer os.RemoveAll(string(b.dir))
	if err := b.prepare(ctx); err != nil {
		return err
	}
	groups := []contest.Group{
		{Name: "size", Measure: b.size},
		{Name: "start", Measure: b.start},
		{Name: "memory", Measure: b.memory},
		{Name: "echo", Measure: b.echo},
	}
	if err := contest.Measure(ctx, groups, only); err != nil {
		return err
	}
	b.table.Print(os.Stdout)
	return nil
}

// prepare finds the peer, builds the yardstick and makes a site of one small file.
func (b *bench) prepare(ctx context.Context) error {
	b.twistd = contest.Installed("twistd3", "python3-twisted")
	b.site, b.loop = b.dir.File("site"), b.dir.File("loop")
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
