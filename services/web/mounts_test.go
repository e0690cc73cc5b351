package web_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/web"
)

// startSite starts the service with mounts and returns a client of it.
func startSite(t *testing.T, args ...string) *http1 {
	t.Helper()
	addr, _ := startCounted(t, args...)
	return newHTTP1(t, addr).(*http1)
}

// TestNoWayAroundAMount says that no spelling of a path gets from a mount that is nearer to the root what another one guards.
func TestNoWayAroundAMount(t *testing.T) {
	dir := datedDirectory(t, map[string]string{"a.txt": "a", "private/x": "secret", "sub/b.txt": "b"})
	c := startSite(t, "--mount", "/=static:"+dir, "--mount", "/private=static:"+filepath.Join(dir, "sub"))
	tests := []struct {
		path   string
		status int
		body   string
	}{
		{"/private/x", 404, "Not Found\n"},
		{"//private/x", 404, "Not Found\n"},
		{"///private//x", 404, "Not Found\n"},
		{"/%2Fprivate/x", 404, "Not Found\n"},
		{"/./private/x", 404, "Not Found\n"},
		{"/%2e/private/x", 404, "Not Found\n"},
		{"/sub/../private/x", 404, "Not Found\n"},
		{"/sub/..//private/x", 404, "Not Found\n"},
		{"/%70rivate/x", 404, "Not Found\n"},
		{"//private", 404, "Not Found\n"},
		{"/private/../a.txt", 404, "Not Found\n"},
		{"/private//b.txt", 200, "b"},
		{"//a.txt", 200, "a"},
		{"/sub//b.txt", 200, "b"},
	}
	for _, tt := range tests {
		for range 2 {
			if res := c.ask(t, "GET "+tt.path+" HTTP/1.1"); res.StatusCode != tt.status || res.body != tt.body {
				t.Errorf("GET %s = %d %q, want %d %q", tt.path, res.StatusCode, res.body, tt.status, tt.body)
			}
		}
	}
}

// TestSamePathOfTwoMounts says that what is in memory for one mount or host is not sent for another.
func TestSamePathOfTwoMounts(t *testing.T) {
	dir := datedDirectory(t, map[string]string{"one/a.txt": "one", "two/a.txt": "two", "files/a.txt": "three", "files/filesystem/a.txt": "four"})
	below := func(name string) string { return "static:" + filepath.Join(dir, name) }
	c := startSite(t, "--mount", "/files="+below("one"), "--mount", "two.example/files="+below("two"), "--mount", "/="+below("files"),
		"--mount", "/one/more="+below("one")+",add-header=X-Which: more")
	for range 3 {
		for request, want := range map[string]string{
			"GET /files/a.txt HTTP/1.1":                         "one",
			"GET /files/a.txt HTTP/1.1\nHost: two.example":      "two",
			"GET /files/a.txt HTTP/1.1\nHost: TWO.example:8080": "two",
			"GET http://two.example/files/a.txt HTTP/1.1":       "two",
			"GET /a.txt HTTP/1.1":                               "three",
			"GET /a.txt HTTP/1.1\nHost: two.example":            "three",
			"GET /filesystem/a.txt HTTP/1.1":                    "four",
			"GET /one/more/a.txt HTTP/1.1":                      "one",
		} {
			res := c.ask(t, request)
			if more := strings.Contains(request, "more"); res.body != want || (res.Header.Get("X-Which") == "more") != more {
				t.Errorf("%s = %q, X-Which %q, want %q", request, res.body, res.Header.Get("X-Which"), want)
			}
		}
	}
}

