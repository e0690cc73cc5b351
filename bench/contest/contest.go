// Package contest sets servers beside each other: each in a new process on a core of its own, in turns, with the load on
// another core. A run works in a Dir, and every process that it starts is ended by it. What is said of processes comes from
// Linux's /proc.
package contest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Result is a rate, and the part of its core that the server used meanwhile: near 1 the server was what limited it.
type Result struct{ Rate, Busy float64 }

// Results are those of several servers, by name, a round after the other.
type Results map[string][]Result

// Turns lets every server have its turn in each round, in a new process: how memory happens to be laid out makes some per
// cent. Who begins changes, so that nobody always follows the same one. The error names the server.
func Turns(rounds int, names []string, turn func(name string) (Result, error)) (Results, error) {
	results := Results{}
	for round := range rounds {
		for i := range names {
			name := names[(round+i)%len(names)]
			r, err := turn(name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			results[name] = append(results[name], r)
		}
	}
	return results, nil
}

func (c Results) of(name string, value func(Result) float64) []float64 {
	values := make([]float64, 0, len(c[name]))
	for _, r := range c[name] {
		values = append(values, value(r))
	}
	return values
}

// Rates are those of one server, a round after the other.
func (c Results) Rates(name string) []float64 {
	return c.of(name, func(r Result) float64 { return r.Rate })
}

// Busy is the part of its core that the server used, in per cent.
func (c Results) Busy(name string) float64 {
	return 100 * Median(c.of(name, func(r Result) float64 { return r.Busy }))
}

// Costs are the processor seconds that the server spent on each unit of its rate. Neighbours on a shared machine disturb
// them far less than the rate.
func (c Results) Costs(name string) []float64 {
	return c.of(name, func(r Result) float64 { return r.Busy / r.Rate })
}

// Versus says in words how a server did beside a peer: the ratio of their rates, which has a goal, and that of the processor
// time for each unit of them.
func (c Results) Versus(ours, peer, goal string) string {
	if goal != "" {
		goal = ", " + goal
	}
	mine, theirs := c.Costs(ours), c.Costs(peer)
	return fmt.Sprintf("ratio %.3f%s; processor time %.3f (%s µs, %s µs each); server's core busy %.0f %%, %.0f %%",
		Ratio(c.Rates(ours), c.Rates(peer)), goal, Ratio(mine, theirs), number(1e6*Median(mine)), number(1e6*Median(theirs)),
		c.Busy(ours), c.Busy(peer))
}

// Under starts a server on its core, lets visit see it at work, and stops it. The first of args is the program.
func (d Dir) Under(ctx context.Context, addr string, args []string, visit func(pid int) (Result, error)) (Result, error) {
	server, err := d.Serve(Pinned(ctx, ServerCore, args[0], args[1:]...), addr)
	if err != nil {
		return Result{}, err
	}
	defer server.Stop()
	if err := Answers(ctx, addr); err != nil {
		return Result{}, fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	return visit(server.cmd.Process.Pid)
}

// Watch looks at a server while measure puts load on it.
func Watch(pid int, measure func() (rate float64, err error)) (Result, error) {
	before, err := Busy(pid)
	if err != nil {
		return Result{}, err
	}
	begin := time.Now()
	rate, err := measure()
	if err != nil {
		return Result{}, err
	}
	took := time.Since(begin)
	after, err := Busy(pid)
	return Result{rate, (after - before).Seconds() / took.Seconds()}, err
}

// Installed is the path of a program, or empty after a line that says what brings it.
func Installed(name, pkg string) string {
	file, err := exec.LookPath(name)
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %s is not installed (Debian package %s): its figures are left out\n", name, pkg)
		return ""
	}
	return file
}
