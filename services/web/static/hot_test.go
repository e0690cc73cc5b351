package static

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"

	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins"
)

// atOnce is a pool that runs everything at once, or nothing if it is full.
type atOnce struct{ full atomic.Bool }

func (p *atOnce) Do(ctx context.Context, fn func() error) error {
	if p.full.Load() {
		return plugins.ErrFull
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return fn()
}

// fakeClock is a clock that a test sets. It begins when all files are settled.
type fakeClock struct{ offset atomic.Int64 }

func (c *fakeClock) now() time.Time {
	return time.Now().Add(time.Hour + time.Duration(c.offset.Load()))
}
func (c *fakeClock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// hotHandler serves dir with a clock of its own.
func hotHandler(t testing.TB, dir string, change func(*Config)) (*Handler, *fakeClock) {
	t.Helper()
	c := Config{Path: dir, Pool: &atOnce{}, Log: slog.New(slog.DiscardHandler), Options: Options{Memory: 1 << 20, Index: []string{"index.html"}}}
	if change != nil {
		change(&c)
	}
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	clock := &fakeClock{}
	if hot := h.tree.Load().hot; hot != nil {
		hot.clock, hot.start = clock.now, clock.now()
	}
	return h, clock
}

// hot is what memory answers, "" for nothing.
func hot(t testing.TB, h *Handler, path string) string {
	t.Helper()
	a, ok := h.Hot(t.Context(), &HotRequest{Path: []byte(path)})
	if !ok {
		return ""
	}
	return string(a.Body)
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestStaleness proves on a clock of its own how old what memory says can be.
func TestStaleness(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.txt")
	h, clock := hotHandler(t, dir, nil)
	for n, age := range []time.Duration{0, lookAgain - 10*time.Millisecond, lookAgain, tooOld - 10*time.Millisecond, tooOld, time.Second, time.Hour} {
		before, after := fmt.Sprint("before ", n), fmt.Sprint("after ", n)
		write(t, file, before)
		clock.advance(time.Hour)
		if got := hot(t, h, "/a.txt"); got != before {
			t.Fatalf("hot = %q, want %q", got, before)
		}
		write(t, file, after)
		clock.advance(age)
		first, second := hot(t, h, "/a.txt"), hot(t, h, "/a.txt")
		if age >= lookAgain && first != after || second != first {
			t.Errorf("after %v: %q, then %q, want the new one: %v", age, first, second, age >= lookAgain)
		}
	}
}

// TestOneLooksAgain says that only one reader asks the disk while others still may use what there is.
func TestOneLooksAgain(t *testing.T) {
	r := &record{}
	if !r.usable(lookAgain - 1) {
		t.Error("a fresh record cannot be used")
	}
	if r.usable(lookAgain) || !r.usable(lookAgain) || !r.usable(tooOld-1) {
		t.Error("not one reader alone looks again")
	}
	for range 2 {
		if r.usable(tooOld) {
			t.Error("a record is used that is too old")
		}
	}
}

// TestUnsettled says that a file is not kept whose next change its time might not show.
func TestUnsettled(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.txt")
	write(t, file, "a")
	now := time.Now()
	tests := []struct {
		name     string
		modified time.Time
		clock    time.Time
		settled  bool
	}{
		{"just written", now, now.Add(tick / 2), false},
		{"written a while ago", now, now.Add(time.Hour), true},
		{"an old time, just written", now.Add(-time.Hour), now.Add(tick / 2), changeTime(mustStat(t, file)) == 0},
		{"in the future", now.Add(2 * time.Hour), now.Add(time.Hour), false},
		{"a time without a fraction", now.Add(time.Hour).Truncate(time.Second), now.Add(time.Hour).Truncate(time.Second).Add(tick), false},
		{"a time without a fraction a while ago", now.Add(time.Hour).Truncate(time.Second), now.Add(time.Hour + 2*coarseTick), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.Chtimes(file, tt.modified, tt.modified); err != nil {
				t.Fatal(err)
			}
			h, _ := hotHandler(t, dir, nil)
			h.tree.Load().hot.clock = func() time.Time { return tt.clock }
			if got := hot(t, h, "/a.txt") != ""; got != tt.settled {
				t.Errorf("kept: %v, want %v", got, tt.settled)
			}
		})
	}
}

func mustStat(t testing.TB, path string) os.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// TestFullPoolFromMemory says that a pool that takes nothing makes no wrong answers, and that what is fresh needs none.
func TestFullPoolFromMemory(t *testing.T) {
	dir, pool := t.TempDir(), &atOnce{}
	write(t, filepath.Join(dir, "a.txt"), "a")
	h, clock := hotHandler(t, dir, func(c *Config) { c.Pool = pool })
	serve := func() int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/a.txt", nil))
		return w.Code
	}
	pool.full.Store(true)
	if got, status := hot(t, h, "/a.txt"), serve(); got != "" || status != 503 {
		t.Errorf("with a full pool: %q, %d, want nothing, 503", got, status)
	}
	pool.full.Store(false)
	hot(t, h, "/a.txt")
	pool.full.Store(true)
	if got, status := hot(t, h, "/a.txt"), serve(); got != "a" || status != 200 {
		t.Errorf("with a full pool and a fresh file: %q, %d, want a, 200", got, status)
	}
	clock.advance(time.Second)
	if got, status := hot(t, h, "/a.txt"), serve(); got != "" || status != 503 {
		t.Errorf("with a full pool and an old file: %q, %d, want nothing, 503", got, status)
	}
	pool.full.Store(false)
	if got := hot(t, h, "/a.txt"); got != "a" {
		t.Errorf("afterwards: %q, want a", got)
	}
}

// TestPrivateNotFromMemory says that the program's own files are not in memory, also by way of links and index files, and
// leave it when they become private.
func TestPrivateNotFromMemory(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"key.pem", "later.pem", "dir/index.html", "dir/a.txt", "key.pem.gz", "page.html"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), "secret")
	}
	for link, target := range map[string]string{"link.pem": "key.pem", "here": ".", "dir/up": "../dir"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
	}
	own := []string{"key.pem", "dir/index.html", "page.html"}
	var later atomic.Bool
	h, clock := hotHandler(t, dir, func(c *Config) {
		c.Options.Listing, c.Options.CleanURLs = ListOff, true
		c.Private = func(path string) bool {
			name, err := filepath.Rel(dir, path)
			return err != nil || slices.Contains(own, filepath.ToSlash(name)) || name == "later.pem" && later.Load()
		}
	})
	check := func(path string, want int) {
		t.Helper()
		for range 2 {
			w := httptest.NewRecorder()
			body := hot(t, h, path)
			h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			if w.Code != want || (body != "") != (want == 200) {
				t.Errorf("GET %s = %d %q, from memory %q, want %d", path, w.Code, w.Body, body, want)
			}
		}
	}
	for _, path := range []string{"/key.pem", "/link.pem", "/here/key.pem", "/here/here/link.pem", "/dir/", "/dir/index.html", "/dir/up/up/", "/page", "/page.html"} {
		check(path, 404)
	}
	check("/dir/up/a.txt", 200)
	check("/later.pem", 200)
	later.Store(true)
	clock.advance(time.Second)
	check("/later.pem", 404)
}

