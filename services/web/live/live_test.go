package live_test

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gtwistd/gtwistd/services/web/live"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait; reaching it is a failure.
const patience = time.Minute

// site is a directory that is served and watched.
type site struct {
	dir    string
	live   *live.Live
	server *httptest.Server
	base   string // URL of the server
	stop   func() // ends Run and waits for it
}

// serve watches a directory with these files until the test ends.
func serve(t *testing.T, files map[string]string, change func(*live.Config), poll bool) *site {
	t.Helper()
	s := &site{dir: t.TempDir()}
	for name, text := range files {
		s.write(t, name, text)
	}
	c := live.Config{Paths: []string{s.dir}, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	if change != nil {
		change(&c)
	}
	l, err := live.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if poll {
		l.Poll()
	}
	s.live = l
	s.server = httptest.NewServer(l.Wrap(http.FileServer(http.Dir(s.dir))))
	s.base = s.server.URL
	t.Cleanup(s.server.Close)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	s.stop = func() { cancel(); ended <- <-ended }
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run() = %v after the end of its context", err)
		}
	})
	return s
}

func (s *site) path(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

func (s *site) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.path(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path(name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// stream is a browser's connection.
type stream struct {
	lines *bufio.Scanner
	id    string // the last one
}

// connect returns when the files are watched. since is the version of the browser's page; "" takes the one there is.
func (s *site) connect(t *testing.T, since string) (*stream, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	query := "?since=" + since
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+"/.gtwistd/live"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	if kind := res.Header.Get("Content-Type"); res.StatusCode != 200 || kind != "text/event-stream" {
		t.Fatalf("stream: %s, %s", res.Status, kind)
	}
	b := &stream{lines: bufio.NewScanner(res.Body)}
	first, ok := b.next()
	if !ok {
		t.Fatalf("stream ends at once: %v", b.lines.Err())
	}
	return b, first
}

// next returns the data of the next event; ok is false at the end of the stream.
func (b *stream) next() (data string, ok bool) {
	for b.lines.Scan() {
		switch name, value, _ := strings.Cut(b.lines.Text(), ": "); name {
		case "id":
			b.id = value
		case "data":
			data = value
		case "":
			return data, true
		}
	}
	return "", false
}

func (b *stream) want(t *testing.T, want string) {
	t.Helper()
	if got, ok := b.next(); !ok || got != want {
		t.Errorf("event %q, %v, want %q", got, b.lines.Err(), want)
	}
}

var start = map[string]string{
	"index.html": "<p>one", "style.css": "p {}", "sub/page.html": "<p>sub", "sub/deep/er/page.html": "<p>deep", ".git/HEAD": "ref",
}

func TestChanges(t *testing.T) {
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name   string
		change func(*testing.T, *site)
		want   string
	}{
		{"a file is written", func(t *testing.T, s *site) { s.write(t, "index.html", "<p>two two") }, "page"},
		{"a style sheet is written", func(t *testing.T, s *site) { s.write(t, "style.css", "p {color: red}") }, "styles"},
		{"both are", func(t *testing.T, s *site) {
			s.write(t, "style.css", "p {color: red}")
			s.write(t, "index.html", "<p>two two")
		}, "page"},
		{"far below", func(t *testing.T, s *site) { s.write(t, "sub/deep/er/page.html", "<p>deeper") }, "page"},
		{"a new file", func(t *testing.T, s *site) { s.write(t, "new.html", "<p>new") }, "page"},
		{"a file is removed", func(t *testing.T, s *site) { must(t, os.Remove(s.path("sub/page.html"))) }, "page"},
		{"a tree is removed", func(t *testing.T, s *site) { must(t, os.RemoveAll(s.path("sub"))) }, "page"},
		{"a file is renamed", func(t *testing.T, s *site) { must(t, os.Rename(s.path("index.html"), s.path("other.html"))) }, "page"},
		{"saved by way of another file", func(t *testing.T, s *site) {
			s.write(t, ".index.html.swp", "<p>two")
			must(t, os.Rename(s.path(".index.html.swp"), s.path("index.html")))
		}, "page"},
		{"a style sheet saved by way of another file", func(t *testing.T, s *site) {
			s.write(t, "style.css~", "p {color: red}")
			must(t, os.Rename(s.path("style.css~"), s.path("style.css")))
		}, "styles"},
		{"in a new directory", func(t *testing.T, s *site) { s.write(t, "a/b/c/new.html", "<p>new") }, "page"},
		{"what is none of a site's business", func(t *testing.T, s *site) {
			for _, name := range []string{
				".git/HEAD", ".git/objects/00", ".hidden", "node_modules/x/index.js", "sub/index.html~", "4913", "#a#", "a___jb_tmp___",
				".well-known/style.css", // and this is
			} {
				s.write(t, name, "changed")
			}
		}, "styles"},
	}
	for _, poll := range []bool{false, true} {
		for _, tt := range tests {
			name := tt.name
			if poll {
				name += ", polled"
			}
			t.Run(name, func(t *testing.T) {
				files := map[string]string{".well-known/style.css": "p {}", "node_modules/x/index.js": ""}
				for name, text := range start {
					files[name] = text
				}
				s := serve(t, files, nil, poll)
				b, first := s.connect(t, "")
				if first != "page" {
					t.Fatalf("a page of no version is told %q, want page", first)
				}
				tt.change(t, s)
				b.want(t, tt.want)
			})
		}
	}
}

// TestFollows makes changes one after the other, each where only who has followed the ones before hears of it.
func TestFollows(t *testing.T) {
	for _, poll := range []bool{false, true} {
		s := serve(t, start, nil, poll)
		b, _ := s.connect(t, "")
		steps := []struct {
			name   string
			change func() error
		}{
			{"mkdir", func() error { return os.MkdirAll(s.path("x/y/z"), 0o755) }},
			{"file in it", func() error { return os.WriteFile(s.path("x/y/z/a.html"), []byte("1"), 0o644) }},
			{"rename the top", func() error { return os.Rename(s.path("x"), s.path("w")) }},
			{"file below the new name", func() error { return os.WriteFile(s.path("w/y/z/b.html"), []byte("2"), 0o644) }},
			{"the old name again", func() error { return os.MkdirAll(s.path("x/y/z"), 0o755) }},
			{"file below the old name", func() error { return os.WriteFile(s.path("x/y/z/c.html"), []byte("3"), 0o644) }},
			{"remove", func() error { return os.RemoveAll(s.path("w")) }},
			{"once more", func() error { return os.MkdirAll(s.path("w/v"), 0o755) }}, // another name: who polls may not have seen y go,
			{"file in that", func() error { return os.WriteFile(s.path("w/v/d.html"), []byte("4"), 0o644) }},
		}
		for _, step := range steps {
			if err := step.change(); err != nil {
				t.Fatal(err)
			}
			if got, ok := b.next(); !ok || got != "page" {
				t.Fatalf("%s (poll %v): event %q, %v, want page", step.name, poll, got, b.lines.Err())
			}
		}
	}
}

func TestOneFile(t *testing.T) {
	for _, poll := range []bool{false, true} {
		s := serve(t, start, nil, poll)
		l := serve(t, nil, func(c *live.Config) { c.Paths = []string{s.path("style.css")} }, poll)
		b, _ := l.connect(t, "")
		s.write(t, "index.html", "<p>not this")
		s.write(t, "style.css.new", "p {color: red}")
		if err := os.Rename(s.path("style.css.new"), s.path("style.css")); err != nil {
			t.Fatal(err)
		}
		b.want(t, "styles")
	}
}

func TestPrivateFiles(t *testing.T) {
	for _, poll := range []bool{false, true} {
		var private string
		s := serve(t, start, func(c *live.Config) {
			dir, err := filepath.EvalSymlinks(c.Paths[0])
			if err != nil {
				t.Fatal(err)
			}
			private = filepath.Join(dir, "gtwistd.log")
			c.Private = func(path string) bool { return path == private }
		}, poll)
		b, _ := s.connect(t, "")
		s.write(t, "gtwistd.log", "a request")
		s.write(t, "style.css", "p {color: red}")
		b.want(t, "styles")
	}
}

func TestRelease(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links are for administrators there")
	}
	for _, poll := range []bool{false, true} {
		releases := t.TempDir()
		for _, name := range []string{"one", "two"} {
			if err := os.Mkdir(filepath.Join(releases, name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		current := filepath.Join(releases, "current")
		if err := os.Symlink("one", current); err != nil {
			t.Fatal(err)
		}
		moved := make(chan struct{}, 10)
		s := serve(t, nil, func(c *live.Config) {
			c.Paths = []string{current}
			c.Moved = func(context.Context) { moved <- struct{}{} }
		}, poll)
		b, _ := s.connect(t, "")
		if err := os.Symlink("two", current+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(current+".new", current); err != nil {
			t.Fatal(err)
		}
		b.want(t, "page")
		<-moved
		if err := os.WriteFile(filepath.Join(releases, "two", "new.html"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		b.want(t, "page")
	}
}

// TestRootComesBack removes the directory itself, as some builds do.
func TestRootComesBack(t *testing.T) {
	for _, poll := range []bool{false, true} {
		root := filepath.Join(t.TempDir(), "public")
		if err := os.Mkdir(root, 0o755); err != nil {
			t.Fatal(err)
		}
		s := serve(t, nil, func(c *live.Config) { c.Paths = []string{root} }, poll)
		b, _ := s.connect(t, "")
		if err := os.Remove(root); err != nil {
			t.Fatal(err)
		}
		b.want(t, "page")
		if err := os.Mkdir(root, 0o755); err != nil {
			t.Fatal(err)
		}
		b.want(t, "page")
		if err := os.WriteFile(filepath.Join(root, "new.html"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		b.want(t, "page")
	}
}

func TestReconnect(t *testing.T) {
	s := serve(t, start, nil, false)
	b, _ := s.connect(t, "")
	v0 := b.id
	if _, first := s.connect(t, v0); first != "" {
		t.Errorf("a page of now is told %q, want nothing", first)
	}
	s.write(t, "style.css", "p {color: red}")
	b.want(t, "styles")
	v1 := b.id
	if _, first := s.connect(t, v0); first != "styles" {
		t.Errorf("a page from before a style sheet is told %q, want styles", first)
	}
	s.write(t, "index.html", "<p>two")
	b.want(t, "page")
	if _, first := s.connect(t, v1); first != "page" {
		t.Errorf("a page from before another is told %q, want page", first)
	}
	if _, first := s.connect(t, "ANOTHERRUN-2"); first != "page" {
		t.Errorf("a page of another run is told %q, want page", first)
	}
}

// TestHTTP2 has a stream beside other requests on one connection.
func TestHTTP2(t *testing.T) {
	s := serve(t, start, nil, false)
	srv := httptest.NewUnstartedServer(s.server.Config.Handler)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	client := srv.Client()
	defer client.CloseIdleConnections()
	res, err := client.Get(srv.URL + "/.gtwistd/live")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.ProtoMajor != 2 {
		t.Errorf("protocol %s, want HTTP/2", res.Proto)
	}
	b := &stream{lines: bufio.NewScanner(res.Body)}
	b.want(t, "page")
	page, err := client.Get(srv.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	page.Body.Close()
	s.write(t, "index.html", "<p>two")
	b.want(t, "page")
	s.stop()
	if got, ok := b.next(); ok || b.lines.Err() != nil {
		t.Errorf("event %q, %v after the end, want the end of the stream", got, b.lines.Err())
	}
}

// TestPagesFromBefore has a page that was handed out when changes could still be missed.
func TestPagesFromBefore(t *testing.T) {
	dir := t.TempDir()
	l, err := live.New(live.Config{Paths: []string{dir}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Accept", "text/html")
	w := httptest.NewRecorder()
	h := l.Wrap(http.FileServer(http.Dir(dir)))
	h.ServeHTTP(w, r)
	_, since, _ := strings.Cut(w.Body.String(), "since=")
	since, _, _ = strings.Cut(since, `"`)

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	srv := httptest.NewServer(h)
	defer srv.Close()
	s := &site{dir: dir, base: srv.URL}
	b, first := s.connect(t, since)
	if first != "page" {
		t.Errorf("a page %s from before is told %q, want page", since, first)
	}
	if _, first := s.connect(t, b.id); first != "" {
		t.Errorf("a page of now is told %q, want nothing", first)
	}
	cancel()
}

func TestEndOfRunEndsStreams(t *testing.T) {
	s := serve(t, start, nil, false)
	b, _ := s.connect(t, "")
	s.stop()
	if got, ok := b.next(); ok || b.lines.Err() != nil {
		t.Errorf("event %q, %v after the end, want the end of the stream", got, b.lines.Err())
	}
}

func TestNewRefuses(t *testing.T) {
	_, err := live.New(live.Config{Paths: []string{filepath.Join(t.TempDir(), "none")}})
	if !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), `watch "`) {
		t.Errorf("New(none) = %v, want an error that names it", err)
	}
}
