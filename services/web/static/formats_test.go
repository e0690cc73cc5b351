package static_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/services/web/static"
)

type object struct {
	Path    string
	Entries []struct {
		Name, Type, Modified, URL string
		Size                      *int64
	}
	Truncated *bool
}

func getObject(t *testing.T, addr net.Addr, path string, headers ...string) object {
	t.Helper()
	res := get(t, addr, path, headers...)
	var o object
	if err := json.Unmarshal([]byte(res.body), &o); err != nil || res.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s: %v, Content-Type %q, in %s", path, err, res.Header.Get("Content-Type"), res.body)
	}
	return o
}

func TestJSON(t *testing.T) {
	names := []string{"a \"b\"\\\n.txt", "ümläut & <b>.txt", "\xff.bin", "a:b", "50%?#", "plain.txt"}
	files := map[string]string{"two words/sub/x": ""}
	for _, name := range names {
		files["two words/"+name] = "content of " + name
	}
	addr := server(t, newHandler(t, tree(t, files)))
	o := getObject(t, addr, "/two%20words/", "Accept: application/json")
	if o.Path != "/two words/" || len(o.Entries) != len(names)+1 || o.Truncated == nil || *o.Truncated {
		t.Fatalf("got %+v", o)
	}
	if sub := o.Entries[0]; sub.Name != "sub" || sub.Type != "directory" || sub.Size != nil || sub.URL != "./sub/" {
		t.Errorf("the directory is %+v", sub)
	}
	base, _ := url.Parse("http://x/two%20words/")
	for _, e := range o.Entries[1:] {
		target, err := base.Parse(e.URL)
		if err != nil {
			t.Errorf("%q: %v", e.URL, err)
			continue
		}
		content := get(t, addr, target.RequestURI()).body
		name := strings.TrimPrefix(content, "content of ")
		if !slices.Contains(names, name) || e.Name != strings.ToValidUTF8(name, "\ufffd") {
			t.Errorf("%q at %q is %q", e.Name, e.URL, content)
		}
		if e.Type != "file" || e.Size == nil || *e.Size != int64(len(content)) || e.Modified != "2026-11-20T09:31:36Z" {
			t.Errorf("the file is %+v, want %d bytes", e, len(content))
		}
	}
	if empty := getObject(t, addr, "/two%20words/sub/?format=json"); empty.Path != "/two words/sub/" || len(empty.Entries) != 1 {
		t.Errorf("sub is %+v", empty)
	}
}

func TestJSONOfNothing(t *testing.T) {
	if o := getObject(t, server(t, newHandler(t, t.TempDir())), "/?format=json"); o.Path != "/" || o.Entries == nil || len(o.Entries) != 0 {
		t.Errorf("got %+v", o)
	}
}

func TestText(t *testing.T) {
	addr := server(t, newHandler(t, tree(t, map[string]string{
		"big.txt": strings.Repeat("x", 12345), "sub/x": "", "two\nlines \x1b[31m.txt": "abc", "\xff": "",
	})))
	res := get(t, addr, "/", "User-Agent: curl/8.14.1", "Accept: */*")
	lines := strings.SplitAfter(res.body, "\n")
	want := []string{
		"\t    -\tsub/\n", "2026-11-20T09:31:36Z\t12345\tbig.txt\n", "2026-11-20T09:31:36Z\t    3\ttwo␊lines ␛[31m.txt\n",
		"2026-11-20T09:31:36Z\t    0\t�\n", "",
	}
	for i := range want {
		if len(lines) != len(want) || !strings.HasSuffix(lines[i], want[i]) {
			t.Fatalf("got %q, want %q", lines, want)
		}
	}
	if got := res.Header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
		t.Errorf("Content-Type %q", got)
	}
	if got := get(t, addr, "/sub/?format=text").body; got != "2026-11-20T09:31:36Z\t0\tx\n" {
		t.Errorf("sub is %q", got)
	}
}