// TestMemoryIsBounded sends a crawler over 20,000 files while a few others are asked for again and again.
func TestMemoryIsBounded(t *testing.T) {
	const files = 20_000
	dir := t.TempDir()
	for i := range files {
		name := filepath.Join(dir, fmt.Sprint(i))
		if i < 100 {
			write(t, name, strings.Repeat("x", 20*i))
		} else if err := os.Link(filepath.Join(dir, fmt.Sprint(i%100)), name); err != nil {
			t.Skipf("no hard links here: %v", err)
		}
	}
	h, _ := hotHandler(t, dir, nil)
	cache := h.tree.Load().hot
	popular := []string{"/10", "/11", "/12", "/13", "/14", "/15", "/16"}
	for i := range files {
		hot(t, h, fmt.Sprint("/", i))
		if i%5 == 0 {
			for _, path := range popular {
				hot(t, h, path)
			}
		}
	}
	size, records := int64(0), 0
	for i := range cache.shards {
		s := &cache.shards[i]
		sum := int64(0)
		for key, rec := range s.records {
			sum += rec.cost
			if least := int64(len(key)) + recordOverhead; rec.cost < least {
				t.Errorf("%s costs %d, less than %d", key, rec.cost, least)
			}
		}
		if sum != s.size || sum > cache.limit {
			t.Errorf("a shard holds %d bytes, says %d, may hold %d", sum, s.size, cache.limit)
		}
		size, records = size+sum, records+len(s.records)
	}
	if size > 1<<20 || size < 1<<19 || records < 100 {
		t.Errorf("%d bytes in %d records, want up to 1 MiB and not much less", size, records)
	}
	for _, path := range popular {
		if cache.get([]byte(path[1:])) == nil {
			t.Errorf("%s was evicted", path)
		}
	}
	small, _ := hotHandler(t, dir, func(c *Config) { c.Options.Memory = 10 << 10 })
	if hot(t, small, "/10") == "" || small.tree.Load().hot.get([]byte("10")) != nil {
		t.Error("a memory that is too small for any record holds one, or does not answer")
	}
	if h, _ := hotHandler(t, dir, func(c *Config) { c.Options.Memory = 0 }); hot(t, h, "/10") != "" {
		t.Error("no memory holds a record")
	}
}

