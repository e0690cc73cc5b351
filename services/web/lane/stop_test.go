package lane_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/services/web/lane"
)

// stopping calls stop beside the test.
func (s *server) stopping(t *testing.T) (done <-chan struct{}) {
	t.Helper()
	ch := make(chan struct{})
	go func() {
		defer close(ch)
		s.stop()
	}()
	s.lane.AwaitStopping()
	return ch
}

func TestStopIdle(t *testing.T) {
	cert, trust := certificate(t, "http/1.1")
	for _, tt := range []struct {
		name, first string
		secure      bool
	}{
		{"fresh", "", false},
		{"fresh, TLS", "", true},
		{"after an answer from memory", getHot, false},
		{"after an answer from memory, TLS", getHot, true},
		{"after one from net/http", get("/other"), false},
		{"after one from net/http, TLS", get("/other"), true},
		{"after both", get("/other") + getHot, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s *server
			var c *client
			if tt.secure {
				s = startTLS(t, lane.Config{}, echo, cert, false)
				c = s.dialTLS(t, trust)
			} else {
				s = start(t, lane.Config{}, echo)
				c = s.dial(t)
			}
			c.send(tt.first)
			for range strings.Count(tt.first, "GET") {
				c.answer()
			}
			s.stop()
			c.ended()
		})
	}
}

// A request whose first bytes come before the stop, or shortly after it on a connection that had none, is answered.
func TestStopDuringHead(t *testing.T) {
	for _, tt := range []struct{ name, before, after, want string }{
		{"simple", "GET /hot HTTP/1.1\r\nHo", "st: x\r\n\r\n", hotBody},
		{"not simple", "GET /other HTTP/1.1\r\nHo", "st: x\r\n\r\n", `GET /other "" <nil>`},
		{"simple, fresh", "", getHot, hotBody},
		{"not simple, fresh", "", get("/other"), `GET /other "" <nil>`},
		{"a body, fresh", "", post("/p", "body"), `POST /p "body" <nil>`},
		{"in the middle of a body", post("/p", "body")[:50], post("/p", "body")[50:], `POST /p "body" <nil>`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, lane.Config{HeaderTimeout: time.Minute}, echo)
			var clients []*client
			for range 20 { // whatever is lost between the lane and net/http is lost seldom
				c := s.dial(t)
				c.send(tt.before)
				clients = append(clients, c)
			}
			s.lane.AwaitCountOf(len(clients))
			done := s.stopping(t)
			for _, c := range clients {
				c.send(tt.after)
			}
			for _, c := range clients {
				if a := c.answer(); a.body != tt.want || a.header.Get("Connection") != "close" {
					t.Errorf("answer %v, want %q and that it is the last", a, tt.want)
				}
				c.ended()
			}
			<-done
		})
	}
}

func TestStopEndsHalfAHead(t *testing.T) {
	for _, first := range []string{"", getHot, get("/other")} {
		s := start(t, lane.Config{HeaderTimeout: time.Hour}, echo)
		c := s.dial(t)
		c.send(first)
		if first != "" {
			c.answer()
		}
		c.send("GET /hot HTTP/1.1\r\nHost")
		s.stop()
		c.ended()
	}
}

// A handshake that does not go on holds up nobody.
func TestStopDuringHandshake(t *testing.T) {
	cert, _ := certificate(t)
	s := startTLS(t, lane.Config{HeaderTimeout: time.Hour}, echo, cert, false)
	c := s.dial(t)
	c.send("\x16\x03\x01")
	s.stop()
	c.ended()
}

// lateListener gives its first connection away only when it is let go.
type lateListener struct {
	net.Listener
	has, release chan struct{}
}

func (l *lateListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err == nil {
		close(l.has)
		<-l.release
	}
	return nc, err
}

// Nor does one whose connection has been accepted and is not known yet when the stop looks.
func TestStopBeforeHandshake(t *testing.T) {
	cert, _ := certificate(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	late := &lateListener{ln, make(chan struct{}), make(chan struct{})}
	s := serve(t, lane.Config{HeaderTimeout: time.Hour}, echo, late, cert, false)
	c := s.dial(t)
	<-late.has
	done := s.stopping(t)
	time.AfterFunc(20*time.Millisecond, func() { close(late.release) }) // so that the stop has looked
	c.ended()
	c.Close()
	<-done
}

func TestStopWaitsForAnswer(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	hold := func() {
		close(begun)
		<-release
	}
	answer := func(r *lane.Request) (lane.Answer, bool) {
		switch string(r.Path) {
		case "/hold":
			hold()
			r.Path = []byte("/hot")
			return hot(r)
		case "/asked":
			hold()
			return lane.Answer{}, false
		}
		return hot(r)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hold": // it came before net/http was done with the first, and has been seen by it
			hold()
			_, _ = io.WriteString(w, hotBody)
			return
		case "/slow":
			hold()
		}
		echo(w, r)
	})
	for _, tt := range []struct{ name, first, path, want string }{
		{"from memory", "", "/hold", hotBody},
		{"from memory, second", getHot, "/hold", hotBody},
		{"from memory, after net/http", get("/other"), "/hold", hotBody},
		{"not from memory, as turns out", "", "/asked", `GET /asked "" <nil>`},
		{"net/http", "", "/slow", `GET /slow "" <nil>`},
		{"net/http, after memory", getHot, "/slow", `GET /slow "" <nil>`},
		{"net/http, second", get("/other"), "/slow", `GET /slow "" <nil>`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			begun, release = make(chan struct{}), make(chan struct{})
			s := start(t, lane.Config{Answer: answer}, handler)
			c := s.dial(t)
			c.send(tt.first)
			if tt.first != "" {
				c.answer()
			}
			c.send(get(tt.path))
			<-begun
			done := s.stopping(t)
			time.AfterFunc(20*time.Millisecond, func() { close(release) }) // so that the stop looks at it
			if a := c.answer(); a.body != tt.want {
				t.Errorf("answer %v, want %q", a, tt.want)
			}
			c.ended()
			<-done
		})
	}
}

