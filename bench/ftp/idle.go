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
	var sessions []*session
	defer func() {
		for _, s := range sessions {
			_ = s.conn.(*net.TCPConn).SetLinger(0) // ports are free at once for the next turn
			s.conn.Close()
		}
	}()
	var before int64
	for i := range idlers + 1 {
		s, err := open(where, time.Time{})
		if err != nil {
			return 0, err
		}
		sessions = append(sessions, s)
		if i == 0 { // what it needs to work at all is not counted
			if before, err = rested(p.pid); err != nil {
				return 0, err
			}
		}
	}
	after, err := rested(p.pid)
	if err != nil {
		return 0, err
	}
	for _, s := range sessions { // had the server closed some, there would be less to measure
		if err := s.ask(200, "NOOP"); err != nil {
			return 0, fmt.Errorf("a session did not stay: %w", err)
		}
	}
	return float64(after-before) / idlers, nil
}

// rested is what a server's processes hold after a second of rest, in KiB.
func rested(pid int) (int64, error) {
	time.Sleep(time.Second)
	return contest.KiB(pid, "smaps_rollup", "Pss")
}
