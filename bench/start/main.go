// Command start measures gtwistd beside its peers in one run and prints a table of medians: how fast it starts, what it
// weighs, what echo costs. It measures on Linux with two cores, the server on one and the load on the other; a peer or tool
// that is not installed is named and left out.
//
//	make bench-start
//	go run ./bench/start -gtwistd ./gtwistd -only echo -rounds 40
package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/gtwistd/gtwistd/bench/contest"
)

type bench struct {
	contest.Run
	twistd string // absolute path, or empty if it is not installed
	loop   string
	site   string // what web serves
}

func main() {
	b := &bench{Run: contest.Run{Rounds: 15, Seconds: 1}}
	b.Main(contest.Loads{"pingpong": pingPong, "bulk": bulk}, b.prepare)
}

// prepare finds the peer, builds the yardstick and makes a site of one small file.
func (b *bench) prepare(ctx context.Context) ([]contest.Group, error) {
	b.twistd = contest.Installed("twistd3", "python3-twisted")
	b.site, b.loop = b.File("site"), b.File("loop")
	if err := os.Mkdir(b.site, 0o755); err != nil {
		return nil, err
	}
	page := strings.Repeat("a small file, as most are\n", 40)
	if err := os.WriteFile(filepath.Join(b.site, "small.txt"), []byte(page), 0o644); err != nil {
		return nil, err
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.loop,
		"github.com/gtwistd/gtwistd/bench/loop")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	return []contest.Group{
		{Name: "size", Measure: b.size},
		{Name: "start", Measure: b.start},
		{Name: "memory", Measure: b.memory},
		{Name: "echo", Measure: b.echo},
	}, build.Run()
}
