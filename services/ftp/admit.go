package ftp

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/gtwistd/gtwistd/internal/peer"
)

// acceptFrom makes a session of each connection. It returns when the listener is closed or fails.
func (s *server) acceptFrom(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return fmt.Errorf("serve %s: %w", l.Addr(), err)
		}
		c := newSession(s, conn)
		if err := s.guard.Banned(c.remote.Addr()); err != nil {
			c.log.Info("client refused", "reason", err)
			s.refuse(conn, err.Error())
			continue
		}
		if reason := s.admit(c); reason != "" {
			c.log.Info("client refused", "reason", reason)
			s.refuse(conn, reason)
			continue
		}
		select {
		case s.inbox <- c: // the library takes it: it runs until the last session has ended
		case <-s.deaf: // it should
			_ = conn.Close()
			s.leave(c)
		}
	}
}

// admit enters a session, or returns why not.
func (s *server) admit(c *session) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ip := peer.Customer(c.remote.Addr())
	switch {
	case s.stopping.Load():
		return "the server stops"
	case s.limits.maxClients > 0 && len(s.sessions) >= s.limits.maxClients:
		return fmt.Sprintf("too many clients, %d at most; try again later", s.limits.maxClients)
	case s.limits.maxPerIP > 0 && ip.IsValid() && s.perIP[ip] >= s.limits.maxPerIP:
		return fmt.Sprintf("too many connections from %s, %d at most", network(ip), s.limits.maxPerIP)
	}
	s.sessions[c] = struct{}{}
	s.perIP[ip]++
	s.work.Add(1)
	return ""
}

// network is how a customer is called.
func network(customer netip.Addr) string {
	if customer.Is6() {
		return customer.String() + "/64"
	}
	return customer.String()
}

// leave is called once by a session of which nothing is left.
func (s *server) leave(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, c)
	ip := peer.Customer(c.remote.Addr())
	if s.perIP[ip]--; s.perIP[ip] <= 0 {
		delete(s.perIP, ip)
	}
	s.work.Done()
}

// refuse tells a client why it is not served. Under a flood some are not told.
func (s *server) refuse(conn net.Conn, reason string) {
	select {
	case s.refusing <- struct{}{}:
	default:
		_ = conn.Close()
		return
	}
	s.refusals.Go(func() {
		defer func() { <-s.refusing }()
		_ = conn.SetDeadline(time.Now().Add(refusalTimeout))
		_, _ = fmt.Fprintf(conn, "421 %s\r\n", sentence(reason))
		_ = conn.Close()
	})
}
