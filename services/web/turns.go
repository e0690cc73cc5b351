package web

import (
	"context"
	"net/netip"
	"sync"

	"github.com/gtwistd/gtwistd/internal/peer"
)

// turns bounds how many calls of each client run at once; more of them wait for each other, and not for those of others.
// Clients are told apart as by a limiter; those behind a unix socket are not. The zero value lets none through. It is safe
// for concurrent use.
type turns struct {
	each int // calls of a client

	mu      sync.Mutex
	clients map[netip.Addr]*turn
}

// turn is what a client has.
type turn struct {
	slots chan struct{} // holds one for each call
	calls int           // those that wait included; guarded by turns.mu
}

// take waits for the turn of a call. Without an error, which is ctx's, the caller calls release once.
func (t *turns) take(ctx context.Context, client netip.Addr) (release func(), err error) {
	if !client.IsValid() {
		return func() {}, nil
	}
	client = peer.Customer(client)
	own := t.enter(client)
	select {
	case own.slots <- struct{}{}:
		return func() { <-own.slots; t.leave(client, own) }, nil
	case <-ctx.Done():
		t.leave(client, own)
		return nil, ctx.Err()
	}
}

func (t *turns) enter(client netip.Addr) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	own := t.clients[client]
	if own == nil {
		if t.clients == nil {
			t.clients = map[netip.Addr]*turn{}
		}
		own = &turn{slots: make(chan struct{}, t.each)}
		t.clients[client] = own
	}
	own.calls++
	return own
}

func (t *turns) leave(client netip.Addr, own *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if own.calls--; own.calls == 0 {
		delete(t.clients, client)
	}
}
