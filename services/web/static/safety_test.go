package static_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/services/web/static"
)

func symlink(t testing.TB, target, link string) {
	t.Helper()
	if err := os.Symlink(target, link); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
}

func TestLinks(t *testing.T) {
	outside := tree(t, map[string]string{"passwd": "secret", "dir/file": "secret"})
	dir := tree(t, map[string]string{"a.txt": "a", "sub/b.txt": "b", "open/": ""})
	for link, target := range map[string]string{
		"inside":           "a.txt",
		"sub/up":           "../a.txt",
		"subdir":           "sub",
		"absolute":         filepath.Join(outside, "passwd"),
		"absolute-inside":  filepath.Join(dir, "a.txt"),
		"dir":              filepath.Join(outside, "dir"),
		"relative":         "../" + filepath.Base(outside) + "/passwd",
		"loop":             "loop",
		"nowhere":          "nothing",
		"open/index.html":  filepath.Join(outside, "passwd"),
		"sub/climbing-out": "../../" + filepath.Base(outside) + "/passwd",
	} {
		symlink(t, target, filepath.Join(dir, link))
	}
	addr := server(t, newHandler(t, dir))
	tests := []struct {
		path   string
		status int
		body   string
	}{
		{"/inside", 200, "a"},
		{"/sub/up", 200, "a"},
		{"/subdir/b.txt", 200, "b"},
		{"/subdir", 301, "Moved Permanently\n"},
		{"/absolute", 404, "Not Found\n"},
		{"/absolute-inside", 404, "Not Found\n"},
		{"/dir", 404, "Not Found\n"},
		{"/dir/", 404, "Not Found\n"},
		{"/dir/file", 404, "Not Found\n"},
		{"/relative", 404, "Not Found\n"},
		{"/sub/climbing-out", 404, "Not Found\n"},
		{"/loop", 404, "Not Found\n"},
		{"/nowhere", 404, "Not Found\n"},
	}
	for _, tt := range tests {
		if res := get(t, addr, tt.path); res.StatusCode != tt.status || res.body != tt.body {
			t.Errorf("GET %s = %d %q, want %d %q", tt.path, res.StatusCode, res.body, tt.status, tt.body)
		}
	}
	if res := get(t, addr, "/open/"); res.StatusCode != 200 || strings.Contains(res.body, "secret") {
		t.Errorf("GET /open/ = %d %q, want the listing", res.StatusCode, res.body)
	}
	page := get(t, addr, "/").body
	for name, want := range map[string]bool{"inside": true, "subdir/": true, "absolute": false, "dir": false, "loop": false, "nowhere": false} {
		if got := strings.Contains(page, `href="./`+name+`"`); got != want {
			t.Errorf("listing has %q: %v, want %v", name, got, want)
		}
	}
}

// TestSecretByAnyName says that a file that tells who may do what is served under no name, in an archive neither, unless it is the
// one that was asked for.
func TestSecretByAnyName(t *testing.T) {
	dir := tree(t, map[string]string{"passwords": "secret", "page.html": "page", "site/index.html": "index", "site/list/a.txt": "a"})
	for _, name := range []string{"hard.txt", "list/hard.txt"} {
		if err := os.Link(filepath.Join(dir, "passwords"), filepath.Join(dir, "site", name)); err != nil {
			t.Skipf("no hard links here: %v", err)
		}
	}
	secret, err := os.Stat(filepath.Join(dir, "passwords"))
	if err != nil {
		t.Fatal(err)
	}
	is := func(info fs.FileInfo) bool { return os.SameFile(info, secret) }
	for _, memory := range []plugins.Size{0, 1 << 20} {
		site := server(t, newHandlerOf(t, static.Config{Path: filepath.Join(dir, "site"), PrivateFile: is, Options: static.Options{Memory: memory, Archive: true}}))
		for range 2 {
			if res := get(t, site, "/hard.txt"); res.StatusCode != 404 || strings.Contains(res.body, "secret") {
				t.Errorf("GET /hard.txt = %d %q, want 404", res.StatusCode, res.body)
			}
		}
		if res := get(t, site, "/?archive=tar"); res.StatusCode != 200 || strings.Contains(res.body, "secret") || strings.Contains(res.body, "hard.txt") {
			t.Errorf("the archive is %d, of %d bytes, with the secret or its name", res.StatusCode, len(res.body))
		}
		if res := get(t, site, "/list/"); res.StatusCode != 200 || strings.Contains(res.body, "hard.txt") {
			t.Errorf("the listing is %d, with the secret: %v", res.StatusCode, strings.Contains(res.body, "hard.txt"))
		}
	}
	alone := server(t, newHandlerOf(t, static.Config{Path: filepath.Join(dir, "passwords"), PrivateFile: is}))
	if res := get(t, alone, "/"); res.StatusCode != 200 {
		t.Errorf("the file that is served alone: %d", res.StatusCode)
	}
}

