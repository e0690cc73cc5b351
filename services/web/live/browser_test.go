package live_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/services/web/live"
)

// watchedPage tells the test, whenever it changes, what it shows, in which colour, and a number that each load draws anew.
const watchedPage = `<!doctype html><title>live</title><link rel="stylesheet" href="style.css"><p id="text">TEXT</p>
<script>
const load = Math.random();
let said = "";
setInterval(() => {
	const text = document.getElementById("text");
	const now = [text.textContent, getComputedStyle(text).color, load].join("|");
	if (now !== said) fetch("/seen?" + encodeURIComponent(now));
	said = now;
}, 10);
</script>`

// sight is what a page told.
type sight struct{ text, colour, load string }

// TestBrowser lets a real browser look at a site while its files change and its server starts anew.
func TestBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed (Debian package chromium)")
	}
	s := &site{dir: t.TempDir()}
	write := func(text string) { s.write(t, "index.html", strings.Replace(watchedPage, "TEXT", text, 1)) }
	write("one")
	s.write(t, "style.css", "p {color: rgb(1, 1, 1)}")
	seen := make(chan sight, 100)
	address, stop := runSite(t, s, "127.0.0.1:0", seen)
	openBrowser(t, chromium, "http://"+address+"/")

	first := await(t, seen, "one", "rgb(1, 1, 1)")
	s.write(t, "style.css", "p {color: rgb(2, 2, 2)}")
	if styled := await(t, seen, "one", "rgb(2, 2, 2)"); styled.load != first.load {
		t.Error("a style sheet alone loaded the whole page again")
	}
	write("two")
	second := await(t, seen, "two", "rgb(2, 2, 2)")
	if second.load == first.load {
		t.Error("the page changed without being loaded")
	}

	// The page goes away and comes back. Meanwhile nothing is shown that would not hear of it.
	b, _ := s.connect(t, "")
	if err := os.Remove(s.path("index.html")); err != nil {
		t.Fatal(err)
	}
	s.write(t, "index.htm", "") // so that there is no listing
	b.want(t, "page")
	write("three")
	await(t, seen, "three", "rgb(2, 2, 2)")

	stop()
	write("four")
	_, stop = runSite(t, s, address, seen)
	await(t, seen, "four", "rgb(2, 2, 2)")
	stop()
}

// runSite serves and watches until stop is called. Each page has a policy that would keep the script out.
func runSite(t *testing.T, s *site, address string, seen chan<- sight) (bound string, stop func()) {
	t.Helper()
	l, err := live.New(live.Config{Paths: []string{s.dir}, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	files := l.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := os.Stat(s.path("index.html")); err != nil && r.URL.Path == "/" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "no-store") // FileServer takes two changes within a second for one
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'unsafe-inline'")
		http.FileServer(http.Dir(s.dir)).ServeHTTP(w, r)
	}))
	mux := http.NewServeMux()
	mux.Handle("/", files)
	mux.HandleFunc("/seen", func(_ http.ResponseWriter, r *http.Request) {
		query, _ := url.QueryUnescape(r.URL.RawQuery)
		parts := strings.Split(query, "|")
		seen <- sight{parts[0], parts[1], parts[2]}
	})
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: mux}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 2)
	go func() { ended <- srv.Serve(listener) }()
	go func() { ended <- l.Run(ctx) }()
	bound = listener.Addr().String()
	s.base = "http://" + bound
	return bound, func() {
		cancel()
		if err := srv.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown() = %v: does a stream hang?", err)
		}
		<-ended
		<-ended
	}
}

// openBrowser shows a page until the test ends.
func openBrowser(t *testing.T, chromium, page string) {
	t.Helper()
	profile, err := os.MkdirTemp("", "chromium")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--disable-background-networking", "--no-first-run", "--no-proxy-server", "--user-data-dir="+profile, page)
	cmd.Env = append(os.Environ(), "HOME="+profile)
	output, err := os.Create(profile + "/output")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = output, output
	cmd.WaitDelay = patience
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			_, _ = output.Seek(0, io.SeekStart)
			_, _ = io.Copy(t.Output(), output)
		}
		_ = output.Close()
		_ = os.RemoveAll(profile) // its other processes may still end and write there
	})
}

// await returns when the page shows this.
func await(t *testing.T, seen <-chan sight, text, colour string) sight {
	t.Helper()
	var last sight
	for deadline := time.After(patience); ; {
		select {
		case last = <-seen:
			if last.text == text && last.colour == colour {
				return last
			}
		case <-deadline:
			t.Fatalf("the page shows %+v, want %s in %s", last, text, colour)
		}
	}
}
