package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"

	"github.com/gtwistd/gtwistd/bench/contest"
)

const crowded = 200 // slow clients

// race is a figure of a rate that several servers are set side by side with.
type race struct {
	what, unit string
	setup      setup
	goals      map[string]string // by peer; no goal: for information
	remark     string
	measure    func(context.Context, site) (float64, error)
}

// run adds a row for each peer that is installed.
func (b *bench) race(ctx context.Context, r race, peers ...string) error {
	peers = b.present(peers)
	results, err := contest.Turns(b.Rounds, append([]string{"gtwistd"}, peers...), func(name string) (contest.Result, error) {
		result, _, err := b.turn(ctx, name, r.setup, func(s site) (contest.Result, error) { return s.watch(ctx, r.measure) })
		return result, err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", r.what, err)
	}
	ours := contest.Rates(results.Rates("gtwistd"), r.unit)
	if len(peers) == 0 {
		b.Table.Add(r.what, ours, "", r.remark)
	}
	for _, peer := range peers {
		b.Table.Add(r.what, ours, contest.Rates(results.Rates(peer), r.unit),
			results.Versus("gtwistd", peer, r.goals[peer])+"; "+r.remark+"; peer "+peer)
	}
	return nil
}

// present are the peers that are installed.
func (b *bench) present(peers []string) []string {
	programs := map[string]string{"nginx": b.nginx, "caddy": b.caddy, "twistd": b.twistd}
	var found []string
	for _, peer := range peers {
		if programs[peer] != "" {
			found = append(found, peer)
		}
	}
	return found
}

// small is the file that most requests are for.
func (b *bench) small(ctx context.Context) error {
	if b.wrk == "" {
		return nil
	}
	return b.race(ctx, race{
		what:    "1 KiB, 64 connections",
		unit:    "requests/s",
		setup:   setup{access: "access.log"},
		goals:   map[string]string{"nginx": "at least 0.9", "caddy": "at least 2", "twistd": "at least 8"},
		remark:  "access log on in both",
		measure: b.smallFile,
	}, "nginx", "caddy", "twistd")
}

func (b *bench) large(ctx context.Context) error {
	return b.race(ctx, race{
		what:    "100 MB, 4 connections",
		unit:    "MB/s",
		goals:   map[string]string{"nginx": "at least 1"},
		remark:  "new connection for each file",
		measure: b.largeFile,
	}, "nginx", "caddy")
}

func (b *bench) encrypted(ctx context.Context) error {
	const cipher = "TLS 1.3, AES-128-GCM, ECDSA P-256"
	if b.wrk != "" {
		err := b.race(ctx, race{
			what:    "TLS, 1 KiB, 64 connections",
			unit:    "requests/s",
			setup:   setup{tls: true, access: "access.log"},
			goals:   map[string]string{"nginx": "at least 0.8"},
			remark:  "access log on in both; " + cipher,
			measure: b.smallFile,
		}, "nginx")
		if err != nil {
			return err
		}
	}
	return b.race(ctx, race{
		what:    "TLS, 100 MB, 4 connections",
		unit:    "MB/s",
		setup:   setup{tls: true},
		goals:   map[string]string{"nginx": "at least 1"},
		remark:  "new connection for each file; " + cipher,
		measure: b.largeFile,
	}, "nginx")
}

func (b *bench) multiplexed(ctx context.Context) error {
	if b.h2load == "" {
		return nil
	}
	return b.race(ctx, race{
		what:    "HTTP/2, 1 KiB, 16 connections of 16 streams",
		unit:    "requests/s",
		setup:   setup{tls: true, access: "access.log"},
		remark:  "access log on in both",
		measure: b.streams,
	}, "nginx")
}

func (b *bench) listing(ctx context.Context) error {
	return b.race(ctx, race{
		what:   fmt.Sprintf("listing of %d entries", entries),
		unit:   "requests/s",
		goals:  map[string]string{"twistd": "at least 10"},
		remark: "1 connection",
		measure: func(ctx context.Context, s site) (float64, error) {
			return b.Load(ctx, "sequence", s.url+"/many/")
		},
	}, "twistd", "nginx", "caddy")
}

// accessLog tells what a line per request costs: without an access log, with one in a file of its own, and with one in the
// program's log.
func (b *bench) accessLog(ctx context.Context) error {
	if b.wrk == "" {
		return nil
	}
	targets := map[string]string{"off": "", "file": "access.log", "log": "log"}
	lost := map[string]int{}
	results, err := contest.Turns(b.Rounds, []string{"off", "file", "log"}, func(name string) (contest.Result, error) {
		var count int
		result, lines, err := b.turn(ctx, "gtwistd", setup{access: targets[name]}, func(s site) (contest.Result, error) {
			return s.watch(ctx, func(ctx context.Context, s site) (rate float64, err error) {
				rate, count, err = b.requests(ctx, s.url+"/small.txt")
				return rate, err
			})
		})
		lost[name] += max(0, count-lines)
		return result, err
	})
	if err != nil {
		return err
	}
	for _, name := range []string{"file", "log"} {
		b.Table.Add("1 KiB, access log to "+map[string]string{"file": "a file", "log": "the log"}[name],
			contest.Rates(results.Rates(name), "requests/s"), contest.Rates(results.Rates("off"), "requests/s"),
			fmt.Sprintf("%s; %d lines lost; peer gtwistd without", results.Versus(name, "off", "at least 0.95"), lost[name]))
	}
	return nil
}

// slow tells what clients that hardly read do to others.
func (b *bench) slow(ctx context.Context) error {
	if b.wrk == "" {
		return nil
	}
	for _, server := range append([]string{"gtwistd"}, b.present([]string{"nginx"})...) {
		var thrown int64
		results, err := contest.Turns(b.Rounds, []string{"crowd", "alone"}, func(name string) (contest.Result, error) {
			result, _, err := b.turn(ctx, server, setup{access: "access.log"}, func(s site) (contest.Result, error) {
				if name == "crowd" {
					slow := gather(ctx, s.addr, "/large.bin", crowded)
					defer func() { thrown += slow.stop() }()
				}
				return s.watch(ctx, b.smallFile)
			})
			return result, err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", server, err)
		}
		goal := map[string]string{"gtwistd": "at least 0.9"}[server]
		b.Table.Add(fmt.Sprintf("%s: 1 KiB beside %d slow clients", server, crowded), contest.Rates(results.Rates("crowd"), "requests/s"),
			contest.Rates(results.Rates("alone"), "requests/s"),
			fmt.Sprintf("%s; %d slow clients thrown out; peer %s without them", results.Versus("crowd", "alone", goal), thrown, server))
	}
	return nil
}

func (b *bench) smallFile(ctx context.Context, s site) (float64, error) {
	rate, _, err := b.requests(ctx, s.url+"/small.txt")
	return rate, err
}

func (b *bench) largeFile(ctx context.Context, s site) (float64, error) {
	rate, err := b.Load(ctx, "download", s.url+"/large.bin")
	return rate / 1e6, err
}

var (
	wrkRate      = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	wrkRequests  = regexp.MustCompile(`(\d+) requests in`)
	h2loadRate   = regexp.MustCompile(`finished in .*, ([\d.]+) req/s`)
	h2loadFailed = regexp.MustCompile(`, 0 failed, 0 errored`)
)

// requests lets wrk ask for one thing over 64 connections.
func (b *bench) requests(ctx context.Context, url string) (perSecond float64, count int, err error) {
	out, err := output(contest.Pinned(ctx, contest.LoadCore, b.wrk, "-t1", "-c64", fmt.Sprintf("-d%ds", b.Seconds), url))
	if err != nil {
		return 0, 0, err
	}
	rate, total := wrkRate.FindSubmatch(out), wrkRequests.FindSubmatch(out)
	if rate == nil || total == nil || bytes.Contains(out, []byte("Non-2xx")) || bytes.Contains(out, []byte("Socket errors")) {
		return 0, 0, fmt.Errorf("wrk says: %s", out)
	}
	if perSecond, err = strconv.ParseFloat(string(rate[1]), 64); err != nil {
		return 0, 0, err
	}
	count, err = strconv.Atoi(string(total[1]))
	return perSecond, count, err
}

// streams lets h2load ask for the small file over HTTP/2.
func (b *bench) streams(ctx context.Context, s site) (perSecond float64, err error) {
	out, err := output(contest.Pinned(ctx, contest.LoadCore, b.h2load, "-t1", "-c16", "-m16", "-D"+strconv.Itoa(b.Seconds), s.url+"/small.txt"))
	if err != nil {
		return 0, err
	}
	rate := h2loadRate.FindSubmatch(out)
	if rate == nil || !h2loadFailed.Match(out) || !bytes.Contains(out, []byte("Application protocol: h2")) {
		return 0, fmt.Errorf("h2load says: %s", out)
	}
	return strconv.ParseFloat(string(rate[1]), 64)
}

// output is what a command prints. If it fails, the error has what it complained of.
func output(cmd *exec.Cmd) ([]byte, error) {
	out, err := cmd.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		err = fmt.Errorf("%w: %s", err, failed.Stderr)
	}
	return out, err
}