// TestFormatsAgree says what all formats have in common: order, hidden names, headers, and HEAD.
func TestFormatsAgree(t *testing.T) {
	files := map[string]string{".hidden": "", ".well-known/x": "", "sub/x": "", "a10": "1", "a9": "22", "B1": "333", "private": ""}
	dir := tree(t, files)
	private := func(path string) bool { return filepath.Base(path) == "private" }
	for _, hidden := range []bool{false, true} {
		addr := server(t, newHandlerOf(t, static.Config{Path: dir, Private: private, Options: static.Options{Hidden: hidden}}))
		for query, want := range map[string]string{
			"?sort=name":            ".well-known/ sub/ a9 a10 B1",
			"?sort=size":            ".well-known/ sub/ B1 a9 a10",
			"?sort=size&order=asc":  ".well-known/ sub/ a10 a9 B1",
			"?sort=name&order=desc": "sub/ .well-known/ B1 a10 a9",
		} {
			switch {
			case hidden && strings.HasSuffix(query, "size"):
				want += " .hidden"
			case hidden && strings.HasSuffix(query, "size&order=asc"):
				want = strings.Replace(want, "a10", ".hidden a10", 1)
			case hidden && strings.HasSuffix(query, "name"):
				want = strings.Replace(want, "a9", ".hidden a9", 1)
			case hidden:
				want += " .hidden"
			}
			var fromJSON, fromText []string
			for _, e := range getObject(t, addr, "/"+query+"&format=json").Entries {
				fromJSON = append(fromJSON, strings.TrimPrefix(e.URL, "./"))
			}
			for line := range strings.Lines(get(t, addr, "/"+query+"&format=text").body) {
				fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
				fromText = append(fromText, fields[2])
			}
			fromHTML := strings.ReplaceAll(strings.Join(links(t, get(t, addr, "/"+query).body), " "), "./", "")
			if fromHTML != want || strings.Join(fromJSON, " ") != want || strings.Join(fromText, " ") != want {
				t.Errorf("%s, hidden %v:\nHTML %q\nJSON %q\ntext %q\nwant %q", query, hidden, fromHTML, fromJSON, fromText, want)
			}
		}
		for _, format := range []string{"html", "json", "text"} {
			res, head := get(t, addr, "/?format="+format), ask(t, addr, "HEAD /?format="+format+" HTTP/1.1")
			for _, name := range []string{"Content-Length", "Content-Type", "Vary", "Cache-Control", "Content-Security-Policy", "X-Content-Type-Options"} {
				if res.Header.Get(name) != head.Header.Get(name) {
					t.Errorf("%s: HEAD has %s: %q, GET %q", format, name, head.Header.Get(name), res.Header.Get(name))
				}
			}
			if res.Header.Get("Vary") != "Accept, User-Agent" || res.Header.Get("Cache-Control") != "no-cache" || res.ContentLength != int64(len(res.body)) || head.body != "" {
				t.Errorf("%s: %v with %d bytes, HEAD with %d", format, res.Header, len(res.body), len(head.body))
			}
		}
	}
}

func TestPageLinksToOrders(t *testing.T) {
	addr := server(t, newHandler(t, tree(t, map[string]string{"x": ""})))
	for query, want := range map[string]string{
		"":                     `<th scope="col" aria-sort="ascending"><a href="?sort=name&amp;order=desc" rel="nofollow">Name</a></th><th scope="col"><a href="?sort=size&amp;order=desc" rel="nofollow">Size</a></th>`,
		"?sort=size":           `<a href="?sort=name&amp;order=asc" rel="nofollow">Name</a></th><th scope="col" aria-sort="descending"><a href="?sort=size&amp;order=asc" rel="nofollow">`,
		"?sort=time&order=asc": `aria-sort="ascending"><a href="?sort=time&amp;order=desc" rel="nofollow">Modified (UTC)</a></th>`,
	} {
		if page := get(t, addr, "/"+query).body; !strings.Contains(page, want) || strings.Count(page, " aria-sort=\"") != 1 {
			t.Errorf("%q: no %s in %s", query, want, page)
		}
	}
}

// TestMirrorsGetNoOtherForms says that wget -r finds each file and each directory once.
func TestMirrorsGetNoOtherForms(t *testing.T) {
	h := newHandlerOf(t, static.Config{Path: tree(t, map[string]string{"sub/x": "", "y": ""}), Options: static.Options{Archive: true}})
	page := get(t, server(t, h), "/sub/", "User-Agent: Wget/1.25.0").body
	if strings.Contains(page, `href="?`) || !slices.Equal(links(t, page), []string{"../", "./x"}) {
		t.Errorf("the page links to other forms of itself: %s", page)
	}
}

func TestSummary(t *testing.T) {
	addr := server(t, newHandler(t, tree(t, map[string]string{
		"empty/": "", "one/x": "abc", "dirs/a/b/x": "", "dirs/a/c/x": "", "mixed/d/x": "", "mixed/x": strings.Repeat("x", 1500), "mixed/y": strings.Repeat("x", 548),
	})))
	for path, want := range map[string]string{
		"/empty/": "0 files", "/one/": "1 file, 3 B", "/dirs/": "1 directory", "/dirs/a/": "2 directories", "/mixed/": "1 directory, 2 files, 2.0 KiB",
	} {
		if page := get(t, addr, path).body; !strings.Contains(page, "<p>"+want+"</p>") {
			t.Errorf("%s: no %q in %s", path, want, page)
		}
	}
	if !strings.Contains(get(t, addr, "/empty/").body, "This directory is empty.") {
		t.Error("an empty directory does not say so")
	}
}

