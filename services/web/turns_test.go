package web

import (
	"context"
	"errors"
	"net/netip"
	"testing"
)

func TestTurns(t *testing.T) {
	const each = 3
	guessing := turns{each: each}
	busy := netip.MustParseAddr("2001:db8::1")
	var releases []func()
	for range each {
		release, err := guessing.take(t.Context(), busy)
		if err != nil {
			t.Fatal(err)
		}
		releases = append(releases, release)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tt := range map[string]struct {
		client string
		waits  bool
	}{
		"the same":        {"2001:db8::1", true},
		"its network":     {"2001:db8::2", true},
		"another network": {"2001:db8:0:1::1", false},
		"IPv4":            {"192.0.2.1", false},
		"unix socket":     {"", false},
	} {
		client, _ := netip.ParseAddr(tt.client)
		ctx := t.Context()
		if tt.waits {
			ctx = gone
		}
		release, err := guessing.take(ctx, client)
		if errors.Is(err, context.Canceled) != tt.waits {
			t.Errorf("%s: take() = %v, waits = %v", name, err, tt.waits)
		}
		if release != nil {
			release()
		}
	}
	next := make(chan error)
	go func() {
		release, err := guessing.take(t.Context(), busy)
		if err == nil {
			release()
		}
		next <- err
	}()
	for _, release := range releases {
		release()
	}
	if err := <-next; err != nil {
		t.Errorf("take() after a release = %v", err)
	}
	if len(guessing.clients) != 0 {
		t.Errorf("%d clients are remembered", len(guessing.clients))
	}
}
