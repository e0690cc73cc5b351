package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/gtwistd/gtwistd/bench/contest"
)

// direct is gtwistd with uploads that are written where they shall be, not under a temporary name.
const direct = "gtwistd, direct"

// race is a figure of a rate that several servers are set side by side with.
type race struct {
	what, unit string
	setup      setup
	load, path string
	local      string            // the directory of path, for a load that changes something there
	scale      float64           // of the unit in the load's rate
	ours       []string          // none: gtwistd
	goals      map[string]string // by peer; no goal: for information
	remark     string
}

// race adds a row for each of ours and each peer that is to be had.
func (b *bench) race(ctx context.Context, r race, peers ...string) error {
	if r.ours == nil {
		r.ours = []string{"gtwistd"}
	}
	peers = b.present(peers)
	results, err := contest.Turns(b.Rounds, append(r.ours[:len(r.ours):len(r.ours)], peers...), func(name string) (contest.Result, error) {
		return b.turn(ctx, name, r.setup, r.load != "login" && r.load != "list", func(p place) (contest.Result, error) {
			target := p.at(r.path)
			if r.local != "" {
				target += "?local=" + r.local
			}
			result, err := b.Press(ctx, p.pid, r.load, target)
			result.Rate /= max(1, r.scale)
			return result, err
		})
	})
	if err != nil {
		return fmt.Errorf("%s: %w", r.what, err)
	}
	for _, name := range r.ours {
		what, ours := r.what, contest.Rates(results.Rates(name), r.unit)
		if name == direct {
			what += ", --upload direct"
		}
		if len(peers) == 0 {
			b.Table.Add(what, ours, "", r.remark)
		}
		for _, peer := range peers {
			b.Table.Add(what, ours, contest.Rates(results.Rates(peer), r.unit),
				results.Versus(name, peer, r.goals[peer])+"; "+r.remark+"; peer "+peer)
		}
	}
	return nil
}

// present are the peers that are to be had.
func (b *bench) present(peers []string) []string {
	var found []string
	for _, peer := range peers {
		if b.peers[peer] != nil {
			found = append(found, peer)
		}
	}
	return found
}

// beats is the goal of being at least as good as each of the peers, and so as the best.
func beats(peers ...string) map[string]string {
	goals := map[string]string{}
	for _, peer := range peers {
		goals[peer] = "at least 1"
	}
	return goals
}

func (b *bench) retr(ctx context.Context) error {
	peers := []string{"vsftpd", "pure-ftpd", "proftpd", "pyftpdlib", "twistd"}
	return b.race(ctx, race{
		what: fmt.Sprintf("RETR 100 MB, %d sessions", largeClients), unit: "MB/s", scale: 1e6,
		load: "retr", path: "large.bin",
		goals:  beats(peers...),
		remark: "from memory",
	}, peers...)
}

func (b *bench) stor(ctx context.Context) error {
	peers := []string{"vsftpd", "pure-ftpd", "proftpd", "pyftpdlib"}
	return b.race(ctx, race{
		what: fmt.Sprintf("STOR 100 MB, %d sessions", largeClients), unit: "MB/s", scale: 1e6,
		load: "stor", path: "upload", local: b.uploads(),
		ours:   []string{"gtwistd", direct},
		goals:  beats(peers...),
		remark: "to memory",
	}, peers...)
}

func (b *bench) encrypted(ctx context.Context) error {
	const cipher = "TLS 1.3, AES-128-GCM, ECDSA P-256"
	peers := []string{"vsftpd", "pure-ftpd", "proftpd"}
	err := b.race(ctx, race{
		what: fmt.Sprintf("TLS, RETR 100 MB, %d sessions", largeClients), unit: "MB/s", scale: 1e6,
		setup: setup{tls: true},
		load:  "retr", path: "large.bin",
		goals:  beats("vsftpd"),
		remark: cipher,
	}, peers...)
	if err != nil {
		return err
	}
	return b.race(ctx, race{
		what: fmt.Sprintf("TLS, STOR 100 MB, %d sessions", largeClients), unit: "MB/s", scale: 1e6,
		setup: setup{tls: true},
		load:  "stor", path: "upload", local: b.uploads(),
		ours:   []string{"gtwistd", direct},
		goals:  beats("vsftpd"),
		remark: cipher,
	}, peers...)
}

func (b *bench) small(ctx context.Context) error {
	return b.race(ctx, race{
		what: fmt.Sprintf("RETR 1 KiB, %d sessions", smallClients), unit: "files/s",
		load: "small", path: "small.bin",
		goals:  beats("vsftpd"),
		remark: "sessions stay",
	}, "vsftpd", "pure-ftpd", "proftpd", "pyftpdlib", "twistd")
}

func (b *bench) login(ctx context.Context) error {
	return b.race(ctx, race{
		what: fmt.Sprintf("logins, %d at the same time", loginClients), unit: "logins/s",
		load:   "login",
		goals:  map[string]string{"vsftpd": "at least 3"},
		remark: "from connect to QUIT",
	}, "vsftpd", "pure-ftpd", "proftpd", "pyftpdlib", "twistd")
}

func (b *bench) list(ctx context.Context) error {
	peers := []string{"vsftpd", "pure-ftpd", "proftpd", "pyftpdlib", "twistd"}
	r := race{
		what: fmt.Sprintf("LIST of %d entries", entries), unit: "listings/s",
		load: "list", path: "many",
		goals:  beats(peers...),
		remark: "1 session; gtwistd keeps a listing for a second",
	}
	if err := b.race(ctx, r, peers...); err != nil {
		return err
	}
	r.what += ", one changed between"
	r.local = filepath.Join(b.site, r.path)
	r.remark = "1 session; none is kept"
	return b.race(ctx, r, peers...)
}
