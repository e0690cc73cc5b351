package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// result is a rate, and the part of its core that the server used meanwhile: near 1 the server was what limited it.
type result struct{ rate, busy float64 }

// under starts a server on its core, lets measure put load on it, and stops it.
func (b *bench) under(ctx context.Context, addr string, args []string, measure func() (float64, error)) (result, error) {
	server, err := b.serve(pinned(ctx, serverCore, args[0], args[1:]...), addr)
	if err != nil {
		return result{}, err
	}
	defer server.stop()
	if err := answers(ctx, addr); err != nil {
		return result{}, fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	before, err := busy(server.cmd.Process.Pid)
	if err != nil {
		return result{}, err
	}
	begin := time.Now()
	rate, err := measure()
	if err != nil {
		return result{}, err
	}
	took := time.Since(begin)
	after, err := busy(server.cmd.Process.Pid)
	return result{rate, (after - before).Seconds() / took.Seconds()}, err
}

// answers waits until somebody listens.
func answers(ctx context.Context, addr string) error {
	for deadline := time.Now().Add(patience); ctx.Err() == nil && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if conn, err := net.Dial("tcp", addr); err == nil {
			return conn.Close()
		}
	}
	return errors.Join(ctx.Err(), fmt.Errorf("nobody answers on %s", addr))
}

// contest are the results of several servers, by name, a round after the other.
type contest map[string][]result

// contest lets every server have its turn in each round, in a new process: how memory happens to be laid out makes some per
// cent. Who begins changes, so that nobody always follows the same one.
func (b *bench) contest(names []string, turn func(name string) (result, error)) (contest, error) {
	results := contest{}
	for round := range 2 * b.rounds {
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

func (c contest) rates(name string) []float64 {
	var values []float64
	for _, r := range c[name] {
		values = append(values, r.rate)
	}
	return values
}

// busy is the part of its core that the server used, in per cent.
func (c contest) busy(name string) float64 {
	var values []float64
	for _, r := range c[name] {
		values = append(values, r.busy)
	}
	return 100 * median(values)
}

// costs are the processor seconds that the server spent on each unit of its rate. Neighbours on a shared machine disturb
// them far less than the rate.
func (c contest) costs(name string) []float64 {
	var values []float64
	for _, r := range c[name] {
		values = append(values, r.busy/r.rate)
	}
	return values
}

// echo sets the service beside the least that a Go program can do.
func (b *bench) echo(ctx context.Context) error {
	kinds := []struct {
		name, what, unit string
		scale            float64
	}{
		{"pingpong", "echo: 1 connection, 64-byte messages", "round trips/s", 1},
		{"bulk", "echo: 4 connections, bulk", "MB/s", 1e6},
	}
	for _, kind := range kinds {
		results, err := b.contest([]string{"gtwistd", "loop"}, func(name string) (result, error) {
			addr, _, err := freeAddr()
			if err != nil {
				return result{}, err
			}
			args := []string{b.loop, addr}
			if name == "gtwistd" {
				args = []string{b.gtwistd, "-n", "--pidfile=", "echo", "--listen", addr}
			}
			return b.under(ctx, addr, args, func() (float64, error) {
				rate, err := b.loadFrom(ctx, kind.name, addr)
				return rate / kind.scale, err
			})
		})
		if err != nil {
			return err
		}
		ours, loop := results.rates("gtwistd"), results.rates("loop")
		share := ratio(ours, loop)
		b.table.add(kind.what, rates(ours, kind.unit), rates(loop, kind.unit),
			fmt.Sprintf("ratio %.3f, at least 0.95; processor time %.3f; server's core busy %.0f %%, %.0f %%; peer a minimal Go loop",
				share, ratio(results.costs("gtwistd"), results.costs("loop")), results.busy("gtwistd"), results.busy("loop")))
	}
	return nil
}

// loadFrom runs our own load generator on the core of the load.
func (b *bench) loadFrom(ctx context.Context, kind, addr string) (float64, error) {
	cmd := pinned(ctx, loadCore, b.self, "load", kind, addr, fmt.Sprintf("%ds", b.seconds))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
}

// accessLog tells what a line per request costs: a small file over 64 connections that stay open, without an access log,
// with one in a file of its own, and with one in the program's log.
func (b *bench) accessLog(ctx context.Context) error {
	if b.wrk == "" {
		return nil
	}
	names := []string{"off", "file", "log"}
	if b.twistd != "" {
		names = append(names, "twistd")
	}
	lost := map[string]int{}
	results, err := b.contest(names, func(name string) (result, error) {
		r, missing, err := b.webTurn(ctx, name)
		lost[name] += missing
		return r, err
	})
	if err != nil {
		return err
	}
	b.table.add("web: small file, access log off", rates(results.rates("off"), "requests/s"), rates(results.rates("twistd"), "requests/s"),
		fmt.Sprintf("64 connections; server's core busy %.0f %%; peer twistd with its log, which cannot be off", results.busy("off")))
	for _, name := range names[1:3] {
		rate := 100 * (1 - ratio(results.rates(name), results.rates("off")))
		time := 100 * (ratio(results.costs(name), results.costs("off")) - 1)
		b.table.add("web: small file, access log to "+map[string]string{"file": "a file", "log": "the log"}[name],
			rates(results.rates(name), "requests/s"), "",
			fmt.Sprintf("costs %.1f %% of the rate, at most 5 %%; %.1f %% more processor time; %d lines lost", rate, time, lost[name]))
	}
	return nil
}

// webTurn measures one server once, and counts the requests that are missing in its access log.
func (b *bench) webTurn(ctx context.Context, name string) (r result, missing int, err error) {
	addr, port, err := freeAddr()
	if err != nil {
		return result{}, 0, err
	}
	access, own := b.file("access.log"), b.file("own.log")
	defer os.Remove(access)
	defer os.Remove(own)
	args := []string{b.gtwistd, "-n", "--pidfile=", "--logfile", own, "web", "--port", addr, "--path", b.site, "--access-log"}
	logged := ""
	switch name {
	case "off":
		args = append(args, "off")
	case "file":
		args, logged = append(args, access), access
	case "log":
		args, logged = append(args, "log"), own
	case "twistd":
		args = b.peerInFront(ctx, addr, port).Args
	}
	var requests int
	r, err = b.under(ctx, addr, args, func() (rate float64, err error) {
		rate, requests, err = b.requests(ctx, "http://"+addr+"/small.txt")
		return rate, err
	})
	if err != nil || logged == "" {
		return r, 0, err
	}
	data, err := os.ReadFile(logged)
	return r, max(0, requests-bytes.Count(data, []byte("GET /small.txt"))), err
}

var (
	wrkRate     = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	wrkRequests = regexp.MustCompile(`(\d+) requests in`)
)

// requests lets wrk ask for one thing over 64 connections.
func (b *bench) requests(ctx context.Context, url string) (perSecond float64, count int, err error) {
	out, err := pinned(ctx, loadCore, b.wrk, "-t1", "-c64", fmt.Sprintf("-d%ds", b.seconds), url).Output()
	if err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			err = fmt.Errorf("%w: %s", err, failed.Stderr)
		}
		return 0, 0, err
	}
	rate, total := wrkRate.FindSubmatch(out), wrkRequests.FindSubmatch(out)
	if rate == nil || total == nil || bytes.Contains(out, []byte("Non-2xx")) {
		return 0, 0, fmt.Errorf("wrk says: %s", out)
	}
	if perSecond, err = strconv.ParseFloat(string(rate[1]), 64); err != nil {
		return 0, 0, err
	}
	count, err = strconv.Atoi(string(total[1]))
	return perSecond, count, err
}
