package web

import (
	"bytes"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// memory is an access log's writer that keeps the records.
type memory struct{ bytes.Buffer }

func (*memory) Close() error { return nil }

func request(method, target string) *http.Request {
	r := httptest.NewRequest(method, "/", nil)
	r.RequestURI, r.RemoteAddr = target, "127.0.0.1:12345"
	return r
}

func TestRecord(t *testing.T) {
	tests := []struct {
		name   string
		change func(*http.Request)
		status int
		sent   int64
		want   string
	}{
		{"plain", func(r *http.Request) { r.Header.Set("User-Agent", "curl/7.88.1") }, 200, 3,
			`127.0.0.1 - - [20/Nov/2026:09:31:36 +0000] "GET /a.txt HTTP/1.1" 200 3 "-" "curl/7.88.1"`},
		{"referer, no bytes", func(r *http.Request) { r.Header.Set("Referer", "http://x/") }, 304, 0,
			`127.0.0.1 - - [20/Nov/2026:09:31:36 +0000] "GET /a.txt HTTP/1.1" 304 - "http://x/" "-"`},
		{"ipv6", func(r *http.Request) { r.RemoteAddr = "[::1]:80" }, 200, 3,
			`::1 - - [20/Nov/2026:09:31:36 +0000] "GET /a.txt HTTP/1.1" 200 3 "-" "-"`},
		{"unix socket", func(r *http.Request) { r.RemoteAddr = "@" }, 200, 3,
			`- - - [20/Nov/2026:09:31:36 +0000] "GET /a.txt HTTP/1.1" 200 3 "-" "-"`},
		{"escapes", func(r *http.Request) {
			r.RequestURI = "/\"\x00\xff"
			r.Header.Set("User-Agent", "a\"b\\c\n\x1b[31m\x7fü")
		}, 404, 10, `127.0.0.1 - - [20/Nov/2026:09:31:36 +0000] "GET /\x22\x00\xFF HTTP/1.1" 404 10 "-" "a\x22b\x5Cc\x0A\x1B[31m\x7F\xC3\xBC"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out memory
			a := newAccessLog(&out)
			a.now = func() time.Time { return time.Date(2026, 11, 20, 10, 31, 36, 5, time.FixedZone("", 3600)) }
			r := request("GET", "/a.txt")
			tt.change(r)
			a.record(r, tt.status, tt.sent)
			if got := out.String(); got != tt.want+"\n" {
				t.Errorf("record = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestRecordTimeGoesOn(t *testing.T) {
	var out memory
	a, now := newAccessLog(&out), time.Date(2026, 11, 20, 23, 59, 59, 0, time.UTC)
	a.now = func() time.Time { return now }
	for range 3 {
		a.record(request("GET", "/"), 200, 1)
		now = now.Add(time.Second / 2)
	}
	got := strings.Count(out.String(), "[20/Nov/2026:23:59:59 +0000]") == 2 && strings.Count(out.String(), "[21/Nov/2026:00:00:00 +0000]") == 1
	if !got {
		t.Errorf("records = %s, want two before midnight and one at it", out.String())
	}
}

func TestRecordDoesNotAllocate(t *testing.T) {
	r, b := request("GET", "/some/path?and=query"), make([]byte, 0, 512)
	r.Header.Set("User-Agent", "Mozilla/5.0 (\"quoted\")")
	if n := testing.AllocsPerRun(100, func() { b = appendRecord(b[:0], "now", r, 200, 12345) }); n != 0 {
		t.Errorf("%v allocations for a record, want none", n)
	}
}

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
			f := &front{next: tt.handler, access: newAccessLog(&records), log: slog.New(slog.NewTextHandler(&text, nil))}
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

func TestControllerReachesTheServer(t *testing.T) {
	f := &front{log: slog.New(slog.DiscardHandler), next: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
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
