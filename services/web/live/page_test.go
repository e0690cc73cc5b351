package live_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/services/web/live"
)

// browser is what a browser sends to open a page.
var browser = http.Header{"Accept": {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, "Accept-Encoding": {"gzip, br"}}

var tag = regexp.MustCompile(`<script async src="/\.gtwistd/live\.js\?since=[A-Z2-7]{8}-0"></script>$`)

// ask sends a request to a handler behind a Live, over a real connection, and returns the body as it comes.
func ask(t *testing.T, next http.Handler, method, path string, header http.Header) (*http.Response, string) {
	t.Helper()
	l, err := live.New(live.Config{})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(l.Wrap(next))
	defer srv.Close()
	r, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = with(header)
	res, err := (&http.Transport{DisableKeepAlives: true, DisableCompression: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: body: %v", method, path, err)
	}
	return res, string(body)
}

// answer is a handler that answers always the same.
func answer(status int, body string, header ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		if status != 0 {
			w.WriteHeader(status)
		}
		if r.Method != http.MethodHead {
			io.WriteString(w, body)
		}
	})
}

func with(h http.Header, pairs ...string) http.Header {
	h = h.Clone()
	if h == nil {
		h = http.Header{}
	}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

func TestTag(t *testing.T) {
	const page, html = "<!doctype html><p>hello", "text/html; charset=utf-8"
	var squeezed bytes.Buffer
	z := gzip.NewWriter(&squeezed)
	io.WriteString(z, page)
	z.Close()
	tests := []struct {
		name    string
		next    http.Handler
		request http.Header
		tagged  bool
	}{
		{"a page", answer(200, page, "Content-Type", html), browser, true},
		{"with a length", answer(200, page, "Content-Type", html, "Content-Length", fmt.Sprint(len(page))), browser, true},
		{"a type to be guessed", answer(0, page), browser, true},
		{"an empty page", answer(200, "", "Content-Type", html, "Content-Length", "0"), browser, true},
		{"an error page", answer(404, page, "Content-Type", html), browser, true},
		{"a long page", answer(200, strings.Repeat(page, 100000), "Content-Type", html), browser, true},
		{"upper case", answer(200, page, "Content-Type", "Text/HTML"), browser, true},
		{"a program asks", answer(200, page, "Content-Type", html), http.Header{"Accept": {"*/*"}}, false},
		{"a script asks", answer(200, page, "Content-Type", html), with(browser, "Sec-Fetch-Dest", "empty"), false},
		{"a frame asks", answer(200, page, "Content-Type", html), with(browser, "Sec-Fetch-Dest", "iframe"), true},
		{"text", answer(200, page, "Content-Type", "text/plain"), browser, false},
		{"an image", answer(0, "\x89PNG\r\n\x1a\n"), browser, false},
		{"XHTML", answer(200, page, "Content-Type", "application/xhtml+xml"), browser, false},
		{"a part", answer(206, page, "Content-Type", html), browser, false},
		{"a redirection", answer(302, page, "Content-Type", html, "Location", "/x"), browser, false},
		{"compressed all the same", answer(200, squeezed.String(), "Content-Type", html, "Content-Encoding", "gzip"), browser, false},
		{"a download", answer(200, page, "Content-Type", html, "Content-Disposition", "Attachment; filename=a.html"), browser, false},
		{"no content", answer(204, "", "Content-Type", html), browser, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res, body := ask(t, tt.next, http.MethodGet, "/", tt.request)
			if got := tag.MatchString(body); got != tt.tagged {
				t.Errorf("tagged: %v, want %v: %.200q", got, tt.tagged, body)
			}
			cache := "no-cache"
			if tt.tagged {
				cache = "no-store"
			}
			if got := res.Header.Get("Cache-Control"); got != cache {
				t.Errorf("Cache-Control: %s, want %s", got, cache)
			}
			plain := httptest.NewRecorder()
			tt.next.ServeHTTP(plain, httptest.NewRequest(http.MethodGet, "/", nil))
			if got := tag.ReplaceAllString(body, ""); got != plain.Body.String() {
				t.Errorf("the rest is %.100q, want what it is without Live, %.100q", got, plain.Body)
			}
			head, _ := ask(t, tt.next, http.MethodHead, "/", tt.request)
			for _, name := range []string{"Content-Type", "Cache-Control", "Etag"} {
				if tt.name != "a type to be guessed" && tt.name != "an image" && head.Header.Get(name) != res.Header.Get(name) {
					t.Errorf("%s: %q for HEAD, %q for GET", name, head.Header.Get(name), res.Header.Get(name))
				}
			}
			if head.ContentLength >= 0 && head.ContentLength != int64(len(body)) {
				t.Errorf("Content-Length: %d for HEAD, %d for GET", head.ContentLength, len(body))
			}
		})
	}
}

