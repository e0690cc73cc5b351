package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/gtwistd/gtwistd/bench/contest"
)

// size tells what has to be copied to another machine.
func (b *bench) size(context.Context) error {
	info, err := os.Stat(b.Gtwistd)
	if err != nil {
		return err
	}
	b.Table.Add("stripped binary", fmt.Sprintf("%.1f MB", float64(info.Size())/1e6), "", "at most 14 MB")
	return nil
}

// start measures three times: until the help is printed, until the first byte is served, until a detached start gives
// the prompt back.
func (b *bench) start(ctx context.Context) error {
	figures := []struct {
		what, goal string
		ours, peer func(context.Context) (time.Duration, error)
	}{
		{"--help", "at most 15 ms", b.help(b.Gtwistd), b.help(b.twistd)},
		{"web in front: first byte served", "at most 30 ms", b.inFront(b.webInFront), b.inFront(b.peerInFront)},
		{"web detached: prompt is back", "at most 60 ms", b.detached(b.webDetached), b.detached(b.peerDetached)},
	}
	for _, figure := range figures {
		ours, peer, err := alternate(ctx, b.Rounds, b.twistd != "", figure.ours, figure.peer)
		if err != nil {
			return fmt.Errorf("%s: %w", figure.what, err)
		}
		b.Table.Add(figure.what, contest.Spread(ours), contest.Spread(peer), figure.goal+"; peer twistd")
	}
	return nil
}

// alternate takes the two figures in turns. The first of each only warms the page cache.
func alternate[T any](ctx context.Context, rounds int, both bool, ours, peer func(context.Context) (T, error)) (a, b []T, err error) {
	for round := range rounds + 1 {
		mine, err := ours(ctx)
		if err != nil {
			return nil, nil, err
		}
		var theirs T
		if both {
			if theirs, err = peer(ctx); err != nil {
				return nil, nil, fmt.Errorf("peer: %w", err)
			}
		}
		if round > 0 {
			a = append(a, mine)
			if both {
				b = append(b, theirs)
			}
		}
	}
	return a, b, nil
}

func (b *bench) help(program string) func(context.Context) (time.Duration, error) {
	return func(ctx context.Context) (time.Duration, error) {
		cmd := exec.CommandContext(ctx, program, "--help")
		if err := b.Quiet(cmd); err != nil {
			return 0, err
		}
		defer cmd.Stdout.(*os.File).Close()
		begin := time.Now()
		err := cmd.Run()
		return time.Since(begin), err
	}
}

func (b *bench) webInFront(ctx context.Context, addr, _ string) *exec.Cmd {
	return exec.CommandContext(ctx, b.Gtwistd, "-n", "--pidfile=", "web", "--port", addr, "--path", b.site)
}

func (b *bench) peerInFront(ctx context.Context, _, port string) *exec.Cmd {
	return exec.CommandContext(ctx, b.twistd, "-n", "--pidfile=", "-l", b.File("twistd.log"),
		"web", "--listen", "tcp:"+port+":interface=127.0.0.1", "--path", b.site)
}

func (b *bench) webDetached(ctx context.Context, addr, _ string) *exec.Cmd {
	return exec.CommandContext(ctx, b.Gtwistd, "--pidfile", b.File("pid"), "--logfile", b.File("gtwistd.log"),
		"--rundir", string(b.Dir), "web", "--port", addr, "--path", b.site)
}

func (b *bench) peerDetached(ctx context.Context, _, port string) *exec.Cmd {
	return exec.CommandContext(ctx, b.twistd, "--pidfile", b.File("pid"), "--logfile", b.File("twistd.log"),
		"--rundir", string(b.Dir), "web", "--listen", "tcp:"+port+":interface=127.0.0.1", "--path", b.site)
}

// command makes the command line of a server for an address.
type command func(ctx context.Context, addr, port string) *exec.Cmd

func (b *bench) inFront(make command) func(context.Context) (time.Duration, error) {
	return func(ctx context.Context) (time.Duration, error) {
		addr, port, err := contest.FreeAddr()
		if err != nil {
			return 0, err
		}
		cmd := make(ctx, addr, port)
		begin := time.Now()
		server, err := b.Serve(cmd, addr)
		if err != nil {
			return 0, err
		}
		defer server.Stop()
		err = firstByte(ctx, addr)
		return time.Since(begin), err
	}
}

func (b *bench) detached(make command) func(context.Context) (time.Duration, error) {
	return func(ctx context.Context) (took time.Duration, err error) {
		err = b.whileDetached(ctx, make, func(d daemon) error {
			took = d.took
			return firstByte(ctx, d.addr)
		})
		return took, err
	}
}

// daemon is a detached server, and how long it took until the prompt was back.
type daemon struct {
	pid  int
	addr string
	took time.Duration
}

// whileDetached starts a daemon, calls visit as soon as the start has returned, and ends the daemon.
func (b *bench) whileDetached(ctx context.Context, make command, visit func(daemon) error) (err error) {
	addr, port, err := contest.FreeAddr()
	if err != nil {
		return err
	}
	cmd := make(ctx, addr, port)
	if err := b.Quiet(cmd); err != nil {
		return err
	}
	defer cmd.Stdout.(*os.File).Close()
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		return err
	}
	took := time.Since(begin)
	pid, err := readPID(b.File("pid"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopDetached(pid)) }()
	return visit(daemon{pid, addr, took})
}

// memory tells what a detached web holds that has answered once and has rested.
func (b *bench) memory(ctx context.Context) error {
	held := func(make command) func(context.Context) (int64, error) {
		return func(ctx context.Context) (rss int64, err error) {
			err = b.whileDetached(ctx, make, func(d daemon) error {
				if err := firstByte(ctx, d.addr); err != nil {
					return err
				}
				time.Sleep(time.Second)
				rss, err = contest.KiB(d.pid, "status", "VmRSS")
				return err
			})
			return rss, err
		}
	}
	ours, peer, err := alternate(ctx, b.Rounds, b.twistd != "", held(b.webDetached), held(b.peerDetached))
	if err != nil {
		return err
	}
	theirs := ""
	if len(peer) > 0 {
		theirs = megabytes(contest.Median(peer))
	}
	b.Table.Add("web detached, idle: VmRSS", megabytes(contest.Median(ours)), theirs, "at most 20 MB; peer twistd")
	return nil
}

func megabytes(kib int64) string { return fmt.Sprintf("%.1f MB", float64(kib)*1024/1e6) }
