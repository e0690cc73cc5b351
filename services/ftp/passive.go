package ftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"time"

	"github.com/gtwistd/gtwistd/plugins"
)

// portsOf returns the TCP ports of listeners.
func portsOf(listeners []net.Listener) []int {
	var ports []int
	for _, l := range listeners {
		if addr := addrOf(l.Addr()); addr.IsValid() {
			ports = append(ports, int(addr.Port()))
		}
	}
	return ports
}

// check fails if no port of the range can ever be had, as control connections come to all of them or the system gives none to
// this user. That others have them all at the moment is no error: they may end.
func (r *portRange) check(taken []int) error {
	var refused error
	mine := 0
	for port := r.low; port <= r.high && r.low > 0; port++ {
		if slices.Contains(taken, port) {
			mine++
			continue
		}
		l, err := listenData(port)
		switch {
		case err == nil:
			return l.Close()
		case errors.Is(err, fs.ErrPermission):
			refused = &plugins.UsageError{
				Reason:     fmt.Sprintf("--passive-ports %v: port %d: permission denied", r, port),
				Suggestion: fmt.Sprintf("ports below %d need root or the capability CAP_NET_BIND_SERVICE, also after --uid: take others, such as 50000-50100", firstUserPort),
			}
		}
	}
	if r.low > 0 && mine == r.high-r.low+1 {
		return &plugins.UsageError{Reason: fmt.Sprintf("--passive-ports %v: it is where clients come to for their commands", r), Suggestion: "give other ports, such as 50000-50100"}
	}
	return refused
}

// noPortPause is how long the next record that there is no port for data is left out.
const noPortPause = time.Minute

// noPort notes that a client could have no port for its data.
func (s *server) noPort(ctx context.Context, err error) {
	now := time.Now().UnixNano()
	last := s.lastNoPort.Load()
	if last != 0 && now-last < int64(noPortPause) || !s.lastNoPort.CompareAndSwap(last, now) {
		return
	}
	s.log.WarnContext(ctx, "no port is free for data connections, clients get 425: make the range of --passive-ports larger", "ports", s.ports.String(), "error", err)
}
