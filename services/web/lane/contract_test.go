package lane_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/services/web/lane"
)

func TestHijack(t *testing.T) {
	var served sync.WaitGroup
	s := start(t, lane.Config{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		nc, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Errorf("Hijack: %v", err)
			return
		}
		served.Go(func() { // after the handler has returned
			defer nc.Close()
			_, _ = io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
			line, err := rw.ReadString('\n')
			for err == nil {
				_, _ = io.WriteString(nc, "you said "+line)
				line, err = rw.ReadString('\n')
			}
		})
	}))
	tests := []struct{ name, first, early, later string }{
		{"nothing yet", get("/ws"), "", "hello\n"},
		{"bytes behind the request", get("/ws"), "early\n" + getHot, "hello\n"},
		{"after a simple one", getHot + get("/ws"), "early\n", getHot},
		{"with a body", post("/ws", "body"), "e\n", "hello\n"},
		{"one byte", get("/ws"), "\n", "hello\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := s.dial(t)
			c.send(tt.first + tt.early)
			if strings.HasPrefix(tt.first, getHot) {
				c.answer()
			}
			if a := c.answer(); a.status != 101 {
				t.Fatalf("answer %v, want 101", a)
			}
			c.send(tt.later)
			for line := range strings.Lines(tt.early + tt.later) {
				if got, err := c.r.ReadString('\n'); got != "you said "+line {
					t.Errorf("got %q, %v, want it to say %q", got, err, line)
				}
			}
			c.Close()
		})
	}
	served.Wait()
	s.accepted.awaitOpen(0)
}

// A hijacked connection to which a byte comes while the handler works.
func TestHijackLate(t *testing.T) {
	sent, got := make(chan struct{}), make(chan string, 1)
	s := start(t, lane.Config{}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-sent
		nc, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Errorf("Hijack: %v", err)
			return
		}
		defer nc.Close()
		b, _ := io.ReadAll(rw)
		got <- string(b)
	}))
	c := s.dial(t)
	c.send(get("/ws"))
	c.send(getHot + getHot)
	_ = c.Conn.(*net.TCPConn).CloseWrite()
	close(sent)
	if text := <-got; text != getHot+getHot {
		t.Errorf("read %q", text)
	}
}

func TestClientLeaves(t *testing.T) {
	cancelled, begun := make(chan error), make(chan struct{})
	s := start(t, lane.Config{}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		close(begun)
		<-r.Context().Done()
		cancelled <- r.Context().Err()
	}))
	for _, text := range []string{get("/"), getHot + get("/"), post("/", "body"), get("/x") + get("/")} {
		t.Run(shortened(text), func(t *testing.T) {
			if strings.HasPrefix(text, get("/x")) {
				t.Skip("net/http does not look at a connection with a request waiting")
			}
			begun = make(chan struct{})
			c := s.dial(t)
			c.send(text)
			<-begun
			c.Close()
			if err := <-cancelled; err != context.Canceled {
				t.Errorf("the request's context ends with %v", err)
			}
			s.accepted.awaitOpen(0)
		})
	}
}

// A request that comes while another one is worked on neither disturbs it nor gets lost.
func TestPipelineDuringHandler(t *testing.T) {
	release := make(chan struct{})
	s := start(t, lane.Config{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			select {
			case <-r.Context().Done():
				t.Errorf("the context ends: %v", r.Context().Err())
			case <-release:
			}
		}
		echo(w, r)
	}))
	c := s.dial(t)
	c.send(get("/slow"))
	c.send(getHot + post("/p", getHot) + getHot)
	close(release)
	for _, want := range []string{`GET /slow "" <nil>`, hotBody, fmt.Sprintf("POST /p %q <nil>", getHot), hotBody} {
		if a := c.answer(); a.body != want {
			t.Errorf("answer %v, want %q", a, want)
		}
	}
}

func TestKeepAlive(t *testing.T) {
	s := start(t, lane.Config{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/unread" {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		control := http.NewResponseController(w)
		switch r.URL.Path {
		case "/flush":
			_, _ = io.WriteString(w, "a")
			if err := control.Flush(); err != nil {
				t.Errorf("Flush: %v", err)
			}
			_, _ = io.WriteString(w, "b")
			return
		case "/hot":
			echo(w, r)
			return
		case "/early":
			w.WriteHeader(http.StatusEarlyHints)
		case "/deadlines":
			if err := control.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Errorf("SetWriteDeadline: %v", err)
			}
			if err := control.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Errorf("SetReadDeadline: %v", err)
			}
		}
		w.Header().Set("Content-Length", "2")
		_, _ = io.WriteString(w, "ok")
	}))
	large := strings.Repeat(getHot, 30000)
	tests := []struct {
		name, text string
		statuses   []int
	}{
		{"a large body", post("/p", large), []int{200}},
		{"a body that is not read", post("/unread", large[:200<<10]), []int{200}},
		{"early hints", get("/early"), []int{103, 200}},
		{"deadlines", get("/deadlines"), []int{200}},
		{"Expect", "POST /p HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab", []int{100, 200}},
		{"HTTP/1.0", "GET /p HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", []int{200}},
	}
	c := s.dial(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c.send(tt.text)
			for _, want := range tt.statuses {
				if a := c.answer(); a.status != want {
					t.Errorf("answer %v, want %d", a, want)
				}
			}
			c.send(getHot)
			if a := c.answer(); a.body != hotBody || a.header.Get("Date") == "" {
				t.Errorf("then answer %v", a)
			}
		})
	}
	c.send(get("/flush"))
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(res.Body); string(b) != "ab" {
		t.Errorf("flushed %q, %v", b, err)
	}
	c.send(getHot)
	if a := c.answer(); a.body != hotBody {
		t.Errorf("after a chunked answer: %v", a)
	}
}

