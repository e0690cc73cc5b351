package lane_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/services/web/lane"
)

// records is what Record was told.
type records struct {
	mu   sync.Mutex
	list []string
}

func (r *records) record(q *lane.Request, status int, sent int64, _ time.Time, _ time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, fmt.Sprintf("%s %q %q %q %d %d", q.Client, q.Method, q.Target, q.Proto, status, sent))
}

// last is the last record.
func (r *records) last() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) == 0 {
		return ""
	}
	return r.list[len(r.list)-1]
}

func (r *records) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.list, "\n")
}

func TestRefusals(t *testing.T) {
	const late, large = "the header took too long\n", "the header is too large\n"
	huge := "GET /" + strings.Repeat("x", 900<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n"
	tests := []struct {
		name, text string
		status     int
		body       string
		record     string
	}{
		{"half a method", "GE", 408, late, `"GE" "" ""`},
		{"half a target", "GET /ho", 408, late, `"GET" "/ho" ""`},
		{"half a header", "GET /hot HTTP/1.1\r\nHos", 408, late, `"GET" "/hot" "HTTP/1.1"`},
		{"all but a byte", "POST /p HTTP/1.1\r\nHost: x\r\n\r", 408, late, `"POST" "/p" "HTTP/1.1"`},
		{"large", "GET /hot HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("b", 1000) + "\r\n\r\n", 431, large, `"GET" "/hot" "HTTP/1.1"`},
		{"large and unfinished", "GET /hot HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("b", 1000), 431, large, `"GET" "/hot" "HTTP/1.1"`},
		{"a large body counts for nothing", post("/p", strings.Repeat("b", 5000)), 200, "", ""},
		{"huge", huge, 431, large, ""},
		{"a TLS handshake", "\x16\x03\x01\x02\x00", 400, "this port speaks http without TLS\n", `"\x16\x03\x01\x02\x00" "" ""`},
		{"a long TLS handshake", "\x16" + strings.Repeat("x", 500), 400, "this port speaks http without TLS\n", `"\x16` + strings.Repeat("x", 63) + `" "" ""`},
	}
	for _, before := range []string{"", getHot, get("/other")} {
		for _, tt := range tests {
			t.Run(tt.name+" after "+strconv.Itoa(len(before)), func(t *testing.T) {
				t.Parallel()
				var told records
				s := start(t, lane.Config{HeaderTimeout: 50 * time.Millisecond, MaxHeader: 1000, Record: told.record}, echo)
				c := s.dial(t)
				c.send(before)
				if before != "" {
					c.answer()
				}
				var sending sync.WaitGroup
				sending.Go(func() { _, _ = io.WriteString(c.Conn, tt.text) })
				a := c.answer()
				if a.status != tt.status || tt.body != "" && a.body != tt.body {
					t.Errorf("%q: answer %v, want %d %q", shortened(tt.text), a, tt.status, tt.body)
				}
				if tt.status != 200 {
					c.ended()
				}
				sending.Wait()
				c.Close()
				s.awaitCount(t, 0)
				want := fmt.Sprintf("127.0.0.1 %s %d %d", tt.record, tt.status, len(tt.body))
				if tt.record != "" && told.last() != want {
					t.Errorf("record %q, want %q", told.last(), want)
				}
			})
		}
	}
}

func TestHeaderOfAllowedSize(t *testing.T) {
	s := start(t, lane.Config{MaxHeader: 70 << 10}, echo)
	for _, size := range []int{4095, 4096, 4097, 16 << 10, 70 << 10} {
		head := "GET /hot HTTP/1.1\r\nHost: x\r\nA: "
		head += strings.Repeat("b", size-len(head)-4) + "\r\n\r\n"
		c := s.dial(t)
		c.send(head + head + getHot)
		for range 3 {
			if a := c.answer(); a.body != hotBody {
				t.Errorf("a header of %d bytes: %v", size, a)
			}
		}
	}
}

func TestIdleTimeout(t *testing.T) {
	for _, first := range []string{"", getHot, get("/other"), get("/other") + getHot} {
		t.Run(shortened(first), func(t *testing.T) {
			t.Parallel()
			var told records
			s := start(t, lane.Config{IdleTimeout: 500 * time.Millisecond, HeaderTimeout: time.Hour, Record: told.record}, echo)
			c := s.dial(t)
			c.send(first)
			for range strings.Count(first, "GET") {
				c.answer()
			}
			c.ended()
			if strings.Contains(told.String(), "408") {
				t.Errorf("records %q", told.String())
			}
		})
	}
}

// A deadline for one head does not hit what comes after it.
func TestDeadlinesEnd(t *testing.T) {
	s := start(t, lane.Config{HeaderTimeout: 50 * time.Millisecond}, echo)
	for _, text := range []string{getHot, get("/other"), post("/p", "body")} {
		c := s.dial(t)
		c.send(text[:10])
		c.send(text[10 : len(text)-1])
		time.Sleep(5 * time.Millisecond) // so that it is most probably read in parts; nothing depends on it
		c.send(text[len(text)-1:])
		if a := c.answer(); a.status == 408 {
			continue // a slow machine
		}
		time.Sleep(60 * time.Millisecond)
		c.send(getHot)
		if a := c.answer(); a.body != hotBody {
			t.Errorf("after %q: %v", text, a)
		}
	}
}

func TestWrongPort(t *testing.T) {
	cert, _ := certificate(t)
	s := startTLS(t, lane.Config{}, echo, cert, false)
	for _, text := range []string{getHot, "POST /" + strings.Repeat("x", 100<<10)} {
		c := s.dial(t)
		var sending sync.WaitGroup
		sending.Go(func() { _, _ = io.WriteString(c.Conn, text) })
		if a := c.answer(); a.status != 400 || a.body != "this port speaks https\n" {
			t.Errorf("answer %v", a)
		}
		sending.Wait()
	}
}

func TestHandshakeTimeout(t *testing.T) {
	cert, _ := certificate(t)
	s := startTLS(t, lane.Config{HeaderTimeout: 50 * time.Millisecond, MaxConns: 1}, echo, cert, false)
	for range 2 {
		c := s.dial(t)
		c.send("\x16\x03")
		c.ended()
		s.awaitCount(t, 0)
	}
}

func TestTooManyConnections(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config lane.Config
	}{
		{"all in all", lane.Config{MaxConns: 2}},
		{"of an address", lane.Config{MaxPerIP: 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, tt.config, echo)
			first, second := s.dial(t), s.dial(t)
			for _, c := range []*client{first, second} {
				c.send(getHot)
				c.answer()
			}
			for range 3 {
				c := s.dial(t)
				c.send(post("/p", strings.Repeat("x", 50<<10)))
				if a := c.answer(); a.status != 503 || a.header.Get("Retry-After") == "" || a.body != "too many connections\n" {
					t.Errorf("answer %v, want 503", a)
				}
				c.ended()
				c.Close()
			}
			if n := s.lane.Refused(); n != 3 {
				t.Errorf("%d refused, want 3", n)
			}
			first.Close()
			s.awaitCount(t, 1)
			third := s.dial(t)
			third.send(getHot)
			if a := third.answer(); a.body != hotBody {
				t.Errorf("after one had left: %v", a)
			}
			second.Close()
			third.Close()
			s.awaitCount(t, 0)
		})
	}
}

// Those that are refused cannot hold up the others, nor use up what others need.
func TestManyRefused(t *testing.T) {
	s := start(t, lane.Config{MaxConns: 1}, echo)
	c := s.dial(t)
	c.send(getHot)
	c.answer()
	for range 200 {
		s.dial(t) // and says nothing
	}
	c.send(getHot)
	if a := c.answer(); a.body != hotBody {
		t.Errorf("answer %v", a)
	}
}

// TestCount lets connections end in every way that there is.
func TestCount(t *testing.T) {
	cert, trust := certificate(t, "http/1.1")
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/panic", "/broken": // which comes here when its first byte was early
			panic("on purpose")
		case "/abort":
			panic(http.ErrAbortHandler)
		case "/hijack":
			nc, _, _ := http.NewResponseController(w).Hijack()
			nc.Close()
			nc.Close()
		default:
			if r.URL.RawQuery == "broken" {
				panic("on purpose")
			}
			echo(w, r)
		}
	})
	answer := func(r *lane.Request) (lane.Answer, bool) {
		if string(r.Path) == "/broken" {
			panic("a mistake")
		}
		return hot(r)
	}
	record := func(r *lane.Request, _ int, _ int64, _ time.Time, _ time.Duration) {
		if string(r.Query) == "broken" {
			panic("a mistake")
		}
	}
	plain := start(t, lane.Config{MaxConns: 1, MaxPerIP: 1, Answer: answer, Record: record, MaxHeader: 1000}, handler)
	secure := startTLS(t, lane.Config{MaxConns: 1, MaxPerIP: 1, Answer: answer, Record: record}, handler, cert, false)
	reset := func(c *client) {
		_ = c.Conn.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	leave := func(c *client) { c.Close() }
	stay := func(c *client) { _, _ = io.Copy(io.Discard, c.r) }
	for _, tt := range []struct {
		name, text string
		end        func(*client)
	}{
		{"at once", "", leave},
		{"reset", "", reset},
		{"after an answer", getHot, leave},
		{"reset after a request", getHot, reset},
		{"after one of net/http", get("/other"), leave},
		{"reset, net/http", get("/other"), reset},
		{"half a head", "GET /hot", leave},
		{"half a body", post("/p", "body")[:50], leave},
		{"the last", "GET /hot HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", stay},
		{"the last of net/http", "GET /p HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", stay},
		{"no HTTP", "hello\r\n\r\n", stay},
		{"too large", strings.Repeat("x", 2000), stay},
		{"hijacked", get("/hijack"), stay},
		{"a panic", get("/panic"), stay},
		{"an abort", getHot + get("/abort"), stay},
		{"a panic in Answer", get("/broken"), stay},
		{"a panic in Answer, after net/http", get("/other") + get("/broken"), stay},
		{"a panic in Record", get("/hot?broken"), stay},
		{"a panic in Record, after net/http", get("/other") + get("/hot?broken"), stay},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := plain.dial(t)
			c.send(tt.text)
			tt.end(c)
			plain.accepted.awaitOpen(0)
			plain.awaitCount(t, 0)
		})
		t.Run(tt.name+", TLS", func(t *testing.T) {
			if tt.name == "too large" {
				t.Skip("no limit there")
			}
			c := secure.dialTLS(t, trust)
			c.send(tt.text)
			if nc, ok := c.Conn.(*tls.Conn); ok {
				c = &client{nc.NetConn(), t, c.r}
			}
			tt.end(c)
			secure.accepted.awaitOpen(0)
			secure.awaitCount(t, 0)
		})
	}
	if log := plain.log.String(); strings.Count(log, "panic in the short way") < 2 || !strings.Contains(log, "limits_test.go") {
		t.Errorf("the log does not tell of the panics:\n%s", log)
	}
}