// TestHeadersOfAMount says that what every answer of a mount has is in every answer.
func TestHeadersOfAMount(t *testing.T) {
	dir := datedDirectory(t, map[string]string{"a.txt": digits, "page.html": "page", "dir/": ""})
	s := newSite(t, dir, "--add-header", "X-Two: 1", "--add-header", "X-Two: 2", "--add-header", "Vary: Cookie", "--cache-control", "*.txt=no-cache",
		"--cors", "--precompressed", "--mime-type", ".txt=text/x-test")
	tag := s.get(t, "/a.txt").Header.Get("ETag")
	tests := []struct {
		request string
		status  int
		cache   string
	}{
		{"GET /a.txt HTTP/1.1", 200, "no-cache"},
		{"HEAD /a.txt HTTP/1.1", 200, "no-cache"},
		{"GET /a.txt HTTP/1.1\nOrigin: https://a.example", 200, "no-cache"},
		{"GET /a.txt HTTP/1.1\nIf-None-Match: " + tag, 304, "no-cache"},
		{"GET /a.txt HTTP/1.1\nRange: bytes=0-0", 206, "no-cache"},
		{"GET /a.txt HTTP/1.1\nIf-Match: \"other\"", 412, "no-cache"},
		{"GET /a.txt HTTP/1.1\nRange: bytes=99-", 416, ""},
		{"GET /page.html HTTP/1.1", 200, ""},
		{"GET /nothing HTTP/1.1", 404, ""},
		{"GET /dir HTTP/1.1", 301, ""},
		{"POST /a.txt HTTP/1.1\nContent-Length: 0", 405, ""},
		{"OPTIONS /a.txt HTTP/1.1", 204, ""},
		{"OPTIONS /a.txt HTTP/1.1\nOrigin: https://a.example\nAccess-Control-Request-Method: GET", 204, ""},
	}
	for _, tt := range tests {
		res := s.ask(t, tt.request)
		if res.StatusCode != tt.status || res.Header.Get("Cache-Control") != tt.cache {
			t.Errorf("%q = %d, Cache-Control %q, want %d, %q", tt.request, res.StatusCode, res.Header.Get("Cache-Control"), tt.status, tt.cache)
		}
		if two := res.Header["X-Two"]; len(two) != 2 || two[0] != "1" || two[1] != "2" || res.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%q: X-Two %q, Access-Control-Allow-Origin %q", tt.request, two, res.Header.Get("Access-Control-Allow-Origin"))
		}
		if vary := res.Header["Vary"]; len(vary) == 0 || vary[0] != "Cookie" || tt.cache != "" && (len(vary) != 2 || vary[1] != "Accept-Encoding") {
			t.Errorf("%q: Vary %q", tt.request, vary)
		}
	}
	if got := s.get(t, "/a.txt").Header.Get("Content-Type"); got != "text/x-test" {
		t.Errorf("Content-Type %q", got)
	}
}

// TestCORS says which sites' scripts may read the answers.
func TestCORS(t *testing.T) {
	dir := datedDirectory(t, map[string]string{"a.txt": "a"})
	s := newSite(t, dir, "--cors=https://A.example:443", "--cors=http://b.example:8080")
	for origin, want := range map[string]string{
		"https://a.example": "https://a.example", "http://b.example:8080": "http://b.example:8080", "http://a.example": "", "https://a.example.evil": "",
		"http://b.example": "", "null": "", "": "",
	} {
		for range 2 {
			res := s.get(t, "/a.txt", "Origin: "+origin)
			if got := res.Header.Get("Access-Control-Allow-Origin"); got != want || res.Header.Get("Vary") != "Origin" {
				t.Errorf("from %q: allowed %q, Vary %q, want %q", origin, got, res.Header.Get("Vary"), want)
			}
		}
	}
}

func TestRedirects(t *testing.T) {
	c := startSite(t, "--mount", "/old=redirect:/new", "--mount", "/a b=redirect:https://example.org/x?y=1", "--mount", "/only=redirect:/here,exact,status=308",
		"--mount", "/ü=redirect:https://example.org", "--mount", "/new=static:"+t.TempDir())
	tests := []struct {
		path, location string
		status         int
	}{
		{"/old", "/new", 302},
		{"/old/", "/new/", 302},
		{"/old/a%2Fb/c%20d?q=%2F", "/new/a%2Fb/c%20d?q=%2F", 302},
		{"/%6Fld/x", "/new/x", 302},
		{"/old//evil.example/", "/new/evil.example/", 302},
		{"/old/%2F%2Fevil.example", "/new/%2F%2Fevil.example", 302},
		{"/old/%5Cevil.example", "/new/%5Cevil.example", 302},
		{"/a%20b/c?z", "https://example.org/x/c?y=1", 302},
		{"/%C3%BC/%C3%BC", "https://example.org/%C3%BC", 302},
		{"/%C3%BC", "https://example.org", 302},
		{"/only/x?y", "/here", 308},
	}
	for _, tt := range tests {
		res := c.ask(t, "GET "+tt.path+" HTTP/1.1")
		if got := res.Header.Get("Location"); res.StatusCode != tt.status || got != tt.location {
			t.Errorf("GET %s = %d, %q, want %d, %q", tt.path, res.StatusCode, got, tt.status, tt.location)
		}
	}
}

func TestCleanURLs(t *testing.T) {
	s := newSite(t, datedDirectory(t, map[string]string{
		"index.html": "start", "about.html": "about", "sub/index.html": "sub", "both.html": "page", "both": "file", "dir.html": "page", "dir/a": "",
	}), "--clean-urls")
	tests := []struct {
		path     string
		status   int
		body     string
		location string
	}{
		{"/about", 200, "about", ""},
		{"/about?x", 200, "about", ""},
		{"/about.html?x=1", 301, "", "/about?x=1"},
		{"/about/", 404, "", ""},
		{"/index.html", 301, "", "/"},
		{"/index", 200, "start", ""},
		{"/sub/index.html", 301, "", "/sub/"},
		{"/sub/", 200, "sub", ""},
		{"/both", 200, "file", ""},
		{"/both.html", 200, "page", ""},
		{"/dir", 301, "", "/dir/"},
		{"/dir.html", 200, "page", ""},
	}
	for _, tt := range tests {
		res := s.get(t, tt.path)
		if got := res.Header.Get("Location"); res.StatusCode != tt.status || tt.status == 200 && res.body != tt.body || got != tt.location {
			t.Errorf("GET %s = %d %q, Location %q, want %d %q, %q", tt.path, res.StatusCode, res.body, got, tt.status, tt.body, tt.location)
		}
	}
}