// TestFiles is about what http.FileServer does with ranges and conditions.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	modified := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	for name, text := range map[string]string{"page.html": "<p>0123456789", "a.js": "0123456789"} {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(dir+"/"+name, modified, modified); err != nil {
			t.Fatal(err)
		}
	}
	files := http.FileServer(http.Dir(dir))
	since := modified.Format(http.TimeFormat)
	tests := []struct {
		name, path string
		request    http.Header
		status     int
		body       string // without a tag
		tagged     bool
		modified   string // Last-Modified
	}{
		{"a copy from before Live is not confirmed", "/page.html", with(browser, "If-Modified-Since", since), 200, "<p>0123456789", true, ""},
		{"a program's copy is", "/page.html", http.Header{"If-Modified-Since": {since}}, 304, "", false, since},
		{"a script is confirmed", "/a.js", http.Header{"Accept": {"*/*"}, "If-Modified-Since": {since}}, 304, "", false, since},
		{"a part of a page", "/page.html", with(browser, "Range", "bytes=3-5"), 206, "012", false, since},
		{"a part of a script", "/a.js", http.Header{"Range": {"bytes=2-4"}}, 206, "234", false, since},
		{"no part of a page", "/page.html", with(browser, "Range", "bytes=99-"), 416, "invalid range: failed to overlap\n", false, ""},
		{"a directory", "/", browser, 200, "", true, since},
		{"none", "/none", browser, 404, "404 page not found\n", false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res, body := ask(t, files, http.MethodGet, tt.path, tt.request)
			if res.StatusCode != tt.status || tag.MatchString(body) != tt.tagged {
				t.Errorf("GET %s = %s, %q, want %d, tagged %v", tt.path, res.Status, body, tt.status, tt.tagged)
			}
			if rest := tag.ReplaceAllString(body, ""); tt.path != "/" && rest != tt.body {
				t.Errorf("GET %s = %q, want %q", tt.path, rest, tt.body)
			}
			if got := res.Header.Get("Last-Modified"); tt.path != "/" && got != tt.modified {
				t.Errorf("Last-Modified: %q, want %q", got, tt.modified)
			}
			if ranges := res.Header.Get("Accept-Ranges"); tt.tagged && ranges != "" {
				t.Errorf("Accept-Ranges: %q of a page with the tag", ranges)
			}
		})
	}
}

func TestPolicyOfPage(t *testing.T) {
	shared := []string{"default-src 'none'"}
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{"text/html"}
		w.Header()["Content-Security-Policy"] = shared
		io.WriteString(w, "<p>")
	})
	res, _ := ask(t, next, http.MethodGet, "/", browser)
	if got, want := res.Header.Get("Content-Security-Policy"), "default-src 'none'; script-src 'self'; connect-src 'self'"; got != want {
		t.Errorf("policy = %s, want %s", got, want)
	}
	if shared[0] != "default-src 'none'" {
		t.Errorf("the handler's own value became %q", shared[0])
	}
}

// TestOwnPaths asks for the script and the stream in ways that they do not have.
func TestOwnPaths(t *testing.T) {
	next := answer(404, "next")
	res, body := ask(t, next, http.MethodGet, "/.gtwistd/live.js?since=x", nil)
	if res.StatusCode != 200 || !strings.Contains(body, "EventSource") || res.Header.Get("Content-Type") != "text/javascript; charset=utf-8" {
		t.Errorf("script: %s %v %.50q", res.Status, res.Header, body)
	}
	for _, path := range []string{"/.gtwistd/live", "/.gtwistd/live.js"} {
		if res, _ := ask(t, next, http.MethodPost, path, nil); res.StatusCode != 405 || res.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("POST %s = %s, Allow %q", path, res.Status, res.Header.Get("Allow"))
		}
		if res, _ := ask(t, next, http.MethodHead, path, nil); res.StatusCode != 200 {
			t.Errorf("HEAD %s = %s", path, res.Status)
		}
	}
	if _, body := ask(t, next, http.MethodGet, "/.gtwistd/other", nil); body != "next" {
		t.Errorf("GET /.gtwistd/other = %q, want what the site has", body)
	}
}

func TestBase(t *testing.T) {
	l, err := live.New(live.Config{Base: "/app/"})
	if err != nil {
		t.Fatal(err)
	}
	h := l.Wrap(answer(200, "<p>", "Content-Type", "text/html"))
	get := func(path string) string {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header = browser
		h.ServeHTTP(w, r)
		return w.Body.String()
	}
	if body := get("/app/"); !strings.Contains(body, `src="/app/.gtwistd/live.js?`) {
		t.Errorf("page = %s", body)
	}
	if body := get("/app/.gtwistd/live.js"); !strings.Contains(body, "EventSource") {
		t.Errorf("script = %s", body)
	}
}

// TestAbort says that a page that is not whole does not look as if it were.
func TestAbort(t *testing.T) {
	l, err := live.New(live.Config{})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(l.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<p>half")
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})))
	defer srv.Close()
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL, nil)
	r.Header = browser.Clone()
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err == nil || string(body) != "<p>half" {
		t.Errorf("body = %q, %v, want half and an error", body, err)
	}
}
