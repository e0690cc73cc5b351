package proxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// tunnels are the connections that have been upgraded. The zero value is ready.
type tunnels struct {
	mu     sync.Mutex
	closed bool
	open   map[*tunnel]struct{}
	ended  sync.WaitGroup
}

// add returns false if no more are wanted.
func (s *tunnels) add(t *tunnel) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.open == nil {
		s.open = map[*tunnel]struct{}{}
	}
	s.open[t] = struct{}{}
	s.ended.Add(1)
	return true
}

func (s *tunnels) remove(t *tunnel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, t)
	s.ended.Done()
}

// close ends all tunnels and waits for them.
func (s *tunnels) close() {
	s.mu.Lock()
	s.closed = true
	for t := range s.open {
		t.close()
	}
	s.mu.Unlock()
	s.ended.Wait()
}

// tunnel is a client and an upstream that speak a protocol of their own.
type tunnel struct {
	client   net.Conn
	early    *bufio.Reader // what the client has sent already
	upstream io.ReadWriteCloser
}

func (t *tunnel) close() {
	_ = t.client.Close()
	_ = t.upstream.Close()
}

// tunnel switches protocols with the client, as res says the upstream has done, and returns when one of them has left.
func (x *exchange) tunnel(t turn, res *http.Response, asked string) {
	upstream, ok := res.Body.(io.ReadWriteCloser)
	if got := res.Header.Get("Upgrade"); !ok || asked == "" || !strings.EqualFold(got, asked) {
		_ = res.Body.Close()
		x.h.log.WarnContext(x.r.Context(), "upstream switches to a protocol that was not asked for",
			"upstream", t.name, "path", x.r.URL.Path, "asked", asked, "got", got)
		x.refuse(http.StatusBadGateway)
		return
	}
	defer upstream.Close()
	h := x.w.Header()
	copyEndToEnd(h, res.Header)
	h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{asked}
	x.w.WriteHeader(http.StatusSwitchingProtocols) // Hijack sends it
	client, buffered, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		x.h.log.ErrorContext(x.r.Context(), "cannot take a connection over", "path", x.r.URL.Path, "error", err)
		panic(http.ErrAbortHandler)
	}
	tn := &tunnel{client: client, early: buffered.Reader, upstream: upstream}
	if !x.h.tunnels.add(tn) {
		tn.close()
		return
	}
	defer x.h.tunnels.remove(tn)
	defer context.AfterFunc(x.r.Context(), tn.close)()
	tn.run()
}

// run copies in both directions until both have ended, or one has and the other does not follow.
func (t *tunnel) run() {
	defer t.close()
	_ = t.client.SetDeadline(time.Time{}) // those of the request are not for a tunnel
	var up sync.WaitGroup
	up.Go(func() {
		err := pipe(t.upstream, struct{ io.Reader }{io.MultiReader(io.LimitReader(t.early, int64(t.early.Buffered())), t.client)})
		t.half(t.upstream, err)
	})
	err := pipe(t.client, struct{ io.Reader }{t.upstream})
	t.half(t.client, err)
	late := time.AfterFunc(lingerTimeout, t.close)
	defer late.Stop()
	up.Wait()
}

func pipe(dst io.Writer, src io.Reader) error {
	_, err := io.CopyBuffer(struct{ io.Writer }{dst}, src, make([]byte, tunnelBufferSize))
	return err
}

// half tells dst that nothing more comes, and ends the tunnel if that cannot be told.
func (t *tunnel) half(dst any, err error) {
	one, ok := dst.(interface{ CloseWrite() error })
	if err != nil || !ok || one.CloseWrite() != nil {
		t.close()
	}
}
