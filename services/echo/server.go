package echo

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gtwistd/gtwistd/plugins"
)

// server is the running service.
type server struct {
	log         *slog.Logger
	idleTimeout time.Duration // 0 is none
	streams     []net.Listener
	packets     []net.PacketConn
	clients     clients
	unanswered  atomic.Int64 // datagrams that a guard refused
}

var (
	_ plugins.Service  = (*server)(nil)
	_ plugins.Reporter = (*server)(nil)
)

// Serve implements plugins.Service. If a socket fails, it closes the connections too, since then the runner does not know
// yet that there is anything to close.
func (s *server) Serve(ctx context.Context) error {
	serving, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	var sockets sync.WaitGroup
	for _, ln := range s.streams {
		sockets.Go(func() { stop(s.acceptFrom(ln)) })
	}
	ports := s.packetPorts()
	for _, pc := range s.packets {
		sockets.Go(func() { stop(s.answerOn(pc, newGuard(ports))) })
	}

	<-serving.Done()
	failed := ctx.Err() == nil
	s.closeSockets()
	sockets.Wait()
	if failed {
		s.clients.close()
	}
	s.clients.wait()
	if failed {
		return context.Cause(serving)
	}
	return nil
}

// acceptFrom serves each connection in a goroutine of its own. It returns when the listener is closed or fails.
func (s *server) acceptFrom(ln net.Listener) error {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		s.clients.serve(conn, s.converse)
	}
}

// packetPorts returns the ports of the datagram sockets.
func (s *server) packetPorts() []int {
	var list []int
	for _, pc := range s.packets {
		if addr, ok := pc.LocalAddr().(*net.UDPAddr); ok {
			list = append(list, addr.Port)
		}
	}
	return list
}

func (s *server) closeSockets() {
	for _, ln := range s.streams {
		_ = ln.Close()
	}
	for _, pc := range s.packets {
		_ = pc.Close()
	}
}

// Report implements plugins.Reporter.
func (s *server) Report() []slog.Attr {
	var list []slog.Attr
	if s.idleTimeout > 0 {
		list = append(list, slog.Duration("idle-timeout", s.idleTimeout))
	}
	if n := s.unanswered.Load(); n > 0 {
		list = append(list, slog.Int64("unanswered-datagrams", n))
	}
	return list
}

// clients is the set of open connections and of the goroutines that serve them. The zero value is empty.
type clients struct {
	work sync.WaitGroup
	mu   sync.Mutex
	open map[net.Conn]struct{}
}

// serve runs handle in a goroutine of its own and closes conn after it.
func (c *clients) serve(conn net.Conn, handle func(net.Conn)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = map[net.Conn]struct{}{}
	}
	c.open[conn] = struct{}{}
	c.work.Go(func() {
		defer c.leave(conn)
		handle(conn)
	})
}

func (c *clients) leave(conn net.Conn) {
	_ = conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, conn)
}

// close closes the connections, so that their goroutines end.
func (c *clients) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		_ = conn.Close()
	}
}

// wait returns when the last goroutine has ended. Nothing may be served after it was called.
func (c *clients) wait() { c.work.Wait() }
