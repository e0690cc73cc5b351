package proxy_test

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestPiecesComeAtOnce says that each piece of an answer is with the client before the next is made.
func TestPiecesComeAtOnce(t *testing.T) {
	for _, length := range []string{"", "6"} {
		next := make(chan struct{})
		up := upstreamOf(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			if length != "" {
				w.Header().Set("Content-Length", length)
			}
			rc := http.NewResponseController(w)
			if length == "" {
				_ = rc.Flush()
				<-next // the header alone, too
			}
			for _, piece := range []string{"a\n", "b\n", "c\n"} {
				_, _ = io.WriteString(w, piece)
				_ = rc.Flush()
				<-next
			}
		})
		f := serve(t, "", up.URL)
		res, err := http.Get(f.URL)
		if err != nil {
			t.Fatal(err)
		}
		if length == "" {
			next <- struct{}{}
		}
		in := bufio.NewReader(res.Body)
		for _, want := range []string{"a\n", "b\n", "c\n"} {
			if got, err := in.ReadString('\n'); got != want {
				t.Errorf("piece = %q, %v, want %q", got, err, want)
			}
			next <- struct{}{}
		}
		if rest, err := io.ReadAll(in); len(rest) > 0 || err != nil {
			t.Errorf("rest = %q, %v", rest, err)
		}
		_ = res.Body.Close()
	}
}

// TestBothDirectionsAtOnce says that an upstream can answer piece by piece to a request that goes on, in both protocols.
func TestBothDirectionsAtOnce(t *testing.T) {
	up := upstreamOf(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_ = rc.EnableFullDuplex()
		_ = rc.Flush()
		in := bufio.NewReader(r.Body)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			fmt.Fprint(w, strings.ToUpper(line))
			_ = rc.Flush()
		}
	})
	f := serve(t, "", up.URL)
	secure := httptest.NewUnstartedServer(f.handler)
	secure.EnableHTTP2 = true
	secure.StartTLS()
	t.Cleanup(secure.Close)
	for name, server := range map[string]*httptest.Server{"http/1": f.Server, "http/2": secure} {
		t.Run(name, func(t *testing.T) {
			body, w := io.Pipe()
			req, err := http.NewRequestWithContext(t.Context(), "POST", server.URL, body)
			if err != nil {
				t.Fatal(err)
			}
			res, err := server.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			in := bufio.NewReader(res.Body)
			for _, line := range []string{"one\n", "two\n"} {
				if _, err := io.WriteString(w, line); err != nil {
					t.Fatal(err)
				}
				if got, err := in.ReadString('\n'); got != strings.ToUpper(line) {
					t.Fatalf("answer = %q, %v, want that to %q", got, err, line)
				}
			}
			_ = w.Close()
			if rest, err := io.ReadAll(in); len(rest) > 0 || err != nil {
				t.Errorf("rest = %q, %v", rest, err)
			}
		})
	}
}

// TestEarlyAnswer says that an answer before the end of a body arrives whole, though the client sends no more, and ends
// the connection.
func TestEarlyAnswer(t *testing.T) {
	up := rawUpstream(t, func(conn net.Conn, in *bufio.Reader) {
		readHead(in)
		_, _ = io.WriteString(conn, "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n")
		_, _ = io.Copy(io.Discard, in)
	})
	f := serve(t, "", up)
	for _, framing := range []string{"Content-Length: 1000000", "Transfer-Encoding: chunked"} {
		res, body := send(t, f.addr(), "POST / HTTP/1.1\r\nHost: a\r\n"+framing+"\r\n\r\n1\r\nx\r\n")
		if res.StatusCode != 403 || body != "no" || !res.Close {
			t.Errorf("%s: answer = %d %q, connection ends: %v; want 403 no true", framing, res.StatusCode, body, res.Close)
		}
	}
}