// TestManyClients mixes everything on many connections.
func TestManyClients(t *testing.T) {
	s := start(t, lane.Config{MinRate: 1, Stall: time.Minute, HeaderTimeout: time.Minute, IdleTimeout: time.Minute}, echo)
	var all sync.WaitGroup
	for i := range 40 {
		c := s.dial(t)
		all.Go(func() {
			for j := range 20 {
				body := strings.Repeat(getHot, i*j%50)
				text := getHot + post("/p", body) + getHot + get("/other")
				wants := []string{hotBody, fmt.Sprintf("POST /p %q <nil>", body), hotBody, `GET /other "" <nil>`}
				if _, err := io.WriteString(c.Conn, text); err != nil {
					t.Errorf("send: %v", err)
					return
				}
				for _, want := range wants {
					if a, err := readReply(c.r); a.body != want {
						t.Errorf("answer %v, %v, want %q", a, err, want)
						return
					}
				}
			}
		})
	}
	all.Wait()
}

// certificate is one that the test's clients trust.
func certificate(t testing.TB, protocols ...string) (server, client *tls.Config) {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	srv.StartTLS()
	defer srv.Close()
	client = srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	client.NextProtos, client.ServerName = protocols, "example.com"
	return &tls.Config{Certificates: srv.TLS.Certificates, NextProtos: []string{"h2", "http/1.1"}}, client
}

func (s *server) dialTLS(t testing.TB, config *tls.Config) *client {
	t.Helper()
	nc, err := net.Dial(s.addr.Network(), s.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	c := newClient(t, tls.Client(nc, config))
	if err := c.Conn.(*tls.Conn).Handshake(); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTLS(t *testing.T) {
	server, trust := certificate(t, "http/1.1")
	s := startTLS(t, lane.Config{TLSHeader: "X-Secure: yes\r\n", MinRate: 1, Stall: time.Minute}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || !r.TLS.HandshakeComplete {
			t.Errorf("the request's TLS state is %v", r.TLS)
		}
		echo(w, r)
	}), server, false)
	c := s.dialTLS(t, trust)
	c.send(getHot + post("/p", getHot) + getHot)
	if a := c.answer(); a.body != hotBody || a.header.Get("X-Secure") != "yes" {
		t.Errorf("answer %v, want it from memory, with the header of TLS", a)
	}
	if a := c.answer(); a.body != fmt.Sprintf("POST /p %q <nil>", getHot) {
		t.Errorf("answer %v", a)
	}
	if a := c.answer(); a.body != hotBody {
		t.Errorf("answer %v", a)
	}
}

func TestHTTP2(t *testing.T) {
	server, trust := certificate(t)
	s := startTLS(t, lane.Config{MaxConns: 1}, echo, server, false)
	for range 3 { // each connection's end must be counted
		transport := &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: true}
		res, err := (&http.Client{Transport: transport}).Get("https://" + s.addr.String() + "/hot")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.ProtoMajor != 2 || string(body) != hotBody {
			t.Errorf("%s %q, want HTTP/2", res.Proto, body)
		}
		transport.CloseIdleConnections()
		s.accepted.awaitOpen(0)
		s.awaitCount(t, 0)
	}
}

// HTTP/2 without TLS goes through the lane without a look.
func TestUnencryptedHTTP2(t *testing.T) {
	s := startTLS(t, lane.Config{}, echo, nil, true)
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	for range 3 {
		res, err := (&http.Client{Transport: transport}).Post("http://"+s.addr.String()+"/p", "", strings.NewReader(getHot))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if want := fmt.Sprintf("POST /p %q <nil>", getHot); res.ProtoMajor != 2 || string(body) != want {
			t.Errorf("%s %q, want HTTP/2 %q", res.Proto, body, want)
		}
	}
}

func TestUnixSocket(t *testing.T) {
	s := serve(t, lane.Config{MaxPerIP: 1}, echo, unixListener(t), nil, false)
	for range 2 { // nobody's address is counted
		c := s.dial(t)
		c.send(getHot + get("/other"))
		if a := c.answer(); a.body != hotBody {
			t.Errorf("answer %v", a)
		}
		if a := c.answer(); a.status != 200 {
			t.Errorf("answer %v", a)
		}
	}
}