func TestBreadcrumbs(t *testing.T) {
	deep := strings.Repeat("d/", 400)
	dir := tree(t, map[string]string{"a b/<c>/x": "", deep + "x": ""})
	addr := server(t, newHandlerOf(t, static.Config{Path: dir, Prefix: "/files/here"}))
	page := get(t, addr, "/files/here/a%20b/%3Cc%3E/").body
	want := `<ol>
<li><a href="../../">/files/here</a></li>
<li><a href="../">a b</a></li>
<li><span aria-current="page">&lt;c&gt;</span></li>
</ol>`
	if !strings.Contains(page, want) || !strings.Contains(page, "<title>Index of /files/here/a b/&lt;c&gt;/</title>") {
		t.Errorf("no %s in %s", want, page)
	}
	root := get(t, addr, "/files/here/").body
	if !strings.Contains(root, `<span aria-current="page">/files/here</span>`) || slices.Contains(links(t, root), "../") {
		t.Errorf("the top leads further up: %s", root)
	}
	if got := getObject(t, addr, "/files/here/?format=json").Path; got != "/files/here/" {
		t.Errorf("path %q", got)
	}
	page = get(t, addr, "/files/here/"+deep).body
	if n := strings.Count(page, "<li>"); n != 10 || !strings.Contains(page, `<li><a href="`+strings.Repeat("../", 8)+`">…</a></li>`) {
		t.Errorf("%d breadcrumbs of a directory that is 400 deep: %s", n, page)
	}
}

func TestReadme(t *testing.T) {
	long := strings.Repeat("ü is two bytes, & is escaped\n", 4000)
	files := map[string]string{
		"first/README.md": "md", "first/readme.txt": "txt", "first/README": "plain",
		"case/ReadMe.TXT": "a\r\nb\tc <script> \x1b[31m \u202e\n", "marked/readme": "\ufeffBOM \xff",
		"binary/README": "a\x00b", "blank/README": " \n", "directory/README.md/x": "", "other/README.html": "<b>", "hidden/.README": "secret",
		"long/README": long, "none/x": "",
	}
	dir := tree(t, files)
	if err := os.Symlink("../../outside", filepath.Join(dir, "none", "README.md")); err != nil {
		t.Fatal(err)
	}
	addr := server(t, newHandler(t, dir))
	for path, want := range map[string]string{
		"/first/":  "<h2 id=\"readme\">README.md</h2>\n<pre>\nmd</pre>",
		"/case/":   "<h2 id=\"readme\">ReadMe.TXT</h2>\n<pre>\na\nb\tc &lt;script&gt; ␛[31m \u202e\n</pre>",
		"/marked/": "<pre>\nBOM �</pre>",
	} {
		if page := get(t, addr, path).body; !strings.Contains(page, want) || strings.Contains(page, "All of it") {
			t.Errorf("%s: no %s in %s", path, want, page)
		}
	}
	for _, path := range []string{"/binary/", "/blank/", "/directory/", "/other/", "/hidden/", "/none/"} {
		if page := get(t, addr, path).body; strings.Contains(page, "<pre>") {
			t.Errorf("%s shows a README: %s", path, page)
		}
	}
	page := get(t, addr, "/long/").body
	_, text, _ := strings.Cut(page, "<pre>\n")
	text, rest, _ := strings.Cut(text, "</pre>")
	text = strings.ReplaceAll(text, "&amp;", "&")
	if len(text) < 64<<10-1 || len(text) > 64<<10+3 || !strings.HasPrefix(long, strings.TrimRight(text, "�")) || !strings.Contains(rest, `<a href="./README">All of it</a>`) {
		t.Errorf("of a long README %d bytes are shown, then %s", len(text), rest)
	}
	if head := ask(t, addr, "HEAD /long/ HTTP/1.1"); head.StatusCode != 200 || head.Header.Get("Content-Length") != "" {
		t.Errorf("HEAD = %d with %s bytes", head.StatusCode, head.Header.Get("Content-Length"))
	}
	if text := get(t, addr, "/first/?format=text").body; strings.Count(text, "\n") != 3 {
		t.Errorf("the text is %q", text)
	}
}

func TestUploadForm(t *testing.T) {
	dir := tree(t, map[string]string{"open/x": ""})
	const form, zip = `<form method="post" enctype="multipart/form-data" action="./">`, `<a href="?archive=zip" rel="nofollow" download>`
	addr := server(t, newHandlerOf(t, static.Config{Path: dir, Options: static.Options{Upload: true, Archive: true}}))
	if page := get(t, addr, "/open/").body; !strings.Contains(page, form) || !strings.Contains(page, zip) || !strings.Contains(page, `href="?archive=tar.gz"`) {
		t.Errorf("no form, or no archive, in %s", page)
	}
	plain := get(t, server(t, newHandler(t, dir)), "/open/").body
	if strings.Contains(plain, "<form") || strings.Contains(plain, "?archive") {
		t.Errorf("there is a form, or an archive, that nobody asked for: %s", plain)
	}
}

// turns is a pool that is full from some call on.
type turns struct{ left int }

func (p *turns) Do(_ context.Context, fn func() error) error {
	if p.left--; p.left < 0 {
		return plugins.ErrFull
	}
	return fn()
}

func TestPoolIsFullForTheReadme(t *testing.T) {
	dir := tree(t, map[string]string{"README": "text"})
	for calls, status := range map[int]int{2: 503, 3: 200} { // find, begin, README
		w := httptest.NewRecorder()
		newHandlerOf(t, static.Config{Path: dir, Pool: &turns{calls}}).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Code != status {
			t.Errorf("with %d turns = %d, want %d", calls, w.Code, status)
		}
	}
}