func TestExpectation(t *testing.T) {
	up := upstreamOf(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	})
	f := serve(t, "", up.URL)
	conn, err := net.Dial("tcp", f.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	fmt.Fprint(conn, "POST /yes HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
	if head := readHead(in); head != "HTTP/1.1 100 Continue\r\n\r\n" {
		t.Fatalf("answer = %q, want 100", head)
	}
	fmt.Fprint(conn, "body")
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(res.Body); string(body) != "body" || err != nil {
		t.Errorf("answer = %q, %v", body, err)
	}
	if res, _ := send(t, f.addr(), "POST /no HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"); res.StatusCode != 401 {
		t.Errorf("answer = %d, want 401 without 100", res.StatusCode)
	}
}

// TestTrailers says that those of answers go on, and those of requests do not.
func TestTrailers(t *testing.T) {
	up := upstreamOf(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "Announced")
		fmt.Fprintf(w, "%s %v", body, r.Trailer)
		w.Header().Set("Announced", "a")
		w.Header().Set(http.TrailerPrefix+"Surprise", "b")
	})
	f := serve(t, "", up.URL)
	req, err := http.NewRequestWithContext(t.Context(), "POST", f.URL, io.MultiReader(strings.NewReader("body")))
	if err != nil {
		t.Fatal(err)
	}
	req.Trailer = http.Header{"Sum": {"c"}, "X-Forwarded-For": {"192.0.2.1"}}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if string(body) != "body map[]" || err != nil || res.Trailer.Get("Announced") != "a" || res.Trailer.Get("Surprise") != "b" {
		t.Errorf("answer = %q, %v, trailer %v", body, err, res.Trailer)
	}
}

// TestInformation says that 1xx answers go on, and that the header of those before us survives them and stays out of them.
func TestInformation(t *testing.T) {
	up := upstreamOf(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		w.WriteHeader(http.StatusNoContent)
	})
	f := serveAround(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Outer", "x")
			h.ServeHTTP(w, r)
		})
	}, "", up.URL)
	var hints []string
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		hints = append(hints, fmt.Sprint(code, h))
		return nil
	}}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "GET", f.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if want := []string{"103 map[Link:[</a.css>; rel=preload]]"}; !slices.Equal(hints, want) {
		t.Errorf("information = %q, want %q", hints, want)
	}
	if res.StatusCode != 204 || res.Header.Get("Outer") != "x" || res.Header.Get("Link") != "" {
		t.Errorf("answer = %d %v", res.StatusCode, res.Header)
	}
	if head, _ := send(t, f.addr(), "GET / HTTP/1.0\r\n\r\n"); head.StatusCode != 204 {
		t.Errorf("HTTP/1.0 = %d, want 204 alone", head.StatusCode)
	}
}

// TestLargeBodies sends 100 MiB through in both directions, less of it in HTTP/2, which is slow under the race detector,
// and looks at the memory that it takes.
func TestLargeBodies(t *testing.T) {
	up := upstreamOf(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "GET" {
			size, _ := strconv.ParseInt(r.URL.RawQuery, 10, 64)
			w.Header().Set("Content-Length", r.URL.RawQuery)
			_, _ = io.Copy(w, io.LimitReader(zeros{}, size))
			return
		}
		sum := sha256.New()
		n, err := io.Copy(sum, r.Body)
		fmt.Fprintf(w, "%d %x %v", n, sum.Sum(nil), err)
	})
	f := serve(t, "", up.URL)
	secure := httptest.NewUnstartedServer(f.handler)
	secure.EnableHTTP2 = true
	secure.StartTLS()
	t.Cleanup(secure.Close)
	for _, tt := range []struct {
		name   string
		server *httptest.Server
		size   int64
	}{{"http/1", f.Server, 100 << 20}, {"http/2", secure, 30 << 20}} {
		t.Run(tt.name, func(t *testing.T) {
			sum := sha256.New()
			_, _ = io.Copy(sum, io.LimitReader(zeros{}, tt.size))
			want := fmt.Sprintf("%d %x <nil>", tt.size, sum.Sum(nil))
			client := tt.server.Client()
			defer client.CloseIdleConnections()
			m := &meter{}
			m.look()
			before := m.peak
			res, err := client.Get(tt.server.URL + "?" + strconv.FormatInt(tt.size, 10))
			if err != nil {
				t.Fatal(err)
			}
			down := sha256.New()
			n, err := io.Copy(io.MultiWriter(down, m), res.Body)
			_ = res.Body.Close()
			if got := fmt.Sprintf("%d %x %v", n, down.Sum(nil), err); got != want {
				t.Errorf("down = %s, want %s", got, want)
			}
			res, err = client.Post(tt.server.URL, "", io.TeeReader(io.LimitReader(zeros{}, tt.size), m))
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if got, err := io.ReadAll(res.Body); string(got) != want || err != nil {
				t.Errorf("up = %s, %v, want %s", got, err, want)
			}
			if m.peak > before+20<<20 {
				t.Errorf("up to %d bytes of heap for %d sent, %d before", m.peak, 2*tt.size, before)
			}
		})
	}
}

// meter looks at the heap each time that some megabytes have passed.
type meter struct{ passed, peak uint64 }

func (m *meter) Write(p []byte) (int, error) {
	if m.passed += uint64(len(p)); m.passed > 4<<20 {
		m.look()
	}
	return len(p), nil
}

