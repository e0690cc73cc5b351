package static_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gtwistd/gtwistd/services/web/static"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// changed is when every file of the tests was written.
var changed = time.Date(2026, 11, 20, 9, 31, 36, 123456789, time.UTC)

// tree writes files below a new directory; a name that ends with a slash is a directory.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, changed, changed); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func newHandler(t testing.TB, path string) *static.Handler {
	t.Helper()
	return newHandlerOf(t, static.Config{Path: path, Options: static.Options{Index: []string{"index.html", "index.htm"}}})
}

func newHandlerOf(t testing.TB, c static.Config) *static.Handler {
	t.Helper()
	if c.Pool == nil {
		c.Pool = pool{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	h, err := static.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// pool runs everything at once, with an error instead if it has one.
type pool struct{ err error }

func (p pool) Do(ctx context.Context, fn func() error) error {
	if p.err != nil {
		return p.err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return fn()
}

// server serves the handler on the loopback interface.
func server(t testing.TB, h http.Handler) net.Addr {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.Listener.Addr()
}

// answer is what came back, the body read.
type answer struct {
	*http.Response
	body string
}

// ask sends a request as it stands, so that no client cleans it up. Lines end with "\n"; Host and the end of the headers
// are added.
func ask(t testing.TB, addr net.Addr, request string) answer {
	t.Helper()
	conn, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	request = strings.TrimSuffix(request, "\n") + "\nHost: test\nConnection: close\n\n"
	if _, err := io.WriteString(conn, strings.ReplaceAll(request, "\n", "\r\n")); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%q: body: %v", request, err)
	}
	return answer{res, string(body)}
}

func get(t testing.TB, addr net.Addr, path string, headers ...string) answer {
	t.Helper()
	return ask(t, addr, fmt.Sprintf("GET %s HTTP/1.1\n%s", path, strings.Join(headers, "\n")))
}

func TestContentTypes(t *testing.T) {
	files := map[string]struct{ content, want string }{
		"a.html":    {"x", "text/html; charset=utf-8"},
		"A.HTML":    {"x", "text/html; charset=utf-8"},
		"a.txt":     {"x", "text/plain; charset=utf-8"},
		"a.js":      {"x", "text/javascript; charset=utf-8"},
		"a.mjs":     {"x", "text/javascript; charset=utf-8"},
		"a.css":     {"x", "text/css; charset=utf-8"},
		"a.md":      {"x", "text/markdown; charset=utf-8"},
		"a.json":    {"x", "application/json"},
		"a.wasm":    {"x", "application/wasm"},
		"a.svg":     {"x", "image/svg+xml"},
		"a.webp":    {"x", "image/webp"},
		"a.avif":    {"x", "image/avif"},
		"a.woff2":   {"x", "font/woff2"},
		"a.tar.gz":  {"x", "application/gzip"},
		"Makefile":  {"all:\n", "text/plain; charset=utf-8"},
		"empty":     {"", "text/plain; charset=utf-8"},
		"page":      {"<!DOCTYPE html><script>alert(1)</script>", "text/plain; charset=utf-8"},
		"latin":     {"caf\xe9\n", "text/plain"},
		"cut":       {strings.Repeat("x", 511) + "ü", "text/plain; charset=utf-8"},
		"utf16":     {"\xff\xfea\x00", "text/plain; charset=utf-16le"},
		"a.unknown": {"text", "text/plain; charset=utf-8"},
		"binary":    {"\x00\x01\x02", "application/octet-stream"},
		"png":       {"\x89PNG\r\n\x1a\n", "application/octet-stream"},
	}
	content := map[string]string{}
	for name, f := range files {
		content[name] = f.content
	}
	addr := server(t, newHandler(t, tree(t, content)))
	for name, f := range files {
		for _, method := range []string{"GET", "HEAD"} {
			res := ask(t, addr, method+" /"+name+" HTTP/1.1")
			if got := res.Header.Get("Content-Type"); res.StatusCode != 200 || got != f.want {
				t.Errorf("%s /%s = %d, Content-Type %q, want 200, %q", method, name, res.StatusCode, got, f.want)
			}
		}
	}
}

func TestSingleFile(t *testing.T) {
	dir := tree(t, map[string]string{"the report.txt": "report", "other.txt": "other"})
	addr := server(t, newHandler(t, filepath.Join(dir, "the report.txt")))
	tests := []struct {
		path        string
		status      int
		disposition string
	}{
		{"/", 200, `inline; filename="the report.txt"`},
		{"/the%20report.txt", 200, ""},
		{"/the%20report.txt/", 404, ""},
		{"/other.txt", 404, ""},
		{"/nothing", 404, ""},
	}
	for _, tt := range tests {
		res := get(t, addr, tt.path)
		if res.StatusCode != tt.status || tt.status == 200 && res.body != "report" {
			t.Errorf("GET %s = %d %q, want %d", tt.path, res.StatusCode, res.body, tt.status)
		}
		if got := res.Header.Get("Content-Disposition"); got != tt.disposition {
			t.Errorf("GET %s: Content-Disposition %q, want %q", tt.path, got, tt.disposition)
		}
	}
}
