package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
)

// get returns what a client gets, and the error that ended the body.
func get(t testing.TB, url string) (status int, body string, err error) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	return res.StatusCode, string(all), err
}

// named is an upstream that answers with its name.
func named(t testing.TB, name string) *httptest.Server {
	t.Helper()
	return upstreamOf(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) })
}

func TestUpstreamsTakeTurns(t *testing.T) {
	a, b, c := named(t, "a"), named(t, "b"), named(t, "c")
	f := serve(t, "", a.URL, "upstream="+b.URL, "upstream="+c.URL)
	got := ""
	for range 6 {
		_, body, _ := get(t, f.URL)
		got += body
	}
	if got != "abcabc" {
		t.Errorf("asked %s, want abcabc", got)
	}
}

func TestBusyUpstreamIsSpared(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	busy := upstreamOf(t, func(http.ResponseWriter, *http.Request) {
		close(begun)
		<-end
	})
	free := named(t, "free")
	f := serve(t, "", busy.URL, "upstream="+free.URL)
	var held sync.WaitGroup
	held.Go(func() { _, _, _ = get(t, f.URL) })
	<-begun
	for range 3 {
		if _, body, _ := get(t, f.URL); body != "free" {
			t.Errorf("answer = %q, want that of the free upstream", body)
		}
	}
	close(end)
	held.Wait()
}

func TestDeadUpstream(t *testing.T) {
	dead, alive := closedPort(t), named(t, "alive")
	f := serve(t, "", dead, "upstream="+alive.URL, "max-fails=2", "fail-timeout=1h")
	for i := range 8 {
		res, err := http.Post(f.URL, "text/plain", strings.NewReader("body")) // nobody has had it, so it may be repeated
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != 200 || string(body) != "alive" {
			t.Errorf("request %d = %d %q, want 200 alive", i, res.StatusCode, body)
		}
	}
	log := f.host.Log()
	if n := strings.Count(log, `msg="upstream failed" service=web upstream=`+dead); n != 2 {
		t.Errorf("%d failures in the log, want 2:\n%s", n, log)
	}
	if !strings.Contains(log, `msg="upstream rests"`) || !strings.Contains(log, "connection refused") {
		t.Errorf("no word of the rest, or of the reason, in\n%s", log)
	}
	if report := fmt.Sprint(f.handler.Report()); !strings.Contains(report, dead+" (rests for 1h0m0s), "+alive.URL+"]") {
		t.Errorf("report = %s", report)
	}
}

func TestAllDead(t *testing.T) {
	a, b := closedPort(t), closedPort(t)
	f := serve(t, "", a, "upstream="+b, "max-fails=1", "fail-timeout=1h")
	for range 3 {
		if status, body, err := get(t, f.URL); status != 502 || body != "Bad Gateway\n" || err != nil {
			t.Errorf("answer = %d %q, %v, want 502", status, body, err)
		}
	}
	// Each request asks both, as there is nothing better.
	if log := f.host.Log(); strings.Count(log, `msg="upstream failed"`) != 6 || strings.Count(log, "answer=502") != 3 {
		t.Errorf("log:\n%s", log)
	}
}

func TestUpstreamComesBack(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	up := upstreamOf(t, func(w http.ResponseWriter, _ *http.Request) {
		if broken.Load() {
			panic(http.ErrAbortHandler)
		}
		fmt.Fprint(w, "back")
	})
	other := named(t, "other")
	f := serve(t, "", up.URL, "upstream="+other.URL, "max-fails=1", "fail-timeout=1ns")
	if _, body, _ := get(t, f.URL); body != "other" {
		t.Errorf("answer = %q, want that of the other", body)
	}
	broken.Store(false)
	got := map[string]bool{}
	for range 4 {
		_, body, _ := get(t, f.URL)
		got[body] = true
	}
	if !got["back"] || !got["other"] || !strings.Contains(f.host.Log(), `msg="upstream is back"`) {
		t.Errorf("answers = %v; log:\n%s", got, f.host.Log())
	}
}

// TestRepeats says which requests another upstream gets when one has closed the connection without a word.
func TestRepeats(t *testing.T) {
	for _, tt := range []struct {
		name, method, body string
		want               int
	}{
		{"get", "GET", "", 200}, {"head", "HEAD", "", 200}, {"delete", "DELETE", "", 200}, {"put without a body", "PUT", "", 200},
		{"post", "POST", "", 502}, {"put", "PUT", "x", 502}, {"own method", "FROB", "", 502},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bad := rawUpstream(t, func(_ net.Conn, in *bufio.Reader) { readHead(in) })
			f := serve(t, "", bad, "upstream="+named(t, "good").URL)
			req, err := http.NewRequestWithContext(t.Context(), tt.method, f.URL, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != tt.want {
				t.Errorf("%s = %d, want %d; log:\n%s", tt.method, res.StatusCode, tt.want, f.host.Log())
			}
		})
	}
}