// TestBrokenAnswer lets a client go while an answer from memory is made for it, on a connection that net/http has had.
func TestBrokenAnswer(t *testing.T) {
	var gone atomic.Pointer[client]
	s := start(t, lane.Config{Answer: func(r *lane.Request) (lane.Answer, bool) {
		if c := gone.Load(); c != nil {
			_ = c.Conn.(*net.TCPConn).SetLinger(0)
			c.Close()
		}
		return hot(r)
	}}, echo)
	c := s.dial(t)
	c.send(get("/other"))
	c.answer()
	gone.Store(c)
	c.send(getHot)
	s.accepted.awaitOpen(0)
}

// source is something to send, of which no socket holds all.
const sourceSize = 16 << 20

func bigFile(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(name, bytes.Repeat([]byte("0123456789abcdef"), sourceSize/16), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// sender sends a file, or what only looks like a reader, and tells what came of it.
type sender struct {
	name    string
	sent    chan error
	prepare func(w http.ResponseWriter)
}

func (s *sender) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, err := os.Open(s.name)
	if err != nil {
		s.sent <- err
		return
	}
	defer f.Close()
	w.Header().Set("Content-Length", strconv.Itoa(sourceSize))
	if s.prepare != nil {
		s.prepare(w)
	}
	var src io.Reader = f
	if r.URL.Path == "/reader" {
		src = struct{ io.Reader }{f}
	}
	n, err := io.CopyN(w, src, sourceSize)
	if err == nil && n != sourceSize {
		err = fmt.Errorf("%d bytes were sent without an error", n)
	}
	s.sent <- err
}

func dialEither(t testing.TB, s *server, trust *tls.Config) *client {
	if trust != nil {
		return s.dialTLS(t, trust)
	}
	return s.dial(t)
}

// A client that takes nothing loses its connection, however it is sent to.
func TestMinRate(t *testing.T) {
	cert, trust := certificate(t, "http/1.1")
	big := bytes.Repeat([]byte("x"), sourceSize)
	for _, secure := range []bool{false, true} {
		snd := &sender{name: bigFile(t), sent: make(chan error, 1)}
		var cfg *tls.Config
		var trusting *tls.Config
		if secure {
			cfg, trusting = cert, trust
		}
		s := startTLS(t, lane.Config{
			MinRate: 100 << 20, Stall: 50 * time.Millisecond,
			Answer: func(r *lane.Request) (lane.Answer, bool) {
				if string(r.Path) != "/memory" {
					return lane.Answer{}, false
				}
				return lane.Answer{Status: 200, Head: []byte("HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(len(big)) + "\r\n"), Body: big}, true
			},
			Record: func(r *lane.Request, _ int, sent int64, _ time.Time, _ time.Duration) {
				switch {
				case string(r.Path) != "/memory": // what the harness does not say that a handler has
				case sent == 0 || sent >= sourceSize:
					snd.sent <- fmt.Errorf("%d bytes recorded", sent)
				default:
					snd.sent <- os.ErrDeadlineExceeded
				}
			},
		}, snd, cfg, false)
		for _, path := range []string{"/file", "/reader", "/memory"} {
			t.Run(fmt.Sprintf("%s secure=%v", path, secure), func(t *testing.T) {
				c := dialEither(t, s, trusting)
				c.send(get(path))
				if err := <-snd.sent; !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("sending ended with %v, want a deadline", err)
				}
				s.accepted.awaitOpen(0)
			})
		}
	}
}

// A client that is not fast, but faster than asked for, gets everything, however long its rests are that the rate allows.
func TestFastEnough(t *testing.T) {
	cert, trust := certificate(t, "http/1.1")
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("secure=%v", secure), func(t *testing.T) {
			snd := &sender{name: bigFile(t), sent: make(chan error, 1)}
			var cfg, trusting *tls.Config
			if secure {
				cfg, trusting = cert, trust
			}
			s := startTLS(t, lane.Config{MinRate: 2 << 20, Stall: 200 * time.Millisecond}, snd, cfg, false)
			c := dialEither(t, s, trusting)
			c.send(get("/file"))
			b := make([]byte, 256<<10)
			total := 0
			for total < sourceSize {
				n, err := io.ReadFull(c.r, b)
				total += n
				if err != nil {
					break
				}
				time.Sleep(10 * time.Millisecond) // 256 KiB in 10 ms are 12 times the rate
			}
			if err := <-snd.sent; err != nil || total < sourceSize {
				t.Errorf("%d of %d bytes came, the sender says %v", total, sourceSize, err)
			}
		})
	}
}

