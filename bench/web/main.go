// Command web measures gtwistd web beside nginx, Caddy and twistd in one run and prints a table of medians: small and large
// files, plain and over TLS, what connections, listings and slow clients cost. It measures on Linux with two cores, the
// server on one and the load on the other, every server in a new process each time, with a configuration that this program
// writes into a temporary directory. A peer or tool that is not installed is named and left out.
//
//	make bench-web
//	go run ./bench/web -gtwistd ./gtwistd -only small -rounds 20
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gtwistd/gtwistd/bench/contest"
)

const (
	largeBytes = 100_000_000
	hugeBytes  = 2_000_000_000
	entries    = 10_000 // of the directory that is listed
)

// bench is one run. It works in a directory of its own and ends every process that it starts.
type bench struct {
	gtwistd string // absolute paths of programs; empty if not installed
	nginx   string
	caddy   string
	twistd  string
	wrk     string
	h2load  string
	dir     contest.Dir
	site    string // what is served
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
	flag.IntVar(&b.rounds, "rounds", 5, "how often each figure is taken; the median counts")
	flag.IntVar(&b.seconds, "seconds", 2, "how long the load of each round lasts")
	only := flag.String("only", "", "one `GROUP` of figures: small, large, tls, h2, log, listing, slow, idle or growth")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fail(b.run(ctx, *only))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/web:", err)
		os.Exit(1)
	}
}

func (b *bench) run(ctx context.Context, only string) error {
	var err error
	if b.gtwistd, b.dir, err = contest.Begin(b.gtwistd); err != nil {
		return err
	}
	defer os.RemoveAll(string(b.dir))
	if err := b.prepare(); err != nil {
		return err
	}
	groups := []contest.Group{
		{Name: "small", Measure: b.small},
		{Name: "large", Measure: b.large},
		{Name: "tls", Measure: b.encrypted},
		{Name: "h2", Measure: b.multiplexed},
		{Name: "log", Measure: b.accessLog},
		{Name: "listing", Measure: b.listing},
		{Name: "slow", Measure: b.slow},
		{Name: "idle", Measure: b.idle},
		{Name: "growth", Measure: b.growth},
	}
	if err := contest.Measure(ctx, groups, only); err != nil {
		return err
	}
	b.table.Print(os.Stdout)
	return nil
}

// prepare finds the peers and makes the certificate and the site.
func (b *bench) prepare() error {
	b.nginx = contest.Installed("nginx", "nginx-light")
	b.caddy = contest.Installed("caddy", "caddy")
	b.twistd = contest.Installed("twistd3", "python3-twisted")
	b.wrk = contest.Installed("wrk", "wrk")
	b.h2load = contest.Installed("h2load", "nghttp2-client")
	b.site = b.dir.File("site")
	if err := os.MkdirAll(filepath.Join(b.site, "many"), 0o755); err != nil {
		return err
	}
	if err := writeCertificate(b.dir.File("cert.pem"), b.dir.File("key.pem"), time.Now()); err != nil {
		return err
	}
	for i := range entries {
		name := filepath.Join(b.site, "many", fmt.Sprintf("an entry among others, number %05d.txt", i))
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			return err
		}
	}
	page := strings.Repeat("a small file, as most files are\n", 32)
	if err := os.WriteFile(filepath.Join(b.site, "small.txt"), []byte(page), 0o644); err != nil {
		return err
	}
	noise := make([]byte, largeBytes)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise) // never fails
	if err := os.WriteFile(filepath.Join(b.site, "large.bin"), noise, 0o644); err != nil {
		return err
	}
	huge := filepath.Join(b.site, "huge.bin")
	if err := os.WriteFile(huge, nil, 0o644); err != nil {
		return err
	}
	return os.Truncate(huge, hugeBytes)
}
