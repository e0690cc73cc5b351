//go:build unix

package web_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/web"
)

// rows are the names that the page shows, in their order.
const rows = `Array.from(document.querySelectorAll("table tbody:last-of-type tr:not([hidden]) a"), (a) => a.textContent)`

// TestBrowser looks at a listing as people do. The browser is started once, for it takes a second.
func TestBrowser(t *testing.T) {
	dir := directory(t, map[string]string{
		"track 10.txt": strings.Repeat("x", 2000), "track 9.txt": strings.Repeat("x", 10), "Track 1.txt": "",
		"data.bin": "\x00\x01\x02 some bytes", "README.md": "# Read <script>alert(1)</script> me\n",
		"sub dir/deep/x.txt": "deep", "sub dir/y.txt": "y", "<img src=x onerror=alert(1)>": "",
	})
	day := time.Date(2026, 11, 20, 20, 31, 36, 0, time.UTC)
	for i, name := range []string{"track 9.txt", "Track 1.txt", "track 10.txt", "README.md", "data.bin", "<img src=x onerror=alert(1)>"} {
		if err := os.Chtimes(filepath.Join(dir, name), day, day.Add(time.Duration(i)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	base := "http://" + plugintest.Start(t, web.Plugin(), "--port", "0", "--path", dir, "--upload", "--archive").Addrs()[0].String() + "/"
	b := openTab(t)
	run := func(name string, story func(t *testing.T)) {
		t.Run(name, func(t *testing.T) {
			b.t = t
			b.open(base)
			story(t)
			if list := b.complaints(base); len(list) > 0 {
				t.Errorf("the browser complains: %q", list)
			}
		})
		b.t = t
	}
	run("sort", func(t *testing.T) { browserSorts(t, b) })
	run("filter", func(t *testing.T) { browserFilters(t, b) })
	run("times and README", func(t *testing.T) { browserShows(t, b) })
	run("enter", func(t *testing.T) { browserEnters(t, b, base) })
	run("download", func(t *testing.T) { browserDownloads(t, b, filepath.Join(dir, "data.bin")) })
	run("upload", func(t *testing.T) { browserUploads(t, b, dir) })
	run("dark", func(t *testing.T) { browserIsDark(t, b) })
	run("narrow", func(t *testing.T) { browserIsNarrow(t, b) })
	run("without scripts", func(t *testing.T) { browserWithoutScripts(t, b, base) })
	live := "http://" + plugintest.Start(t, web.Plugin(), "--port", "0", "--path", dir, "--live").Addrs()[0].String() + "/"
	t.Run("live", func(t *testing.T) { browserReloads(t, b, live, dir) })
	run("policy", func(t *testing.T) { browserKeepsThePolicy(t, b) })
}

func browserSorts(t *testing.T, b *tab) {
	img := "<img src=x onerror=alert(1)>"
	tests := []struct {
		column, order string
		want          []string
	}{
		{"Modified", "descending", []string{"sub dir/", img, "data.bin", "README.md", "track 10.txt", "Track 1.txt", "track 9.txt"}},
		{"Size", "descending", []string{"sub dir/", "track 10.txt", "README.md", "data.bin", "track 9.txt", img, "Track 1.txt"}},
		{"Size", "ascending", []string{"sub dir/", img, "Track 1.txt", "track 9.txt", "data.bin", "README.md", "track 10.txt"}},
		{"Name", "ascending", []string{"sub dir/", img, "data.bin", "README.md", "Track 1.txt", "track 9.txt", "track 10.txt"}},
		{"Name", "descending", []string{"sub dir/", "track 10.txt", "track 9.txt", "Track 1.txt", "README.md", "data.bin", img}},
	}
	loads := len(b.heard("Page.loadEventFired"))
	for _, tt := range tests {
		state := eval[string](b, `{
			const cell = [...document.querySelectorAll("thead th")].find((th) => th.textContent === "`+tt.column+`");
			cell.firstElementChild.click();
			[...document.querySelectorAll("[aria-sort]")].map((th) => th.textContent + " " + th.ariaSort).join();
		}`)
		if want := tt.column + " " + tt.order; state != want {
			t.Errorf("sorted by %s, want %s", state, want)
		}
		if got := eval[[]string](b, rows); !slices.Equal(got, tt.want) {
			t.Errorf("by %s %s: %q, want %q", tt.column, tt.order, got, tt.want)
		}
	}
	if got := len(b.heard("Page.loadEventFired")); got != loads {
		t.Errorf("sorting loaded the page %d times", got-loads)
	}
	if got := eval[string](b, "location.search"); got != "?sort=name&order=desc" {
		t.Errorf("the address ends with %q", got)
	}
	want := tests[len(tests)-1].want
	b.after(func() { b.call(nil, "Page.reload", nil) }, "Page.loadEventFired", nil)
	if got := eval[[]string](b, rows); !slices.Equal(got, want) {
		t.Errorf("after a reload: %q, want %q", got, want)
	}
}

func browserFilters(t *testing.T, b *tab) {
	b.press("/")
	b.call(nil, "Input.insertText", map[string]any{"text": "TXT track 1"})
	if got, want := eval[[]string](b, rows), []string{"Track 1.txt", "track 10.txt"}; !slices.Equal(got, want) {
		t.Errorf("filtered %q, want %q", got, want)
	}
	if got := eval[string](b, `document.querySelector("output").textContent`); got != "2 of 7" {
		t.Errorf("announced %q, want %q", got, "2 of 7")
	}
	b.call(nil, "Input.insertText", map[string]any{"text": "/"})
	if got := eval[string](b, `document.querySelector("output").textContent`); got != "Nothing matches" {
		t.Errorf("announced %q", got)
	}
	b.press("Escape")
	if got := eval[[]string](b, rows); len(got) != 7 {
		t.Errorf("after Escape: %q", got)
	}
	b.call(nil, "Input.insertText", map[string]any{"text": "sub"})
	b.after(func() { b.press("Enter") }, "Page.loadEventFired", nil)
	if got := eval[string](b, "document.title"); got != "Index of /sub dir/" {
		t.Errorf("Enter opened %q", got)
	}
}

func browserShows(t *testing.T, b *tab) {
	const local = `document.querySelector("tr:has([href='./track%209.txt']) time").textContent`
	if got, want := eval[string](b, local), "2026-11-21 02:01"; got != want {
		t.Errorf("the time in India is %s, want %s", got, want)
	}
	if got, want := eval[string](b, `document.querySelector("pre").textContent`), "# Read <script>alert(1)</script> me\n"; got != want {
		t.Errorf("the README reads %q, want %q", got, want)
	}
	browserReads(t, b)
}

// browserReads says what a screen reader finds.
func browserReads(t *testing.T, b *tab) {
	t.Helper()
	var tree struct {
		Nodes []struct{ Role, Name struct{ Value string } }
	}
	b.call(&tree, "Accessibility.getFullAXTree", nil)
	found := map[string]bool{}
	for _, node := range tree.Nodes {
		found[node.Role.Value+" "+node.Name.Value] = true
	}
	for _, want := range []string{
		"heading Index of /", "table Contents of /", "searchbox Filter by name", "columnheader Name", "rowheader data.bin",
		"link track 9.txt", "navigation Breadcrumb", "region README.md", "cell 14 B",
	} {
		if !found[want] {
			t.Errorf("nothing is read as %q", want)
		}
	}
}

func browserEnters(t *testing.T, b *tab, base string) {
	click := func(link string) {
		t.Helper()
		b.after(func() { eval[any](b, `document.querySelector("`+link+`").click()`) }, "Page.loadEventFired", nil)
	}
	click("[href='./sub%20dir/']")
	click("[href='./deep/']")
	if got, want := eval[[]string](b, `[location.href, document.querySelector("nav").innerText.replace(/\s+/g, " ").trim()]`),
		[]string{base + "sub%20dir/deep/", "Home sub dir deep"}; !slices.Equal(got, want) {
		t.Errorf("entered %q, want %q", got, want)
	}
	click("tbody [href='../']")
	if got, want := eval[[]string](b, rows), []string{"deep/", "y.txt"}; !slices.Equal(got, want) {
		t.Errorf("the parent has %q, want %q", got, want)
	}
	click("nav a")
	if got := eval[string](b, "location.href"); got != base {
		t.Errorf("the first of the breadcrumbs leads to %s, want %s", got, base)
	}
}

func browserDownloads(t *testing.T, b *tab, file string) {
	dir := t.TempDir()
	session := b.session
	b.session = "" // downloads are the browser's, not the page's
	b.call(nil, "Browser.setDownloadBehavior", map[string]any{"behavior": "allow", "downloadPath": dir, "eventsEnabled": true})
	b.session = session
	b.after(func() { eval[any](b, `document.querySelector("[href='./data.bin']").click()`) },
		"Browser.downloadProgress", func(params string) bool { return strings.Contains(params, `"completed"`) })
	want, _ := os.ReadFile(file)
	if got, err := os.ReadFile(filepath.Join(dir, "data.bin")); err != nil || string(got) != string(want) {
		t.Errorf("downloaded %q, %v, want %q", got, err, want)
	}
}

// browserUploads sends files by the form, with scripts and without, and by dropping one on the page.
func browserUploads(t *testing.T, b *tab, dir string) {
	sent := func(name string, act func()) {
		t.Helper()
		b.after(act, "Page.loadEventFired", nil)
		if got := eval[[]string](b, rows); !slices.Contains(got, name) {
			t.Errorf("after the upload of %q the page has %q", name, got)
		}
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != "content of "+name {
			t.Errorf("uploaded %q, %v", got, err)
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	byForm := func(name string) {
		t.Helper()
		local := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(local, []byte("content of "+name), 0o600); err != nil {
			t.Fatal(err)
		}
		var document struct{ Root struct{ NodeID int } }
		b.call(&document, "DOM.getDocument", nil)
		var input struct{ NodeID int }
		b.call(&input, "DOM.querySelector", map[string]any{"nodeId": document.Root.NodeID, "selector": "input[type=file]"})
		b.call(nil, "DOM.setFileInputFiles", map[string]any{"nodeId": input.NodeID, "files": []string{local}})
		sent(name, func() { eval[any](b, `document.querySelector("form button").click()`) })
	}
	byForm("with scripts.txt")
	sent("dropped.txt", func() {
		eval[any](b, `{
			const data = new DataTransfer();
			data.items.add(new File(["content of dropped.txt"], "dropped.txt"));
			document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
		}`)
	})
	b.call(nil, "Emulation.setScriptExecutionDisabled", map[string]any{"value": true})
	defer b.call(nil, "Emulation.setScriptExecutionDisabled", map[string]any{"value": false})
	b.after(func() { b.call(nil, "Page.reload", nil) }, "Page.loadEventFired", nil)
	byForm("without scripts.txt")
}

func browserIsDark(t *testing.T, b *tab) {
	const paper = `getComputedStyle(document.body).backgroundColor`
	light := eval[string](b, paper)
	emulate := func(scheme string) {
		b.call(nil, "Emulation.setEmulatedMedia", map[string]any{
			"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}},
		})
	}
	emulate("dark")
	dark := eval[string](b, paper)
	emulate("")
	if light != "rgb(255, 255, 255)" || dark != "rgb(20, 23, 27)" {
		t.Errorf("the paper is %s, and in the dark %s", light, dark)
	}
}

func browserIsNarrow(t *testing.T, b *tab) {
	b.call(nil, "Emulation.setDeviceMetricsOverride", map[string]any{"width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": true})
	if got := eval[int](b, "document.documentElement.scrollWidth"); got != 320 {
		t.Errorf("the page is %d pixels wide in a window of 320", got)
	}
	const small = `[...document.querySelectorAll("a, input, button")].filter((e) => {
		const box = e.getBoundingClientRect();
		return e.offsetParent && (box.width < 24 || box.height < 24);
	}).map((e) => e.outerHTML)`
	if got := eval[[]string](b, small); len(got) > 0 {
		t.Errorf("too small to be hit by a finger: %q", got)
	}
	browserReads(t, b)
	b.call(nil, "Emulation.clearDeviceMetricsOverride", nil)
}

func browserWithoutScripts(t *testing.T, b *tab, base string) {
	b.call(nil, "Emulation.setScriptExecutionDisabled", map[string]any{"value": true})
	defer b.call(nil, "Emulation.setScriptExecutionDisabled", map[string]any{"value": false})
	b.open(base + "?sort=size")
	want := []string{"sub dir/", "track 10.txt", "README.md", "data.bin", "track 9.txt", "<img src=x onerror=alert(1)>", "Track 1.txt"}
	if got := eval[[]string](b, rows); !slices.Equal(got, want) {
		t.Errorf("sorted by the server: %q, want %q", got, want)
	}
	if got := eval[string](b, `document.querySelector("thead").innerText.replace(/\s+/g, " ").trim()`); got != "Name Size Modified (UTC)" {
		t.Errorf("the heads of the columns are %q", got)
	}
	if eval[bool](b, `document.querySelector("#filter").checkVisibility()`) {
		t.Error("there is a filter that does nothing")
	}
	b.after(func() { eval[any](b, `document.querySelector("thead a").click()`) }, "Page.loadEventFired", nil)
	if got := eval[string](b, "location.search"); got != "?sort=name&order=asc" {
		t.Errorf("the link leads to %q", got)
	}
}

// browserReloads says that a listing shows what is new by itself, and that its policy lets it.
func browserReloads(t *testing.T, b *tab, base, dir string) {
	b.t = t
	b.open(base)
	b.after(func() {
		if err := os.Mkdir(filepath.Join(dir, "new"), 0o755); err != nil {
			t.Fatal(err)
		}
	}, "Page.loadEventFired", nil)
	if got := eval[[]string](b, rows); !slices.Contains(got, "new/") {
		t.Errorf("the page that came by itself has %q", got)
	}
	if list := b.complaints("http://127.0.0.1:"); len(list) > 0 {
		t.Errorf("the browser complains: %q", list)
	}
}

// browserKeepsThePolicy says that what the other tests look for would be found. It is the last one for that.
func browserKeepsThePolicy(t *testing.T, b *tab) {
	b.after(func() {
		eval[any](b, `{ const s = document.createElement("script"); s.textContent = "document.title = 'broken'"; document.body.append(s); }`)
	}, "Log.entryAdded", func(params string) bool { return strings.Contains(params, "Content Security Policy") })
	if got := eval[string](b, "document.title"); got != "Index of /" {
		t.Errorf("a script of somebody else ran: %q", got)
	}
	b.mu.Lock()
	b.events = nil
	b.mu.Unlock()
}
