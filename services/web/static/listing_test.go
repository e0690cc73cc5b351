package static_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/services/web/static"
)

func textLog(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// links returns the targets of the rows of a page in their order.
func links(t *testing.T, page string) []string {
	t.Helper()
	_, page, _ = strings.Cut(page, "</thead>")
	page, _, _ = strings.Cut(page, "</table>")
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var list []string
	for {
		token, err := d.Token()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatalf("%v in %s", err, page)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "a" && start.Attr[0].Name.Local == "href" {
			list = append(list, start.Attr[0].Value)
		}
	}
}

func TestListing(t *testing.T) {
	names := []string{"B.txt", "a.txt", "javascript:alert(1)", "q?x#y.txt", "50%.txt", "\xff.bin", "<b>&\"'.txt", "two\nlines", "back\\slash"}
	files := map[string]string{"z-dir/": "", "A-dir/x": "", ".hidden": "", ".well-known/x": ""}
	for _, name := range names {
		files["list/"+name] = "content of " + name
	}
	addr := server(t, newHandler(t, tree(t, files)))

	res := get(t, addr, "/")
	if want := []string{"./.well-known/", "./A-dir/", "./list/", "./z-dir/"}; !slices.Equal(links(t, res.body), want) {
		t.Errorf("links of / = %q, want %q", links(t, res.body), want)
	}
	if got := res.Header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("Content-Type %q", got)
	}
	if got := ask(t, addr, "HEAD / HTTP/1.1").Header.Get("Content-Length"); got != res.Header.Get("Content-Length") {
		t.Errorf("HEAD says %s bytes, GET %s", got, res.Header.Get("Content-Length"))
	}

	base, _ := url.Parse("http://" + addr.String() + "/list/")
	page := get(t, addr, "/list/").body
	got := links(t, page)
	if len(got) != len(names)+1 || got[0] != "../" {
		t.Fatalf("links = %q, want the parent and %d names", got, len(names))
	}
	var bodies []string
	for _, link := range got[1:] {
		target, err := base.Parse(link)
		if err != nil || target.Host != base.Host {
			t.Errorf("link %q leads to %v, %v", link, target, err)
			continue
		}
		bodies = append(bodies, strings.TrimPrefix(get(t, addr, target.RequestURI()).body, "content of "))
	}
	slices.Sort(names)
	slices.Sort(bodies)
	if !slices.Equal(bodies, names) {
		t.Errorf("the links lead to %q, want %q", bodies, names)
	}
	if strings.Contains(page, "<b>") || strings.Contains(page, "&amp;lt") || !strings.Contains(page, "&lt;b&gt;") {
		t.Error("a name is not escaped")
	}
	if i, j := strings.Index(page, "./a.txt"), strings.Index(page, "./B.txt"); i > j {
		t.Error("B comes before a")
	}
}

// TestListingShowsControlCharacters says that a name stays in its row and reads from left to right, whatever is in it.
func TestListingShowsControlCharacters(t *testing.T) {
	names := map[string]string{
		"two\nlines":          `<a href="./two%0Alines">two␊lines</a>`,
		"esc\x1b[31m\x7f":     `<a href="./esc%1B%5B31m%7F">esc␛[31m␡</a>`,
		"c1\u0085x":           `<a href="./c1%C2%85x">c1�x</a>`,
		"exe\u202etxt.dir/":   `<a href="./exe%E2%80%AEtxt.dir/">exe�txt.dir/</a>`,
		"line\u2028break":     `<a href="./line%E2%80%A8break">line�break</a>`,
		"bad\xff\xfeutf-8":    `<a href="./bad%FF%FEutf-8">bad��utf-8</a>`,
		"ümläut & <more>.txt": `<a href="./%C3%BCml%C3%A4ut%20%26%20%3Cmore%3E.txt">ümläut &amp; &lt;more&gt;.txt</a>`,
	}
	files := map[string]string{}
	for name := range names {
		files["a\tb/"+name] = ""
	}
	page := get(t, server(t, newHandler(t, tree(t, files))), "/a%09b/").body
	for name, want := range names {
		if !strings.Contains(page, want) {
			t.Errorf("no %s for %q in %s", want, name, page)
		}
	}
	if !strings.Contains(page, `<h1 class="unseen">Index of /a␉b/</h1>`) {
		t.Errorf("no title in %s", page)
	}
}