// TestFallbacks says who gets the page that stands for others, and with which status.
func TestFallbacks(t *testing.T) {
	dir := datedDirectory(t, map[string]string{"index.html": "app", "errors/404.html": "a page that says that there is no such page", "a.txt": "a", "empty/": ""})
	s := newSite(t, dir, "--spa", "index.html", "--not-found", "/errors/404.html", "--cache-control", "*.html=no-cache", "--listing", "off")
	tests := []struct {
		path, headers string
		status        int
		body          string
	}{
		{"/a.txt", "", 200, "a"},
		{"/users/joe", "", 200, "app"},
		{"/users/joe", "Range: bytes=0-0", 206, "a"},
		{"/empty/", "", 200, "app"},
		{"/page.html", "", 200, "app"},
		{"/.git/config", "", 200, "app"},
		{"/app.js", "Accept: text/html,*/*", 200, "app"},
		{"/app.js", "Accept: */*", 404, "a page that says that there is no such page"},
		{"/app.js", "Range: bytes=0-0", 404, "a page that says that there is no such page"},
		{"/app.js", "If-None-Match: *", 404, "a page that says that there is no such page"},
	}
	for _, tt := range tests {
		for _, method := range []string{"GET", "HEAD"} {
			res := s.ask(t, method+" "+tt.path+" HTTP/1.1\n"+tt.headers)
			status, body := tt.status, tt.body
			if method == "HEAD" {
				body = ""
				if status == 206 {
					status = 200
				}
			}
			if res.StatusCode != status || res.body != body {
				t.Errorf("%s %s with %q = %d %q, want %d %q", method, tt.path, tt.headers, res.StatusCode, res.body, status, body)
			}
			if tag := res.Header.Get("ETag"); status == 404 && tag != "" {
				t.Errorf("%s %s: 404 with the ETag %s", method, tt.path, tag)
			}
			if got := res.Header.Get("Cache-Control"); tt.path != "/a.txt" && got != "no-cache" {
				t.Errorf("%s %s: Cache-Control %q", method, tt.path, got)
			}
		}
	}
}

// TestUploadIsSeenAtOnce says that who has sent a file does not get the one before from memory.
func TestUploadIsSeenAtOnce(t *testing.T) {
	dir := datedDirectory(t, map[string]string{"a.txt": "old"})
	c := startSite(t, "--path", dir, "--upload", "--upload-overwrite")
	for _, content := range []string{"new", "newer", "newest"} {
		c.ask(t, "GET /a.txt HTTP/1.1")
		if res := c.send(t, "PUT /a.txt HTTP/1.1", content); res.StatusCode != 204 {
			t.Fatalf("PUT /a.txt = %d %q", res.StatusCode, res.body)
		}
		if got := c.ask(t, "GET /a.txt HTTP/1.1").body; got != content {
			t.Errorf("GET /a.txt = %q, want %q", got, content)
		}
	}
}

// TestReloadDropsMemory exchanges the release directory behind a link.
func TestReloadDropsMemory(t *testing.T) {
	base := datedDirectory(t, map[string]string{"one/a.txt": "one", "two/a.txt": "two"})
	current := filepath.Join(base, "current")
	point := func(to string) {
		t.Helper()
		_ = os.Remove(current)
		if err := os.Symlink(to, current); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
	}
	point("one")
	srv := plugintest.Start(t, web.Plugin(), "--port", "0", "--path", current)
	c := newHTTP1(t, srv.Addrs()[0])
	for _, want := range []string{"one", "two", "one", "two"} {
		point(want)
		if err := srv.Service.(plugins.Reloader).Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if got := c.ask(t, "GET /a.txt HTTP/1.1").body; got != want {
				t.Errorf("GET /a.txt = %q, want %q", got, want)
			}
		}
	}
}

// TestMountWithoutAuth exempts a mount from what all others ask for.
func TestMountWithoutAuth(t *testing.T) {
	dir := datedDirectory(t, map[string]string{"a.txt": "a"})
	users := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(users, []byte("joe:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, dir, "--auth", users, "--auth-realm", "x", "--mount", "/open=static:"+dir+",auth=off")
	for path, want := range map[string]int{"/a.txt": 401, "/open/a.txt": 200} {
		if res := s.get(t, path); res.StatusCode != want {
			t.Errorf("GET %s = %d, want %d", path, res.StatusCode, want)
		}
	}
}