// TestRequestOfDeath says that a request that breaks upstreams is not let loose on all of them.
func TestRequestOfDeath(t *testing.T) {
	var victims atomic.Int32
	var options []string
	die := func(_ net.Conn, in *bufio.Reader) {
		readHead(in)
		victims.Add(1)
	}
	for range 4 {
		options = append(options, "upstream="+rawUpstream(t, die))
	}
	f := serve(t, "", rawUpstream(t, die), options...)
	if status, _, _ := get(t, f.URL); status != 502 || victims.Load() != 2 {
		t.Errorf("answer = %d after %d upstreams, want 502 after 2", status, victims.Load())
	}
}

func TestBadAnswers(t *testing.T) {
	for _, tt := range []struct{ name, answer string }{
		{"not HTTP", "SSH-2.0-OpenSSH\r\n\r\n"},
		{"no header", "HTTP/1.1 200 OK\r\n"},
		{"bad header", "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n"},
		{"bad length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"},
		{"bad coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"},
		{"large header", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", 100<<10) + "\r\n\r\n"},
		{"many headers", "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 20<<10) + "\r\n"},
		{"switch unasked", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			up := rawUpstream(t, func(conn net.Conn, in *bufio.Reader) {
				readHead(in)
				_, _ = io.WriteString(conn, tt.answer)
			})
			other := upstreamOf(t, func(http.ResponseWriter, *http.Request) { t.Error("another upstream is asked") })
			f := serve(t, "", up, "upstream="+other.URL)
			if status, body, err := get(t, f.URL); status != 502 || body != "Bad Gateway\n" || err != nil {
				t.Errorf("answer = %d %q, %v, want 502", status, body, err)
			}
			if log := f.host.Log(); !strings.Contains(log, "level=WARN") || !strings.Contains(log, up) {
				t.Errorf("no reason in the log:\n%s", log)
			}
		})
	}
}

func TestSlowUpstream(t *testing.T) {
	end := make(chan struct{})
	t.Cleanup(func() { close(end) })
	up := upstreamOf(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/middle":
			_, _ = io.WriteString(w, "begun")
			_ = http.NewResponseController(w).Flush()
		case "/body":
		default:
			_, _ = io.Copy(io.Discard, r.Body)
		}
		select {
		case <-end:
		case <-r.Context().Done():
		}
	})
	f := serve(t, "", up.URL, "answer-timeout=50ms", "read-timeout=50ms", "max-fails=0")
	if status, body, _ := get(t, f.URL+"/"); status != 504 || body != "Gateway Timeout\n" {
		t.Errorf("no answer = %d %q, want 504", status, body)
	}
	res, err := http.Post(f.URL+"/", "text/plain", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	if _ = res.Body.Close(); res.StatusCode != 504 {
		t.Errorf("no answer to a body = %d, want 504", res.StatusCode)
	}
	if status, body, err := get(t, f.URL+"/middle"); status != 200 || body != "begun" || err == nil {
		t.Errorf("half an answer = %d %q, %v, want a broken connection", status, body, err)
	}
	log := f.host.Log()
	for _, want := range []string{"no answer for 50ms", "answer=504", "nothing more of the answer for 50ms", "path=/middle"} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in\n%s", want, log)
		}
	}
}

// TestStuckUpload says that an upstream that does not take a body is too slow as well.
func TestStuckUpload(t *testing.T) {
	end := make(chan struct{})
	up := rawUpstream(t, func(_ net.Conn, in *bufio.Reader) {
		readHead(in)
		<-end
	})
	t.Cleanup(func() { close(end) })
	f := serve(t, "", up, "answer-timeout=100ms")
	res, err := http.Post(f.URL, "text/plain", io.LimitReader(zeros{}, 64<<20))
	if err == nil {
		_ = res.Body.Close()
		if res.StatusCode != 504 {
			t.Errorf("answer = %d, want 504", res.StatusCode)
		}
	}
	if log := f.host.Log(); !strings.Contains(log, "no answer for 100ms") {
		t.Errorf("log (client: %v):\n%s", err, log)
	}
}

