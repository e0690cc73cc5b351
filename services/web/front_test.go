package web

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins"
)

// memory is an access log's writer that keeps the records.
type memory struct{ bytes.Buffer }

func (*memory) Close() error { return nil }

func TestFront(t *testing.T) {
	tests := []struct {
		name    string
		method  string
		handler http.HandlerFunc
		status  int // that the client gets; 0 means that the connection breaks
		record  string
		logged  string
	}{
		{"nothing written", "GET", func(http.ResponseWriter, *http.Request) {}, 200, ` 200 - `, ""},
		{"written", "GET", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "abc") }, 200, ` 200 3 `, ""},
		{"read from", "GET", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, strings.NewReader("abcd")) }, 200, ` 200 4 `, ""},
		{"head", "HEAD", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "abc") }, 200, ` 200 - `, ""},
		{"early hints", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusTeapot)
		}, 418, ` 418 - `, ""},
		{"panic", "GET", func(http.ResponseWriter, *http.Request) { panic("boom") }, 500, ` 500 22 `, "panic=boom"},
		{"panic with nil", "GET", func(http.ResponseWriter, *http.Request) { panic(nil) }, 500, ` 500 22 `, "nil"}, //nolint:govet // that is the case
		{"panic after bytes", "GET", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "abc")
			_ = http.NewResponseController(w).Flush()
			panic(errors.New("late"))
		}, 0, ` 200 3 `, "panic=late"},
		{"abort", "GET", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 0, ` 499 - `, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var records memory
			var text bytes.Buffer
			f := &front{guards: &guards{}, next: tt.handler, access: newAccessLog(&records, formatCombined), log: slog.New(slog.NewTextHandler(&text, nil))}
			srv := httptest.NewServer(f)
			status := 0
			r, _ := http.NewRequest(tt.method, srv.URL, nil)
			if res, err := srv.Client().Do(r); err == nil {
				if _, err = io.Copy(io.Discard, res.Body); err == nil {
					status = res.StatusCode
				}
				_ = res.Body.Close()
			}
			srv.Close()
			if status != tt.status {
				t.Errorf("status %d, want %d", status, tt.status)
			}
			if got := records.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, tt.record) {
				t.Errorf("records %q, want one with %q", got, tt.record)
			}
			if got := text.String(); tt.logged == "" && got != "" || !strings.Contains(got, tt.logged) {
				t.Errorf("log %q, want %q", got, tt.logged)
			}
			if got := text.String(); tt.logged != "" && (strings.Count(got, "\n") != 1 || !strings.Contains(got, "front_test.go")) {
				t.Errorf("log %q, want one record with the place of the panic", got)
			}
		})
	}
}

// TestFrontKnowsTheClient says whose address is recorded, what handlers see of it, and what is left of headers that only a
// trusted proxy may send.
func TestFrontKnowsTheClient(t *testing.T) {
	tests := []struct {
		name    string
		proxies trustedProxies
		peer    string
		record  string
		kept    string // of X-Forwarded-For
	}{
		{"nobody trusted", trustedProxies{}, "127.0.0.1:5", "127.0.0.1 - ", ""},
		{"another trusted", *trusting(t, "10.0.0.1"), "127.0.0.1:5", "127.0.0.1 - ", ""},
		{"trusted", *trusting(t, "loopback"), "127.0.0.1:5", "192.0.2.7 - ", "192.0.2.7"},
		{"unix socket", *trusting(t, "loopback"), "@", "- - ", ""},
		{"trusted unix socket", *trusting(t, "unix"), "@", "192.0.2.7 - ", "192.0.2.7"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var records memory
			f := &front{guards: &guards{proxies: tt.proxies}, access: newAccessLog(&records, formatCombined), log: slog.New(slog.DiscardHandler),
				next: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					setUser(wrapped{w}, "joe")
					fmt.Fprint(w, clientOf(wrapped{w}, r), " ", r.Header.Get("X-Forwarded-For"))
				})}
			w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = tt.peer
			r.Header.Set("X-Forwarded-For", "192.0.2.7")
			f.ServeHTTP(w, r)
			if got := records.String(); !strings.HasPrefix(got, tt.record+"joe [") {
				t.Errorf("record %q, want %q", got, tt.record)
			}
			client, _, _ := strings.Cut(tt.record, " ")
			if client == "-" {
				client = "invalid IP"
			}
			if got := w.Body.String(); got != client+" "+tt.kept {
				t.Errorf("the handler sees %q, want %q and header %q", got, client, tt.kept)
			}
		})
	}
}

// wrapped is what a handler between puts around a writer.
type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestControllerReachesTheServer(t *testing.T) {
	f := &front{guards: &guards{}, log: slog.New(slog.DiscardHandler), next: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Errorf("Hijack() = %v", err)
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
		_ = conn.Close()
	})}
	srv := httptest.NewServer(f)
	defer srv.Close()
	res, err := srv.Client().Get(srv.URL)
	if err != nil || res.StatusCode != 204 {
		t.Fatalf("Get() = %v, %v, want 204", res, err)
	}
	_ = res.Body.Close()
}

func TestServerLogLevels(t *testing.T) {
	tests := []struct{ text, want string }{
		{"http: TLS handshake error from 127.0.0.1:1: EOF\n", `level=DEBUG msg="http: TLS handshake error from 127.0.0.1:1: EOF"`},
		{"http2: server connection error from 127.0.0.1:1: connection error: COMPRESSION_ERROR", `level=DEBUG msg="http2: server connection`},
		{"http2: received GOAWAY [FrameHeader GOAWAY len=8], starting graceful shutdown", `level=DEBUG msg="http2: received GOAWAY`},
		{"http2: panic serving 127.0.0.1:1: boom", `level=WARN msg="http2: panic serving`},
		{"http: Accept error: too many open files; retrying in 5ms", `level=WARN msg="http: Accept error`},
	}
	for _, tt := range tests {
		var out bytes.Buffer
		handler := slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})
		log.New(serverLog{slog.New(handler)}, "", 0).Print(tt.text)
		if !strings.Contains(out.String(), tt.want) {
			t.Errorf("%q is logged as %s, want %s", tt.text, out.String(), tt.want)
		}
	}
}

// TestRefusedBeforeBody says that who asks whether to send a body, RFC 9110 section 10.1.1, gets the answer instead of it.
func TestRefusedBeforeBody(t *testing.T) {
	refuse := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) })
	f := &front{guards: &guards{minRate: 1, stall: plugins.Duration(time.Hour)}, next: limitBody(refuse, 1<<20), log: slog.New(slog.DiscardHandler)}
	srv := httptest.NewServer(f)
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusForbidden || !res.Close {
		t.Errorf("status %d, close %v, want 403 for the last request of the connection", res.StatusCode, res.Close)
	}
}
