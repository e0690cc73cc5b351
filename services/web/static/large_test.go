package static

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// counting is a pool that runs everything at once and counts; each may be nil or does something after each call.
type counting struct {
	calls int
	each  func()
}

func (c *counting) Do(ctx context.Context, fn func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.calls++
	err := fn()
	if c.each != nil {
		c.each()
	}
	return err
}

// large returns a handler for a directory of n empty files.
func large(t *testing.T, n int, pool *counting) *Handler {
	t.Helper()
	dir := t.TempDir()
	fill(t, dir, 0, n)
	return handlerOf(t, dir, pool)
}

// fill makes the files from one number up to another.
func fill(t *testing.T, dir string, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("file-%05d.txt", i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func handlerOf(t *testing.T, dir string, pool *counting) *Handler {
	t.Helper()
	h, err := New(Config{Path: dir, Pool: pool, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// aborts says whether the handler gives the request up.
func aborts(h http.Handler, w http.ResponseWriter, r *http.Request) (aborted bool) {
	defer func() { aborted = recover() == http.ErrAbortHandler }()
	h.ServeHTTP(w, r)
	return false
}

func TestLargeListingIsWhole(t *testing.T) {
	dir, made := t.TempDir(), 0
	for _, n := range []int{batch - 1, batch, 2*batch - 1, 2 * batch, 2*batch + 1} {
		fill(t, dir, made, n)
		made = n
		h := handlerOf(t, dir, &counting{})
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		got := strings.Count(w.Body.String(), `<tr class="text"><th scope="row"><a href="./file-`)
		if w.Code != 200 || got != n || !strings.HasSuffix(w.Body.String(), "</html>\n") {
			t.Errorf("listing of %d files = %d with %d rows", n, w.Code, got)
		}
		if len(h.large) != 0 {
			t.Errorf("after a listing of %d files, %d slots are taken", n, len(h.large))
		}
	}
}

// TestLargeListingsWaitTheirTurn says that what does not get a slot in time is refused, and that small ones need none.
func TestLargeListingsWaitTheirTurn(t *testing.T) {
	h, small := large(t, 2*batch+1, &counting{}), large(t, 1, &counting{})
	synctest.Test(t, func(t *testing.T) {
		busy := make(chan struct{}, 1)
		busy <- struct{}{}
		h.large, small.large = busy, busy
		begin := time.Now()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || time.Since(begin) != patience {
			t.Errorf("without a slot = %d, Retry-After %q after %v, want 503 after %v", w.Code, w.Header().Get("Retry-After"), time.Since(begin), patience)
		}

		ctx, cancel := context.WithTimeout(t.Context(), patience/2)
		defer cancel()
		begin = time.Now()
		if !aborts(h, httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/", nil)) || time.Since(begin) != patience/2 {
			t.Errorf("a client that left was let go after %v, want %v", time.Since(begin), patience/2)
		}

		for name, ask := range map[string]func(w http.ResponseWriter){
			"small": func(w http.ResponseWriter) { small.ServeHTTP(w, httptest.NewRequest("GET", "/", nil)) },
			"head":  func(w http.ResponseWriter) { h.ServeHTTP(w, httptest.NewRequest("HEAD", "/", nil)) },
		} {
			w := httptest.NewRecorder()
			if ask(w); w.Code != 200 {
				t.Errorf("%s: %d while all slots are taken, want 200", name, w.Code)
			}
		}
	})
}

func TestListingStopsReadingForNobody(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	pool := &counting{}
	h := large(t, 4*batch, pool)
	pool.each = func() {
		if pool.calls == 3 { // find, begin, and one batch of five
			cancel()
		}
	}
	if !aborts(h, httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/", nil)) {
		t.Error("there is an answer for nobody")
	}
	if pool.calls != 3 || len(h.large) != 0 {
		t.Errorf("%d calls and %d slots taken, want 3 and 0", pool.calls, len(h.large))
	}
}

// leaving is a client that goes away after the first bytes.
type leaving struct {
	*httptest.ResponseRecorder
	writes, largest int
	leave           func()
}

func (l *leaving) Write(p []byte) (int, error) {
	l.writes++
	l.largest = max(l.largest, len(p))
	if l.leave != nil {
		l.leave()
	}
	return l.ResponseRecorder.Write(p)
}

func TestListingStopsSendingToNobody(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	h := large(t, 3*batch, &counting{})
	w := &leaving{ResponseRecorder: httptest.NewRecorder(), leave: cancel}
	if !aborts(h, w, httptest.NewRequestWithContext(ctx, "GET", "/", nil)) {
		t.Error("an answer that is not whole ends as if it were")
	}
	if w.writes != 1 || len(h.large) != 0 {
		t.Errorf("%d writes and %d slots taken, want 1 and 0", w.writes, len(h.large))
	}
}

func TestListingIsSentInChunks(t *testing.T) {
	h := large(t, 3*batch, &counting{})
	w := &leaving{ResponseRecorder: httptest.NewRecorder()}
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.writes < 5 || w.largest > pageChunk+maxRow || w.Header().Get("Content-Length") != "" {
		t.Errorf("%d writes of at most %d bytes, Content-Length %q", w.writes, w.largest, w.Header().Get("Content-Length"))
	}
}

func TestListingIsCutVisibly(t *testing.T) {
	h := large(t, 2, &counting{})
	tr := h.tree.Load()
	dir, err := tr.root.Open(".")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	l := &listing{tree: tr, name: ".", dir: dir, entries: make([]entry, maxListed-1, maxListed)}
	if err := l.read(); err != nil || len(l.entries) != maxListed || !l.cut || !l.whole {
		t.Errorf("read() = %v, %d entries, cut %v", err, len(l.entries), l.cut)
	}
	l.entries = l.entries[maxListed-1:]
	w := httptest.NewRecorder()
	p := &page{w: w, r: httptest.NewRequest("GET", "/", nil)}
	p.html(h.layout, "", l, order{})
	p.end(true)
	if !strings.Contains(w.Body.String(), "more than the 250000 names") || !strings.Contains(w.Body.String(), "<p>More than ") {
		t.Errorf("the page does not say that it is cut: %s", w.Body)
	}
	if got := plain(func(p *page) { p.text(l) }); !strings.Contains(got, "more than the 250000 names") {
		t.Errorf("the text does not say that it is cut: %s", got)
	}
	if got := plain(func(p *page) { p.json("", l) }); !strings.Contains(got, `"truncated":true}`) {
		t.Errorf("the object does not say that it is cut: %s", got)
	}
}

// plain is what a format writes in one chunk.
func plain(write func(p *page)) string {
	p := &page{r: httptest.NewRequest("GET", "/", nil)}
	write(p)
	return string(p.buf)
}

// TestDeadlineEndsWithTheListing says that the connection is good for a long download afterwards.
func TestDeadlineEndsWithTheListing(t *testing.T) {
	h := large(t, 3*batch, &counting{})
	w := &deadlines{ResponseWriter: httptest.NewRecorder()}
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.set < 2 || !w.last.IsZero() {
		t.Errorf("the deadline was set %d times, at last to %v, want some and at last none", w.set, w.last)
	}
}

type deadlines struct {
	http.ResponseWriter
	set  int
	last time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.set++
	d.last = t
	return nil
}

func TestCompareNames(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "A", 0}, {"a", "B", -1}, {"B", "a", 1}, {"ab", "a", 1}, {"_", "a", -1}, {"Z", "_", 1},
		{"xÄ", "xä", 0}, {"ä", "z", 1}, {"Z\xff", "z\xff", 0},
		{"a9", "a10", -1}, {"a10", "a9", 1}, {"a10b", "a10a", 1}, {"a010", "a10", -1}, {"a010", "a9", 1}, {"a010", "a11", -1},
		{"10", "9a", 1}, {"2.10.1", "2.9", 1}, {"a1", "ab", -1}, {"a", "a1", -1}, {"0", "00", -1}, {"1x", "1", 1}, {"x20y1", "x20y02", -1},
		{"99999999999999999999999998", "99999999999999999999999999", -1},
	}
	for _, tt := range tests {
		if got := compareNatural(tt.a, tt.b); got != tt.want {
			t.Errorf("compareNatural(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
		if got := compareNatural(tt.b, tt.a); got != -tt.want {
			t.Errorf("compareNatural(%q, %q) = %d, want %d", tt.b, tt.a, got, -tt.want)
		}
		if compareNames(tt.a, tt.b) == 0 && tt.a != tt.b {
			t.Errorf("compareNames(%q, %q) = 0", tt.a, tt.b)
		}
	}
}

// FuzzCompareNames says that the order is one: whatever comes first comes first both ways round, and before what comes later.
func FuzzCompareNames(f *testing.F) {
	f.Add("a1b", "a01b", "A1")
	f.Add("1", "01", "1a")
	f.Add("ä2", "Ä10", "a\xff")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		names := []string{a, b, c}
		slices.SortFunc(names, compareNames)
		for i := range names {
			for j := range i {
				if x, y := compareNames(names[j], names[i]), compareNames(names[i], names[j]); x > 0 || x != -y || x == 0 && names[i] != names[j] {
					t.Errorf("sorted %q, but %q and %q compare as %d and %d", names, names[j], names[i], x, y)
				}
			}
		}
	})
}
