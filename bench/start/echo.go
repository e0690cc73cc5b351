package main

import (
	"context"

	"github.com/gtwistd/gtwistd/bench/contest"
)

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
		results, err := contest.Turns(2*b.Rounds, []string{"gtwistd", "loop"}, func(name string) (contest.Result, error) {
			addr, _, err := contest.FreeAddr()
			if err != nil {
				return contest.Result{}, err
			}
			args := []string{b.loop, addr}
			if name == "gtwistd" {
				args = []string{b.Gtwistd, "-n", "--pidfile=", "echo", "--listen", addr}
			}
			return b.Under(ctx, addr, args, func(pid int) (contest.Result, error) {
				return contest.Watch(pid, func() (float64, error) {
					rate, err := b.Load(ctx, kind.name, addr)
					return rate / kind.scale, err
				})
			})
		})
		if err != nil {
			return err
		}
		b.Table.Add(kind.what, contest.Rates(results.Rates("gtwistd"), kind.unit), contest.Rates(results.Rates("loop"), kind.unit),
			results.Versus("gtwistd", "loop", "at least 0.95")+"; peer a minimal Go loop")
	}
	return nil
}