// The deadline of a handler goes before the rate, in both directions.
func TestOwnWriteDeadline(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config lane.Config
		own    time.Duration
		cut    bool
	}{
		{"later", lane.Config{MinRate: 1 << 40, Stall: time.Millisecond}, time.Hour, false},
		{"earlier", lane.Config{MinRate: 1, Stall: time.Hour}, 50 * time.Millisecond, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			snd := &sender{name: bigFile(t), sent: make(chan error, 1), prepare: func(w http.ResponseWriter) {
				if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(tt.own)); err != nil {
					t.Error(err)
				}
			}}
			s := start(t, tt.config, snd)
			c := s.dial(t)
			c.send(get("/file"))
			if !tt.cut {
				time.Sleep(50 * time.Millisecond)
				go func() { _, _ = io.CopyN(io.Discard, c.r, sourceSize) }()
			}
			if err := <-snd.sent; errors.Is(err, os.ErrDeadlineExceeded) != tt.cut {
				t.Errorf("sending ended with %v", err)
			}
		})
	}
}

// pausing is a source that takes its time.
type pausing struct {
	io.Reader
	pause time.Duration
}

func (p *pausing) Read(b []byte) (int, error) {
	time.Sleep(p.pause)
	return p.Reader.Read(b[:min(len(b), 10)])
}