func (m *meter) look() {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	m.passed, m.peak = 0, max(m.peak, stats.HeapAlloc)
}

// TestHTTP2Upstream speaks what gRPC needs: HTTP/2 in clear, both directions open, status in a trailer.
func TestHTTP2Upstream(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
		w.Header().Set(http.TrailerPrefix+"Proto", r.Proto+" "+r.Header.Get("Te"))
	}))
	s.Config.Protocols = &http.Protocols{}
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	f := serve(t, "", s.URL, "http2=true")
	secure := httptest.NewUnstartedServer(f.handler)
	secure.EnableHTTP2 = true
	secure.StartTLS()
	t.Cleanup(secure.Close)
	req, err := http.NewRequestWithContext(t.Context(), "POST", secure.URL, strings.NewReader("message"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Te", "trailers")
	res, err := secure.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if string(body) != "message" || err != nil || res.Trailer.Get("Grpc-Status") != "0" || res.Trailer.Get("Proto") != "HTTP/2.0 trailers" {
		t.Errorf("answer = %q, %v, trailer %v; log:\n%s", body, err, res.Trailer, f.host.Log())
	}
}

// TestConnectionsAreKept says that requests one after another use one connection to the upstream.
func TestConnectionsAreKept(t *testing.T) {
	seen := map[string]bool{}
	up := upstreamOf(t, func(w http.ResponseWriter, r *http.Request) {
		seen[r.RemoteAddr] = true
		_, err := io.Copy(w, r.Body)
		if err != nil && !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	})
	f := serve(t, "", up.URL)
	for range 5 {
		_, _, _ = get(t, f.URL)
		res, err := http.Post(f.URL, "", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
	if len(seen) != 1 {
		t.Errorf("%d connections, want 1", len(seen))
	}
}

// TestSlowClient says that waiting for a client is not waiting for an upstream, neither for its body nor for its ear.
func TestSlowClient(t *testing.T) {
	const patience = 300 * time.Millisecond
	up := upstreamOf(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %v", body, err)
		_, _ = io.Copy(w, io.LimitReader(zeros{}, 32<<20))
	})
	f := serve(t, "", up.URL, "answer-timeout="+patience.String(), "read-timeout="+patience.String())
	conn, err := net.Dial("tcp", f.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf")
	<-time.After(2 * patience)
	fmt.Fprint(conn, "half")
	in := bufio.NewReader(conn)
	if _, err := in.Peek(1); err != nil {
		t.Fatal(err)
	}
	<-time.After(2 * patience) // by now the proxy waits until it can write on
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	begin := make([]byte, 14)
	if _, err := io.ReadFull(res.Body, begin); string(begin) != "halfhalf <nil>" {
		t.Errorf("answer = %d %q, %v", res.StatusCode, begin, err)
	}
	if n, err := io.Copy(io.Discard, res.Body); n != 32<<20 || err != nil {
		t.Errorf("rest = %d bytes, %v; log:\n%s", n, err, f.host.Log())
	}
}

// TestEarlyRefusal says that a client that uploads much hears why the upstream takes no more of it.
func TestEarlyRefusal(t *testing.T) {
	up := upstreamOf(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, 1000))
		http.Error(w, fmt.Sprint(err), http.StatusRequestEntityTooLarge)
	})
	f := serve(t, "", up.URL)
	heard := 0
	for range 10 {
		res, err := http.Post(f.URL, "", io.LimitReader(zeros{}, 8<<20))
		if err != nil {
			continue // on a busy machine the connection may be reset before this client has read
		}
		heard++
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != 413 {
			t.Fatalf("answer = %d %q, want 413; log:\n%s", res.StatusCode, body, f.host.Log())
		}
	}
	if heard < 5 {
		t.Errorf("%d of 10 were answered", heard)
	}
}

// TestUpstreamBreaksUpload says that a client that pauses hears of an upstream that has gone.
func TestUpstreamBreaksUpload(t *testing.T) {
	up := rawUpstream(t, func(_ net.Conn, in *bufio.Reader) { readHead(in) })
	f := serve(t, "", up, "max-fails=1")
	if res, _ := send(t, f.addr(), "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf"); res.StatusCode != 502 || !res.Close {
		t.Errorf("answer = %d, connection ends: %v; want 502 true", res.StatusCode, res.Close)
	}
	if log := f.host.Log(); !strings.Contains(log, "closed before the request was whole") || strings.Contains(log, "rests") {
		t.Errorf("log:\n%s", log)
	}
}