// TestPrivateBelow reaches the program's own files by all ways that lead to them. They are asked for anew each time: one may
// come to be after New.
func TestPrivateBelow(t *testing.T) {
	base := tree(t, map[string]string{"site/open.txt": "open", "site/sub/deep/users": "secret", "site/sub/late": "secret"})
	site := filepath.Join(base, "site")
	symlink(t, "sub/deep/users", filepath.Join(site, "link"))
	symlink(t, "link", filepath.Join(site, "chain"))
	symlink(t, "sub", filepath.Join(site, "directory"))
	symlink(t, "../late", filepath.Join(site, "sub/deep/up"))
	symlink(t, "site", filepath.Join(base, "alias"))
	real, err := filepath.EvalSymlinks(site)
	if err != nil {
		t.Fatal(err)
	}
	for _, root := range []string{"site", "alias"} {
		var private atomic.Pointer[string]
		addr := server(t, newHandlerOf(t, static.Config{
			Path:    filepath.Join(base, root),
			Private: func(path string) bool { p := private.Load(); return p != nil && path == *p },
			PrivateBelow: func(dir string) string {
				if p := private.Load(); p != nil && strings.HasPrefix(*p, dir) {
					return *p
				}
				return ""
			},
		}))
		for _, tt := range []struct {
			private string
			ways    []string
		}{
			{"sub/deep/users", []string{"/sub/deep/users", "/link", "/chain", "/directory/deep/users"}},
			{"sub/late", []string{"/sub/late", "/directory/late", "/sub/deep/up", "/directory/deep/up"}},
		} {
			private.Store(nil)
			for _, way := range tt.ways {
				if res := get(t, addr, way); res.body != "secret" {
					t.Errorf("%s, before it is private: GET %s = %d %q", root, way, res.StatusCode, res.body)
				}
			}
			path := filepath.Join(real, tt.private)
			private.Store(&path)
			for _, way := range tt.ways {
				if res := get(t, addr, way); res.StatusCode != 404 {
					t.Errorf("%s: GET %s = %d %q, want 404", root, way, res.StatusCode, res.body)
				}
			}
			if res := get(t, addr, "/open.txt"); res.body != "open" {
				t.Errorf("%s: GET /open.txt = %d", root, res.StatusCode)
			}
		}
	}
}

func TestReloadFollowsTheLink(t *testing.T) {
	base := tree(t, map[string]string{"one/a.txt": "one", "two/a.txt": "two"})
	current := filepath.Join(base, "current")
	symlink(t, "one", current)
	h := newHandler(t, current)
	addr := server(t, h)
	ask := func(want string) {
		t.Helper()
		if got := get(t, addr, "/a.txt").body; got != want {
			t.Errorf("GET /a.txt = %q, want %q", got, want)
		}
	}
	ask("one")
	if err := os.Remove(current); err != nil {
		t.Fatal(err)
	}
	if err := h.Reload(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Reload() without the link = %v, want it not to exist", err)
	}
	ask("one")
	symlink(t, "two", current)
	ask("one")
	if err := h.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	ask("two")
	want, err := filepath.EvalSymlinks(filepath.Join(base, "two"))
	if got := h.Root(); err != nil || got != want {
		t.Errorf("Root() = %q, want %q (%v)", got, want, err)
	}
}

// TestReloadUnderLoad says that a request never meets a root that a reload has just closed.
func TestReloadUnderLoad(t *testing.T) {
	dir := tree(t, map[string]string{"a.txt": "a", "dir/index.html": "b", "list/": ""})
	symlink(t, "../a.txt", filepath.Join(dir, "list/link"))
	h := newHandler(t, dir)
	done := make(chan error)
	go func() {
		defer close(done)
		for range 200 {
			if err := h.Reload(t.Context()); err != nil {
				done <- err
				return
			}
		}
	}()
	for running := true; running; {
		select {
		case err, open := <-done:
			if open {
				t.Error(err)
			}
			running = false
		default:
		}
		for path, want := range map[string]string{"/a.txt": "a", "/dir/": "b"} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			if w.Code != 200 || w.Body.String() != want {
				t.Fatalf("GET %s = %d %q, want 200 %q", path, w.Code, w.Body, want)
			}
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/list/", nil))
		if w.Code != 200 || !strings.Contains(w.Body.String(), `href="./link"`) {
			t.Fatalf("GET /list/ = %d %q, want a listing with its link", w.Code, w.Body)
		}
	}
}

