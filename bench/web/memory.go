package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gtwistd/gtwistd/bench/contest"
)

const idleConns = 10_000

// idle tells what a connection costs that has asked once and stays.
func (b *bench) idle(ctx context.Context) error {
	names := append([]string{"gtwistd"}, b.present([]string{"nginx"})...)
	results, err := contest.Turns(b.Rounds, names, func(name string) (contest.Result, error) {
		r, _, err := b.turn(ctx, name, setup{access: "access.log"}, func(s site) (contest.Result, error) {
			each, err := heldByEach(s)
			return contest.Result{Rate: each}, err
		})
		return r, err
	})
	if err != nil {
		return err
	}
	theirs, peer := "", ""
	if len(names) > 1 {
		theirs, peer = contest.Rates(results.Rates("nginx"), "KiB"), "; peer nginx"
	}
	b.Table.Add(fmt.Sprintf("memory of each of %d idle connections", idleConns), contest.Rates(results.Rates("gtwistd"), "KiB"), theirs,
		"at most 12 KiB; proportional set size"+peer)
	return nil
}

// heldByEach is in KiB.
func heldByEach(s site) (each float64, err error) {
	return contest.HeldByEach(s.pid, idleConns, func() (net.Conn, func() error, error) {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			return nil, nil, err
		}
		stays := func() error { return ask(conn) }
		if err := stays(); err != nil {
			_ = conn.Close()
			return nil, nil, err
		}
		return conn, stays, nil
	})
}

// ask gets the small file over a connection that stays open.
func ask(conn net.Conn) error {
	if _, err := io.WriteString(conn, "GET /small.txt HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\n\r\n"); err != nil {
		return err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

// growth tells whether a large file needs more memory than a small one.
func (b *bench) growth(ctx context.Context) error {
	sizes := map[string]int64{"huge": hugeBytes, "large": largeBytes}
	for _, kind := range []struct {
		what  string
		setup setup
	}{
		{"peak memory while a client takes 2 GB", setup{}},
		{"peak memory while a client takes 2 GB over TLS", setup{tls: true}},
	} {
		results, err := contest.Turns(b.Rounds, []string{"huge", "large"}, func(name string) (contest.Result, error) {
			r, _, err := b.turn(ctx, "gtwistd", kind.setup, func(s site) (contest.Result, error) {
				var received atomic.Int64
				if err := fetch(s.url+"/"+name+".bin", time.Now().Add(contest.Patience), &received); err != nil {
					return contest.Result{}, err
				}
				if n := received.Load(); n < sizes[name] {
					return contest.Result{}, fmt.Errorf("only %d bytes came", n)
				}
				peak, err := contest.KiB(s.pid, "status", "VmHWM")
				return contest.Result{Rate: float64(peak) * 1024 / 1e6}, err
			})
			return r, err
		})
		if err != nil {
			return err
		}
		b.Table.Add(kind.what, contest.Rates(results.Rates("huge"), "MB"), contest.Rates(results.Rates("large"), "MB"),
			fmt.Sprintf("ratio %.3f, near 1; peer gtwistd with 100 MB", contest.Ratio(results.Rates("huge"), results.Rates("large"))))
	}
	return nil
}
