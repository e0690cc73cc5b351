package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/gtwistd/gtwistd/bench/contest"
)

// idle tells what a session costs that has logged in and waits.
func (b *bench) idle(ctx context.Context) error {
	peers := b.present([]string{"vsftpd", "pure-ftpd", "proftpd", "twistd"}) // pyftpdlib's command stops at 512
	results, err := contest.Turns(b.Rounds, append([]string{"gtwistd"}, peers...), func(name string) (contest.Result, error) {
		return b.turn(ctx, name, setup{many: true}, false, func(p place) (contest.Result, error) {
			each, err := heldByEach(p)
			return contest.Result{Rate: each}, err
		})
	})
	if err != nil {
		return err
	}
	what := fmt.Sprintf("memory of each of %d idle sessions", idlers)
	ours, remark := contest.Rates(results.Rates("gtwistd"), "KiB"), "at most 40 KiB; proportional set size"
	if len(peers) == 0 {
		b.Table.Add(what, ours, "", remark)
	}
	for _, peer := range peers {
		b.Table.Add(what, ours, contest.Rates(results.Rates(peer), "KiB"), remark+"; peer "+peer)
	}
	return nil
}

// heldByEach is in KiB.
func heldByEach(p place) (each float64, err error) {
	where, err := parse(p.url.String())
	if err != nil {
		return 0, err
	}
	return contest.HeldByEach(p.pid, idlers, func() (net.Conn, func() error, error) {
		s, err := open(where, time.Time{})
		if err != nil {
			return nil, nil, err
		}
		return s.conn, func() error { return s.ask(200, "NOOP") }, nil
	})
}