func TestListingSizesAndTimes(t *testing.T) {
	dir := t.TempDir()
	sizes := map[string]int64{"0 B": 0, "1023 B": 1023, "1.0 KiB": 1024, "1.5 KiB": 1536, "1.0 MiB": 1<<20 - 1, "2.3 GiB": 2469606195}
	exact := map[int64]string{0: "0", 1023: "1,023", 1024: "1,024", 1536: "1,536", 1<<20 - 1: "1,048,575", 2469606195: "2,469,606,195"}
	for text, size := range sizes {
		file := filepath.Join(dir, strings.ReplaceAll(text, " ", ""))
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(file, size); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, changed, changed); err != nil {
			t.Fatal(err)
		}
	}
	page := get(t, server(t, newHandler(t, dir)), "/").body
	for text, size := range sizes {
		row := strings.ReplaceAll(text, " ", "") + `</a></th><td title="` + exact[size] + ` bytes">` + text +
			`</td><td><time datetime="2026-11-20T09:31:36Z">2026-11-20 09:31</time>`
		if !strings.Contains(page, row) {
			t.Errorf("no row %q in %s", row, page)
		}
	}
}

// inline returns what is between two tags, and its name in a policy.
func inline(t *testing.T, page, tag string) string {
	t.Helper()
	_, rest, found := strings.Cut(page, "<"+tag+">")
	text, _, closed := strings.Cut(rest, "</"+tag+">")
	if !found || !closed || strings.Count(page, "<"+tag) != 1 {
		t.Fatalf("not one %s in %s", tag, page)
	}
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// TestListingPolicy says that a page runs and loads nothing but what is in it.
func TestListingPolicy(t *testing.T) {
	dir := tree(t, map[string]string{"<script>alert(1)</script>": "", "README.md": "<script>alert(2)</script>"})
	for _, upload := range []bool{false, true} {
		h := newHandlerOf(t, static.Config{Path: dir, Options: static.Options{Upload: upload}})
		res := get(t, server(t, h), "/")
		want := "default-src 'none'; img-src data:; style-src " + inline(t, res.body, "style") +
			"; script-src " + inline(t, res.body, "script") + "; base-uri 'none'; form-action 'none'"
		if upload {
			want = strings.Replace(want, "form-action 'none'", "form-action 'self'; connect-src 'self'; frame-ancestors 'self'", 1)
		}
		if got := res.Header.Get("Content-Security-Policy"); res.StatusCode != http.StatusOK || got != want {
			t.Errorf("= %d, Content-Security-Policy %s, want %s", res.StatusCode, got, want)
		}
		for _, bad := range []string{"http://", "https://", "//#", "style=", "onclick", "<link rel=\"stylesheet\"", "{{", "alert(1)</script>", "<script>alert"} {
			if strings.Contains(res.body, bad) {
				t.Errorf("the page has %q in it: %s", bad, res.body)
			}
		}
	}
}

// TestLargeListingIsFresh says that a directory that was read a moment ago is read again after an upload and a reload, and
// that what another order does to the rows is nobody else's matter.
func TestLargeListingIsFresh(t *testing.T) {
	files := map[string]string{}
	for i := range 1500 {
		files[fmt.Sprintf("%04d", i)] = strings.Repeat("x", 1500-i)
	}
	dir := tree(t, files)
	h := newHandlerOf(t, static.Config{Path: dir, Options: static.Options{Upload: true, Memory: 1 << 20}})
	addr := server(t, h)
	first := func(query string) string {
		line, _, _ := strings.Cut(get(t, addr, "/?format=text"+query).body, "\n")
		return line[strings.LastIndexByte(line, '\t')+1:]
	}
	for _, tt := range []struct{ query, want string }{{"", "0000"}, {"&sort=size&order=asc", "1499"}, {"", "0000"}, {"&order=desc", "1499"}, {"", "0000"}} {
		if got := first(tt.query); got != tt.want {
			t.Errorf("%q: the first is %s, want %s", tt.query, got, tt.want)
		}
	}
	if res := put(t, addr, "/!new", "x"); res.StatusCode != 201 {
		t.Fatalf("PUT = %d", res.StatusCode)
	}
	if got := first(""); got != "!new" {
		t.Errorf("after an upload the first is %s, want !new", got)
	}
	if err := os.Remove(filepath.Join(dir, "!new")); err != nil {
		t.Fatal(err)
	}
	if err := h.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := first(""); got != "0000" {
		t.Errorf("after a reload the first is %s, want 0000", got)
	}
}