// An HTTP/2 connection learns that the server goes, and its request is answered.
func TestStopHTTP2(t *testing.T) {
	cert, trust := certificate(t)
	begun, release := make(chan struct{}), make(chan struct{})
	s := startTLS(t, lane.Config{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-release
		echo(w, r)
	}), cert, false)
	transport := &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: true}
	var asking sync.WaitGroup
	asking.Go(func() {
		res, err := (&http.Client{Transport: transport}).Get("https://" + s.addr.String() + "/hot")
		if err != nil {
			t.Error(err)
			return
		}
		defer res.Body.Close()
		if b, err := io.ReadAll(res.Body); string(b) != hotBody {
			t.Errorf("answer %q, %v", b, err)
		}
	})
	<-begun
	done := s.stopping(t)
	close(release)
	asking.Wait()
	<-done
}

// Nobody waits for an HTTP/2 connection without a request.
func TestStopIdleHTTP2(t *testing.T) {
	cert, trust := certificate(t)
	s := startTLS(t, lane.Config{}, echo, cert, false)
	transport := &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: true}
	res, err := (&http.Client{Transport: transport}).Get("https://" + s.addr.String() + "/hot")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	res.Body.Close()
	s.stop()
	transport.CloseIdleConnections()
}

func TestStopWaitsForHijacked(t *testing.T) {
	taken := make(chan net.Conn, 1)
	s := start(t, lane.Config{}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		nc, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
		}
		taken <- nc
	}))
	c := s.dial(t)
	c.send(get("/ws"))
	nc := <-taken
	done := s.stopping(t)
	select {
	case <-done:
		t.Error("the stop does not wait for a connection that a handler has")
	case <-time.After(20 * time.Millisecond):
	}
	_, _ = io.WriteString(nc, "bye")
	nc.Close()
	if b, _ := io.ReadAll(c.r); string(b) != "bye" {
		t.Errorf("got %q", b)
	}
	<-done
}

// Connections come and go while the service stops.
func TestStopUnderLoad(t *testing.T) {
	s := start(t, lane.Config{MaxConns: 50, MaxPerIP: 50}, echo)
	var clients sync.WaitGroup
	begun := make(chan struct{}, 100)
	for range 8 {
		clients.Go(func() {
			for {
				nc, err := net.Dial("tcp", s.addr.String())
				if err != nil {
					return
				}
				c := newClient(t, nc)
				for _, text := range []string{getHot, get("/other"), post("/p", getHot), getHot} {
					if _, err := io.WriteString(nc, text); err != nil {
						break
					}
					a, err := readReply(c.r)
					if err != nil {
						break
					}
					if a.status != 200 {
						t.Errorf("answer %v", a)
					}
				}
				nc.Close()
				select {
				case begun <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 50 {
		<-begun
	}
	s.stop()
	clients.Wait()
	s.awaitCount(t, 0)
}

// The end of a listener ends Serve with its error, and no more.
func TestServeError(t *testing.T) {
	l := lane.New(lane.Config{Answer: hot})
	ln := newMemories()
	ln.Close()
	if err := l.Serve(ln); err != net.ErrClosed {
		t.Errorf("Serve = %v, want the listener's error", err)
	}
	h := l.Listener(ln.Addr())
	h.Close()
	h.Close()
	if _, err := h.Accept(); err != net.ErrClosed {
		t.Errorf("Accept = %v", err)
	}
	l.Stop()
	l.Wait()
}

// Once nobody takes them, connections that the lane cannot answer itself are closed.
func TestNobodyTakesOver(t *testing.T) {
	cert, trust := certificate(t, "h2")
	for _, secure := range []bool{false, true} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		o := &openConns{Listener: ln}
		o.less = sync.NewCond(&o.mu)
		l := lane.New(lane.Config{Answer: hot})
		l.Listener(ln.Addr()).Close()
		var serving sync.WaitGroup
		serving.Go(func() {
			if secure {
				_ = l.Serve(tls.NewListener(o, cert))
			} else {
				_ = l.Serve(o)
			}
		})
		s := &server{addr: ln.Addr()}
		if secure {
			s.dialTLS(t, trust)
		} else {
			c := s.dial(t)
			c.send(getHot + get("/other"))
			if a := c.answer(); a.body != hotBody {
				t.Errorf("answer %v", a)
			}
			c.ended()
		}
		l.AwaitCount(0)
		ln.Close()
		serving.Wait()
		l.Stop()
		l.Wait()
	}
}