func TestTroubleHere(t *testing.T) {
	dir := tree(t, map[string]string{"a.txt": "a"})
	trouble := func(err error) error { return &fs.PathError{Op: "openat", Path: "a.txt", Err: err} }
	tests := []struct {
		name   string
		err    error
		status int
		retry  string
		logged bool
	}{
		{"pool full", plugins.ErrFull, 503, "1", false},
		{"too many open files", trouble(syscall.EMFILE), 503, "1", true},
		{"disk error", trouble(syscall.EIO), 500, "", true},
		{"panic in the pool", errors.New("panic: boom"), 500, "", true},
		{"no permission", trouble(syscall.EACCES), 403, "", false},
		{"missing", trouble(syscall.ENOENT), 404, "", false},
		{"unheard of", trouble(errors.New("path escapes from parent")), 404, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log strings.Builder
			h := newHandlerOf(t, static.Config{Path: dir, Pool: pool{tt.err}, Log: textLog(&log)})
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", "/a.txt", nil))
			if w.Code != tt.status || w.Header().Get("Retry-After") != tt.retry {
				t.Errorf("= %d, Retry-After %q, want %d, %q", w.Code, w.Header().Get("Retry-After"), tt.status, tt.retry)
			}
			if got := log.Len() > 0; got != tt.logged {
				t.Errorf("log %q, want one: %v", log.String(), tt.logged)
			}
		})
	}
}

func TestClientGone(t *testing.T) {
	h := newHandler(t, tree(t, map[string]string{"a.txt": "a"}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	defer func() {
		if v := recover(); v != http.ErrAbortHandler {
			t.Errorf("panic with %v, want %v", v, http.ErrAbortHandler)
		}
	}()
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/a.txt", nil))
	t.Error("there is an answer for nobody")
}

// TestFileShrinks cuts a file while it is sent: the client must see that the answer is not whole, and nothing else.
func TestFileShrinks(t *testing.T) {
	const size = 64 << 20 // more than socket buffers hold
	dir := t.TempDir()
	file := filepath.Join(dir, "big")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, size); err != nil {
		t.Fatal(err)
	}
	addr := server(t, newHandler(t, dir))
	res, err := http.Get("http://" + addr.String() + "/big")
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer res.Body.Close()
	if err := os.Truncate(file, 10); err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, res.Body)
	if res.ContentLength != size || n >= size || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %d of %d bytes, %v, want fewer and %v", n, res.ContentLength, err, io.ErrUnexpectedEOF)
	}
	if res := get(t, addr, "/big"); res.StatusCode != 200 || len(res.body) != 10 {
		t.Errorf("afterwards %d, %d bytes, want 200, 10 bytes", res.StatusCode, len(res.body))
	}
}

// FuzzPath says that no path leads to what is hidden or outside, from memory or not, and that a redirect stays on this host.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"/", "/a.txt", "/sub", "//sub", "/\\sub", "/.git/config", "/sub/../.git/config", "/..", "/a\x00", "/\xff", "", "*"} {
		f.Add(seed)
	}
	base := tree(f, map[string]string{"root/a.txt": "public", "root/sub/": "", "root/.git/config": "secret", "outside": "secret"})
	h := newHandlerOf(f, static.Config{Path: filepath.Join(base, "root"), Options: static.Options{Memory: 1 << 20}})
	f.Fuzz(func(t *testing.T, path string) {
		hot, ok := h.Hot(t.Context(), &static.HotRequest{Path: []byte(path)})
		if strings.Contains(string(hot.Body), "secret") || ok && hot.Status != 200 {
			t.Errorf("from memory %q = %d %q", path, hot.Status, hot.Body)
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.URL = &url.URL{Path: path}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if strings.Contains(w.Body.String(), "secret") {
			t.Errorf("GET %q = %q", path, w.Body)
		}
		if w.Code != 200 && w.Code != 301 && w.Code != 404 {
			t.Errorf("GET %q = %d", path, w.Code)
		}
		location := w.Header().Get("Location")
		if w.Code == 301 && (!strings.HasPrefix(location, "/") || len(location) > 1 && strings.ContainsAny(location[1:2], `/\`)) {
			t.Errorf("GET %q: Location %q", path, location)
		}
	})
}