// zeros is an endless reader.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestUpstreamDiesInTheMiddle(t *testing.T) {
	for name, answer := range map[string]string{
		"length": "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
		"chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			up := rawUpstream(t, func(conn net.Conn, in *bufio.Reader) {
				readHead(in)
				_, _ = io.WriteString(conn, answer)
			})
			f := serve(t, "", up)
			status, body, err := get(t, f.URL+"/a")
			if status != 200 || body != "half" || err == nil {
				t.Errorf("http/1 = %d %q, %v, want half an answer and an error", status, body, err)
			}
			secure := httptest.NewUnstartedServer(f.handler)
			secure.EnableHTTP2 = true
			secure.StartTLS()
			defer secure.Close()
			res, err := secure.Client().Get(secure.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if all, err := io.ReadAll(res.Body); res.ProtoMajor != 2 || err == nil {
				t.Errorf("%s = %q, %v, want an error", res.Proto, all, err)
			}
			if log := f.host.Log(); strings.Count(log, "upstream failed in the middle of an answer") != 2 || !strings.Contains(log, "unexpected EOF") {
				t.Errorf("log:\n%s", log)
			}
		})
	}
}

// TestClientLeaves says that this is not the upstream's failure.
func TestClientLeaves(t *testing.T) {
	begun, left := make(chan struct{}, 1), make(chan struct{}, 1)
	up := upstreamOf(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/middle" {
			_ = http.NewResponseController(w).Flush()
		}
		begun <- struct{}{}
		_, _ = io.Copy(io.Discard, r.Body) // net/http looks for the end of the connection only behind the body
		<-r.Context().Done()
		left <- struct{}{}
	})
	f := serve(t, "", up.URL, "max-fails=1")
	for _, path := range []string{"/", "/middle"} {
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, "GET", f.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		var client sync.WaitGroup
		client.Go(func() {
			if res, err := http.DefaultClient.Do(req); err == nil {
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
		})
		<-begun
		cancel()
		<-left
		client.Wait()
	}
	conn, err := net.Dial("tcp", f.addr())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf")
	<-begun
	_ = conn.Close()
	<-left
	f.Close() // waits for the handlers
	if log := f.host.Log(); log != "" {
		t.Errorf("logged:\n%s", log)
	}
}

// TestBrokenUpload says that a body that is no body is the client's failure.
func TestBrokenUpload(t *testing.T) {
	up := upstreamOf(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	f := serveAround(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, 5)
			h.ServeHTTP(w, r)
		})
	}, "", up.URL, "max-fails=1")
	for _, tt := range []struct {
		name, request string
		want          int
	}{
		{"bad chunk", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
		{"too large", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n0\r\n\r\n", 413},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if res, _ := send(t, f.addr(), tt.request); res.StatusCode != tt.want || !res.Close {
				t.Errorf("answer = %d, connection ends: %v; want %d and true", res.StatusCode, res.Close, tt.want)
			}
		})
	}
	if log := f.host.Log(); log != "" {
		t.Errorf("logged:\n%s", log)
	}
}

func TestConnectTimeout(t *testing.T) {
	// A listener that accepts nothing, with TLS expected: the handshake never ends.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	slow := "https://" + l.Addr().String()
	f := serve(t, "", slow, "connect-timeout=50ms")
	if status, _, _ := get(t, f.URL); status != 504 {
		t.Errorf("answer = %d, want 504; log:\n%s", status, f.host.Log())
	}
	f = serve(t, "", slow, "connect-timeout=50ms", "upstream="+named(t, "other").URL)
	if status, body, _ := get(t, f.URL); status != 200 || body != "other" {
		t.Errorf("answer = %d %q, want that of the other; log:\n%s", status, body, f.host.Log())
	}
}

func TestCloseEndsDials(t *testing.T) {
	host := plugintest.NewHost(t, "web")
	h, err := make1(t, host, "", named(t, "a").URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = h.Close()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
	if w.Code != 502 {
		t.Errorf("after Close = %d, want 502", w.Code)
	}
}

// TestUpstreamStops says that nobody notices: neither on connections that were kept nor on new ones.
func TestUpstreamStops(t *testing.T) {
	a, b := named(t, "a"), named(t, "b")
	f := serve(t, "", a.URL, "upstream="+b.URL, "keep-alive=1m", "fail-timeout=1h")
	for range 4 {
		_, _, _ = get(t, f.URL)
	}
	a.CloseClientConnections()
	a.Close()
	for range 8 {
		if status, body, err := get(t, f.URL); status != 200 || body != "b" || err != nil {
			t.Errorf("answer = %d %q, %v, want that of b; log:\n%s", status, body, err, f.host.Log())
		}
	}
	if log := f.host.Log(); !strings.Contains(log, `msg="upstream rests"`) {
		t.Errorf("log:\n%s", log)
	}
}