// TestReloadWhileReading says that what was read below the root before a reload is not kept after it.
func TestReloadWhileReading(t *testing.T) {
	base := t.TempDir()
	for _, name := range []string{"one", "two"} {
		if err := os.Mkdir(filepath.Join(base, name), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(base, name, "a.txt"), name)
	}
	current := filepath.Join(base, "current")
	if err := os.Symlink("one", current); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	h, _ := hotHandler(t, current, nil)
	before := h.tree.Load()
	if err := os.Remove(current); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("two", current); err != nil {
		t.Fatal(err)
	}
	// A request that was under way: it found the tree before the reload, and ends after it.
	rec, err := h.refresh(t.Context(), before, "a.txt", nil)
	if err != nil || string(rec.variants[0].body) != "one" {
		t.Fatalf("%v, %v", rec, err)
	}
	if err := h.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.tree.Load().hot.clock = func() time.Time { return time.Now().Add(time.Hour) }
	if got := hot(t, h, "/a.txt"); got != "two" {
		t.Errorf("after the reload: %q, want two", got)
	}
}

// TestForget says that what was being read when the memory was emptied does not come into it.
func TestForget(t *testing.T) {
	c := newHotCache(1<<20, time.Now)
	before := c.forgotten.Load()
	c.put("a", &record{cost: 1}, before)
	if c.get([]byte("a")) == nil {
		t.Fatal("not kept")
	}
	c.forget()
	c.put("b", &record{cost: 1}, before)
	if c.get([]byte("a")) != nil || c.get([]byte("b")) != nil {
		t.Error("kept what was to be forgotten")
	}
	(*hotCache)(nil).forget()
}

// history is what a file was, each state with the time at which it was complete.
type history struct {
	mu     sync.Mutex
	states []string
	done   []time.Time
}

// begin adds the states that a change goes through.
func (h *history) begin(states ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.states = append(h.states, states...)
}

func (h *history) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.done) < len(h.states) {
		h.done = append(h.done, time.Now())
	}
}

// judge looks for an answer that was asked for at a time among the states of that time and of the second before it.
func (h *history) judge(answer string, asked time.Time) (known, late bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	floor := 0
	for i, done := range h.done {
		if done.Before(asked.Add(-time.Second)) {
			floor = i
		}
	}
	return slices.Contains(h.states, answer), !slices.Contains(h.states[floor:], answer)
}

