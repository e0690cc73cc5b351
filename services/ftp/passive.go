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
// this user. That others have them all at the moment is no error, as they may end: free is false then.
func (r *portRange) check(taken []int) (free bool, err error) {
	if r.low == 0 {
		return true, nil
	}
	var refused error
	mine := 0
	for port := r.low; port <= r.high; port++ {
		if slices.Contains(taken, port) {
			mine++
			continue
		}
		l, err := listenData(port)
		switch {
		case err == nil:
			return true, l.Close()
		case errors.Is(err, fs.ErrPermission):
			refused = &plugins.UsageError{
				Reason:     fmt.Sprintf("--passive-ports %v: port %d: permission denied", r, port),
				Suggestion: fmt.Sprintf("ports below %d need root or the capability CAP_NET_BIND_SERVICE, also after --uid: take others, such as 50000-50100", firstUserPort),
			}
		}
	}
	if mine == r.high-r.low+1 {
		return false, &plugins.UsageError{Reason: fmt.Sprintf("--passive-ports %v: it is where clients come to for their commands", r), Suggestion: "give other ports, such as 50000-50100"}
	}
	return false, refused
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
	s.log.WarnContext(ctx, "no port is free for data connections, clients get 425: "+s.whoHasPorts(err), "ports", s.ports.String(), "error", err)
}

// whoHasPorts says why there was that error of listenInRange, and what helps.
func (s *server) whoHasPorts(err error) string {
	s.mu.Lock()
	ours := 0
	for port := range s.passive {
		if port >= s.ports.low && port <= s.ports.high {
			ours++
		}
	}
	s.mu.Unlock()
	switch {
	case ours == 0:
		return "other programs have them; give other --passive-ports"
	case errors.Is(err, errNoPort):
		return "sessions have them all; make the range of --passive-ports larger"
	}
	return fmt.Sprintf("sessions have %d, other programs the rest; make the range of --passive-ports larger", ours)
}