// What a source takes is not the client's fault.
func TestSlowSource(t *testing.T) {
	text := strings.Repeat("0123456789", 55)
	s := start(t, lane.Config{MinRate: 1 << 30, Stall: 30 * time.Millisecond}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		src := io.MultiReader(strings.NewReader(text[:530]), &pausing{strings.NewReader(text[530:]), 80 * time.Millisecond})
		if r.URL.Path == "/pipe" {
			pr, pw, err := os.Pipe()
			if err != nil {
				t.Error(err)
				return
			}
			defer pr.Close()
			var writing sync.WaitGroup
			defer writing.Wait()
			inner := src
			writing.Go(func() {
				defer pw.Close()
				_, _ = io.Copy(pw, struct{ io.Reader }{inner})
			})
			src = pr
		}
		if n, err := io.Copy(w, src); n != int64(len(text)) || err != nil {
			t.Errorf("%s: %d bytes were copied: %v", r.URL.Path, n, err)
		}
	}))
	for _, path := range []string{"/reader", "/pipe"} {
		c := s.dial(t)
		c.send(get(path))
		if a := c.answer(); a.body != text {
			t.Errorf("%s: %d bytes came, want %d", path, len(a.body), len(text))
		}
	}
}

// A source's limit is less by what was sent.
func TestLimitedReader(t *testing.T) {
	name := bigFile(t)
	type result struct {
		n, left int64
		err     error
	}
	results := make(chan result, 1)
	s := start(t, lane.Config{MinRate: 1, Stall: time.Hour}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, err := os.Open(name)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		size, _ := strconv.ParseInt(r.URL.RawQuery, 10, 64)
		w.Header().Set("Content-Length", r.URL.RawQuery)
		src := &io.LimitedReader{R: f, N: size}
		n, err := w.(io.ReaderFrom).ReadFrom(src)
		results <- result{n, src.N, err}
	}))
	for _, size := range []int64{1, 511, 512, 513, 128 << 10, 3<<20 + 1, sourceSize, sourceSize + 1000} {
		c := s.dial(t)
		c.send(get("/?" + strconv.FormatInt(size, 10)))
		got, _ := http.ReadResponse(c.r, nil)
		n, err := io.Copy(io.Discard, got.Body)
		sent := min(size, sourceSize)
		if n != sent || (err != nil) != (sent < size) {
			t.Errorf("of %d bytes came %d: %v", size, n, err)
		}
		if r := <-results; r.n != sent || r.left != size-sent || r.err != nil {
			t.Errorf("ReadFrom of %d bytes = %d, %v, and leaves a limit of %d", size, r.n, r.err, r.left)
		}
	}
}

func TestClientLeavesDuringFile(t *testing.T) {
	cert, trust := certificate(t, "http/1.1")
	for _, trusting := range []*tls.Config{nil, trust} {
		var cfg *tls.Config
		if trusting != nil {
			cfg = cert
		}
		snd := &sender{name: bigFile(t), sent: make(chan error, 1)}
		s := startTLS(t, lane.Config{}, snd, cfg, false)
		for _, path := range []string{"/file", "/reader"} {
			c := dialEither(t, s, trusting)
			c.send(get(path))
			if _, err := c.r.ReadByte(); err != nil {
				t.Fatal(err)
			}
			c.Close()
			if err := <-snd.sent; err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("sending ended with %v", err)
			}
			s.accepted.awaitOpen(0)
		}
	}
}