// TestFileChanges has a file changed in all ways while others read it. What comes from memory is one whole state of the file,
// and no older than a second. What comes from the disk may be caught in the middle of a change, unless that is a rename.
func TestFileChanges(t *testing.T) {
	gone, elsewhere := "404", "301"
	type change struct {
		name string
		do   func(file, content string) (err error)
		want func(content string) string
	}
	same := func(content string) string { return content }
	inPlace := func(file, content string) error { return os.WriteFile(file, []byte(content), 0o644) }
	replace := func(file, content string) error {
		if err := os.WriteFile(file+".new", []byte(content), 0o644); err != nil {
			return err
		}
		return os.Rename(file+".new", file)
	}
	clearAway := func(file string) error { return os.RemoveAll(file) }
	changes := []change{
		{"replace", replace, same},
		{"rewrite", inPlace, same},
		{"append", func(file, content string) error {
			if err := inPlace(file, content[:len(content)/2]); err != nil {
				return err
			}
			f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteString(content[len(content)/2:])
			return err
		}, same},
		{"touch", func(file, content string) error {
			if err := replace(file, content); err != nil {
				return err
			}
			now := time.Now()
			return os.Chtimes(file, now, now)
		}, same},
		{"keep the time", func(file, content string) error { // only st_ctime shows it
			if err := inPlace(file, content); err != nil {
				return err
			}
			return os.Chtimes(file, time.Unix(1e9, 1), time.Unix(1e9, 1))
		}, same},
		{"delete", func(file, _ string) error { return clearAway(file) }, func(string) string { return gone }},
		{"directory", func(file, _ string) error {
			if err := clearAway(file); err != nil {
				return err
			}
			return os.Mkdir(file, 0o755)
		}, func(string) string { return elsewhere }},
		{"special file", func(file, _ string) error {
			if err := clearAway(file); err != nil {
				return err
			}
			return makeFIFO(file)
		}, func(string) string { return gone }},
		{"link", func(file, content string) error {
			if err := os.WriteFile(file+".target", []byte(content), 0o644); err != nil {
				return err
			}
			if err := os.Symlink(filepath.Base(file)+".target", file+".new"); err != nil {
				return err
			}
			return os.Rename(file+".new", file)
		}, same},
	}
	if runtime.GOOS != "linux" {
		t.Skip("needs st_ctime, FIFOs and links")
	}
	// All versions have one size, so that nothing but its time tells one from the other.
	content := func(n int) string { return strings.Repeat(fmt.Sprintf("version %06d\n", n), 100) }
	dir := t.TempDir()
	file := filepath.Join(dir, "a.txt")
	h, err := New(Config{Path: dir, Pool: &atOnce{}, Log: slog.New(slog.DiscardHandler), Options: Options{Memory: 1 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	past := &history{}
	step := func(n int, c change) {
		text := content(n)
		if info, err := os.Lstat(file); err == nil && !info.Mode().IsRegular() {
			past.begin(gone) // only a regular file can be written to
			if err := clearAway(file); err != nil {
				t.Error(err)
			}
			past.end()
		}
		past.begin("", text[:len(text)/2], c.want(text)) // empty and half written, if somebody holds us up for long
		if err := c.do(file, text); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		past.end()
	}
	step(0, changes[0])
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	var fromMemory, fromDisk atomic.Int64
	for range 4 {
		readers.Go(func() {
			for ctx.Err() == nil {
				asked := time.Now()
				a, ok := h.Hot(t.Context(), &HotRequest{Path: []byte("/a.txt")})
				answer := string(a.Body)
				if !ok {
					w := httptest.NewRecorder()
					h.ServeHTTP(w, httptest.NewRequest("GET", "/a.txt", nil))
					if answer = w.Body.String(); w.Code != 200 {
						answer = fmt.Sprint(w.Code)
					}
					fromDisk.Add(1)
				} else {
					fromMemory.Add(1)
				}
				known, late := past.judge(answer, asked)
				if ok && !known || known && late {
					t.Errorf("from memory %v: %.40q of %d bytes, known %v, late %v", ok, answer, len(answer), known, late)
					return
				}
				if length := fmt.Sprintf("Content-Length: %d\r\n", len(a.Body)); ok && !bytes.Contains(a.Head, []byte(length)) {
					t.Errorf("%q with a body of %d bytes", a.Head, len(a.Body))
				}
			}
		})
	}
	random := rand.New(rand.NewPCG(1, 2))
	n := 1
	for range 3 {
		for _, i := range random.Perm(len(changes)) {
			for range 1 + random.IntN(3) { // some changes come so fast that their times may be equal
				step(n, changes[i])
				n++
			}
			time.Sleep(time.Duration(50+random.IntN(200)) * time.Millisecond) // some states last, so that they are kept
		}
	}
	stop()
	readers.Wait()
	if fromMemory.Load() == 0 || fromDisk.Load() == 0 {
		t.Errorf("%d answers from memory, %d from the disk: the test says nothing", fromMemory.Load(), fromDisk.Load())
	}
	t.Logf("%d changes, %d answers from memory, %d from the disk", n, fromMemory.Load(), fromDisk.Load())
}

// FuzzAcceptEncoding says that whatever a client writes, it gets a coding that there is, and none that it rules out by name.
func FuzzAcceptEncoding(f *testing.F) {
	for _, seed := range []string{"", "gzip", "gzip, br;q=0.5", "*;q=0", "identity;q=0, *", ";;q", "gzip;q=1.001", "x-gzip", "GZIP ; q=0.000", ",,,"} {
		f.Add(seed, uint8(7))
	}
	f.Fuzz(func(t *testing.T, accept string, there uint8) {
		set := codingSet(there & (1<<codings - 1))
		got := set.best([]byte(accept))
		if got != identity && !set.has(got) {
			t.Errorf("%q of %03b = %d", accept, set, got)
		}
		if got == identity {
			return
		}
		name := codingNames[got]
		if lower := strings.ToLower(accept); !strings.Contains(lower, name) && !strings.Contains(lower, "*") {
			t.Errorf("%q = %s, which it does not name", accept, name)
		}
		if again := set.best([]byte(accept + "," + name + ";q=0")); again == got {
			t.Errorf("%q, then not %s = %s", accept, name, name)
		}
	})
}

// FuzzCachePattern says that a pattern that is taken is written as it was given, and matches the same then.
func FuzzCachePattern(f *testing.F) {
	for _, seed := range []string{"*.css=max-age=1", "assets/**=immutable", "/a/b=x", "**/a=b", "**=x", "[a-z].js=x", `\*.x=y`, "a//b=x", "/=x", "[=x", "=", "a=\n"} {
		f.Add(seed, "assets/a.css")
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		if len(text) > 100 || len(name) > 100 {
			return // patterns come from the command line
		}
		var rules, again CacheRules
		if rules.Set(text) != nil {
			return
		}
		if err := again.Replace(rules.GetSlice()); err != nil {
			t.Fatalf("%q is written %q: %v", text, rules.GetSlice(), err)
		}
		if a, b := rules[0].pattern.matches(name), again[0].pattern.matches(name); a != b || rules[0].value != again[0].value {
			t.Errorf("%q matches %q: %v, but %q: %v", text, name, a, rules.GetSlice(), b)
		}
	})
}
