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
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gtwistd/gtwistd/bench/contest"
)

const (
	largeBytes = 100_000_000
	hugeBytes  = 2_000_000_000
	entries    = 10_000 // of the directory that is listed
)

// bench has the absolute paths of programs, which are empty if they are not installed.
type bench struct {
	contest.Run
	nginx, caddy, twistd string
	wrk, h2load          string
	site                 string // what is served
}

func main() {
	b := &bench{Run: contest.Run{Rounds: 5, Seconds: 2}}
	b.Main(contest.Loads{"download": download, "sequence": sequence}, b.prepare)
}

func (b *bench) prepare(context.Context) ([]contest.Group, error) {
	b.nginx = contest.Installed("nginx", "nginx-light")
	b.caddy = contest.Installed("caddy", "caddy")
	b.twistd = contest.Installed("twistd3", "python3-twisted")
	b.wrk = contest.Installed("wrk", "wrk")
	b.h2load = contest.Installed("h2load", "nghttp2-client")
	b.site = b.File("site")
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
	if err := contest.Certificate(b.File("cert.pem"), b.File("key.pem"), time.Now()); err != nil {
		return nil, err
	}
	return groups, writeSite(b.site)
}

// writeSite makes what is asked for: a small file, a large one, a huge one with nothing in it, and many in a directory.
func writeSite(site string) error {
	if err := os.MkdirAll(filepath.Join(site, "many"), 0o755); err != nil {
		return err
	}
	for i := range entries {
		name := filepath.Join(site, "many", fmt.Sprintf("an entry among others, number %05d.txt", i))
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			return err
		}
	}
	page := strings.Repeat("a small file, as most files are\n", 32)
	if err := os.WriteFile(filepath.Join(site, "small.txt"), []byte(page), 0o644); err != nil {
		return err
	}
	noise := make([]byte, largeBytes)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise) // never fails
	if err := os.WriteFile(filepath.Join(site, "large.bin"), noise, 0o644); err != nil {
		return err
	}
	huge := filepath.Join(site, "huge.bin")
	if err := os.WriteFile(huge, nil, 0o644); err != nil {
		return err
	}
	return os.Truncate(huge, hugeBytes)
}
