//go:build unix

package web_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/web"
)

// TestLive looks at a site whose files change: a page, one whose parts are in memory already, and a listing.
func TestLive(t *testing.T) {
	dir := directory(t, map[string]string{
		"page.html": "<!doctype html><p>one</p><script src=part.js></script>", "part.js": "document.title = 'one'", "sub/a.txt": "", "favicon.ico": "",
	})
	srv := plugintest.Start(t, web.Plugin(), "--port", "0", "--path", dir, "--live", "--compress", "--cache-control", "*.js=max-age=3600, immutable")
	base := "http://" + srv.Addrs()[0].String() + "/"
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b := openTab(t)
	b.open(base + "page.html")
	for _, tt := range []struct{ name, text, want string }{
		{"page.html", "<!doctype html><p>two</p><script src=part.js></script>", "two one"},
		{"part.js", "document.title = 'two'", "two two"},
		{"page.html", "<!doctype html><p>three</p><script src=part.js></script>", "three two"},
	} {
		b.after(func() { write(tt.name, tt.text) }, "Page.loadEventFired", nil)
		if got := eval[string](b, `document.querySelector("p").textContent + " " + document.title`); got != tt.want {
			t.Errorf("after a change of %s the page shows %q, want %q", tt.name, got, tt.want)
		}
	}

	b.open(base + "sub/")
	b.after(func() { write("sub/b.txt", "") }, "Page.loadEventFired", nil)
	if got := eval[[]string](b, rows); !slices.Equal(got, []string{"a.txt", "b.txt"}) {
		t.Errorf("after a change the listing shows %q, want a.txt and b.txt", got)
	}
	if list := b.complaints(base); len(list) > 0 {
		t.Errorf("the browser complains: %q", list)
	}

	// A stop does not wait for the browser, which has a stream open.
	srv.Drain()
	if err := srv.Wait(); err != nil {
		t.Errorf("Serve() = %v", err)
	}
}

// TestLiveIsGuarded says that who may not have the pages is not told when they change.
func TestLiveIsGuarded(t *testing.T) {
	dir := directory(t, map[string]string{"public/a.html": "<p>", "users": "joe:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n"})
	srv := plugintest.Start(t, web.Plugin(), "--port", "127.0.0.1:0", "--path", filepath.Join(dir, "public"), "--live", "--auth", filepath.Join(dir, "users"))
	for _, tt := range []struct {
		password string
		want     int
	}{{"", 401}, {"wrong", 401}, {"secret", 200}} {
		r, err := http.NewRequestWithContext(t.Context(), "HEAD", "http://"+srv.Addrs()[0].String()+"/.gtwistd/live", nil)
		if err != nil {
			t.Fatal(err)
		}
		if tt.password != "" {
			r.SetBasicAuth("joe", tt.password)
		}
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != tt.want {
			t.Errorf("with the password %q = %d, want %d", tt.password, res.StatusCode, tt.want)
		}
	}
}
