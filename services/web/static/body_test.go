package static

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/gtwistd/gtwistd/internal/part"
)

// uploads returns a handler that takes uploads.
func uploads(t testing.TB, o Options) (h *Handler, dir string) {
	t.Helper()
	dir = t.TempDir()
	o.Upload = true
	h, err := New(Config{Path: dir, Options: o, Pool: &counting{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h, dir
}

func TestUploadStalls(t *testing.T) {
	h, dir := uploads(t, Options{})
	for path, left := range map[string]int{"/a": 0, "/a?upload": 1} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("PUT", path, iotest.ErrReader(os.ErrDeadlineExceeded)))
		found, err := os.ReadDir(dir)
		if w.Code != 408 || err != nil || len(found) != left {
			t.Errorf("PUT %s = %d %q, %d files left, %v, want 408 and %d", path, w.Code, w.Body, len(found), err, left)
		}
	}
}

// waiting is a ResponseWriter that knows until when it waits for the client.
type waiting struct {
	*httptest.ResponseRecorder
	until time.Time
}

func (w *waiting) SetReadDeadline(t time.Time) error {
	w.until = t
	return nil
}

// asked is a body that says when it is read.
type asked struct {
	io.Reader
	read func()
}

func (a asked) Read(p []byte) (int, error) {
	a.read()
	return a.Reader.Read(p)
}

// TestUploadsTakeTheirTime says that the deadline of what is no upload does not end one.
func TestUploadsTakeTheirTime(t *testing.T) {
	const form = "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"b\"\r\n\r\n1\r\n--x--\r\n"
	h, _ := uploads(t, Options{})
	for _, test := range []struct {
		method, path, body string
		hurried            bool
	}{
		{"PUT", "/a", "1", false},
		{"POST", "/", form, false},
		{"DELETE", "/a", "1", true},
	} {
		w, read := &waiting{ResponseRecorder: httptest.NewRecorder()}, false
		r := httptest.NewRequest(test.method, test.path, asked{strings.NewReader(test.body), func() {
			read = true
			if !w.until.IsZero() {
				t.Errorf("%s %s: read with a deadline", test.method, test.path)
			}
		}})
		r.Header.Set("Content-Type", `multipart/form-data; boundary=x`)
		h.ServeHTTP(w, r)
		if read == test.hurried || w.until.IsZero() == test.hurried {
			t.Errorf("%s %s = %d: read is %v, deadline %v", test.method, test.path, w.Code, read, w.until)
		}
	}
}

// TestClaim is for file systems without hard links.
func TestClaim(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	p, err := openPart(root, "a", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	name := filepath.Join(dir, "a")
	if err := os.WriteFile(name, []byte("first"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := p.claim(); !errors.Is(err, os.ErrExist) {
		t.Errorf("claim() of a name that is taken = %v", err)
	}
	if err := errors.Join(os.Remove(name), p.claim()); err != nil {
		t.Fatal(err)
	}
	found, err := os.ReadDir(dir)
	if err != nil || len(found) != 1 || found[0].Name() != "a" {
		t.Errorf("there is %v, %v, want a", found, err)
	}
}

// TestArchiveStopsForNobody says that a client that leaves ends the walk.
func TestArchiveStopsForNobody(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	pool := &counting{}
	h := large(t, 3*batch, pool)
	h.config.Options.Archive = true
	pool.calls, pool.each = 0, func() {
		if pool.calls == 10 {
			cancel()
		}
	}
	w := httptest.NewRecorder()
	if !aborts(h, w, httptest.NewRequestWithContext(ctx, "GET", "/?archive=tar", nil)) {
		t.Error("an archive that is not whole ends as if it were")
	}
	if pool.calls > 11 || len(h.archives) != 0 {
		t.Errorf("%d calls, %d places taken, want about 10 and none", pool.calls, len(h.archives))
	}
}

func TestArchiveName(t *testing.T) {
	tests := []struct{ root, name, want string }{
		{"/srv/www", ".", "www"},
		{"/srv/www", "a/b c", "b c"},
		{"/srv/.www", ".", "www"},
		{"/", ".", "archive"},
		{"/srv/...", ".", "archive"},
		{"/srv/a\\b", ".", "archive"},
	}
	for _, tt := range tests {
		if got := archiveName(tt.root, tt.name); got != tt.want {
			t.Errorf("archiveName(%q, %q) = %q, want %q", tt.root, tt.name, got, tt.want)
		}
	}
}

func TestIsCompressed(t *testing.T) {
	for name, want := range map[string]bool{"a.jpg": true, "a.tar.GZ": true, "a.txt": false, "jpg": false, "a.": false, "a.j": false, "a.z": false, ".7z": true} {
		if got := isCompressed(name); got != want {
			t.Errorf("isCompressed(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestParseContentRange(t *testing.T) {
	tests := []struct {
		in   string
		want contentRange
		ok   bool
	}{
		{"bytes 0-4/5", contentRange{0, 5, 5}, true},
		{"Bytes 2-3/5", contentRange{2, 2, 5}, true},
		{"bytes */5", contentRange{5, 0, 5}, true},
		{"bytes */0", contentRange{}, true},
		{"bytes 0-9223372036854775806/9223372036854775807", contentRange{0, 9223372036854775807, 9223372036854775807}, true},
		{"bytes 0-4/*", contentRange{}, false},
		{"bytes 0-5/5", contentRange{}, false},
		{"bytes 3-2/5", contentRange{}, false},
		{"bytes -2/5", contentRange{}, false},
		{"bytes 0-/5", contentRange{}, false},
		{"bytes +0-4/5", contentRange{}, false},
		{"bytes 0-4", contentRange{}, false},
		{"bytes=0-4/5", contentRange{}, false},
		{"lines 0-4/5", contentRange{}, false},
		{"bytes 0-4/9223372036854775808", contentRange{}, false},
		{"", contentRange{}, false},
	}
	for _, tt := range tests {
		if got, ok := parseContentRange(tt.in); got != tt.want || ok != tt.ok {
			t.Errorf("parseContentRange(%q) = %v, %v, want %v, %v", tt.in, got, ok, tt.want, tt.ok)
		}
	}
}

func FuzzContentRange(f *testing.F) {
	for _, seed := range []string{"bytes 0-4/5", "bytes */5", "bytes 0-0/0", "bytes 9-1/3", "x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, ok := parseContentRange(s)
		if !ok {
			return
		}
		if c.first < 0 || c.length < 0 || c.total < 0 || c.first > c.total-c.length {
			t.Errorf("parseContentRange(%q) = %v", s, c)
		}
		again := fmt.Sprintf("bytes %d-%d/%d", c.first, c.first+c.length-1, c.total)
		if c.length == 0 {
			again = fmt.Sprintf("bytes */%d", c.total)
		}
		if same, ok := parseContentRange(again); !ok || same != c {
			t.Errorf("parseContentRange(%q) = %v, and %q = %v, %v", s, c, again, same, ok)
		}
	})
}

// FuzzUploadName says that whatever a browser calls a file, it is one of the directory and seen by everybody.
func FuzzUploadName(f *testing.F) {
	for _, seed := range []string{"a.txt", `C:\a.txt`, "../x", "a/b", ".htaccess", "a\x00b", "\xff", "..", "x/", ".gtwistd-a.part", strings.Repeat("n", 300)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, given string) {
		name := lastElement(given)
		if checkName(name, false) != nil {
			return
		}
		if strings.ContainsAny(name, "/\\\x00") || hidden(name) || part.Is(name) || !part.Is(part.Name(name)) || len(part.Name(name)) > 255 {
			t.Errorf("%q becomes %q, of which the part is %q", given, name, part.Name(name))
		}
		if got, slash, ok := localName("/"+name, false); got != name || slash || !ok {
			t.Errorf("%q becomes %q, which is not found", given, name)
		}
	})
}

// TestUploadPastTheServersLimit is about bodies without a length.
func TestUploadPastTheServersLimit(t *testing.T) {
	const head = "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"b\"\r\n\r\n"
	h, dir := uploads(t, Options{})
	for _, test := range []struct{ method, path, head string }{
		{"PUT", "/a", ""},
		{"PUT", "/a?upload", ""},
		{"POST", "/", head},
		{"POST", "/", "--x\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n"},
		{"POST", "/", "--y"},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(test.method, test.path, io.MultiReader(strings.NewReader(test.head), strings.NewReader(strings.Repeat("a", 1000))))
		r.Header.Set("Content-Type", `multipart/form-data; boundary=x`)
		r.Body = http.MaxBytesReader(w, r.Body, 500)
		h.ServeHTTP(w, r)
		found, err := os.ReadDir(dir)
		if w.Code != 413 || !strings.Contains(w.Body.String(), "at most 500 bytes") || err != nil || len(found) != 0 {
			t.Errorf("%s %s %q = %d %q, %d files left, %v, want 413 and none", test.method, test.path, test.head, w.Code, w.Body, len(found), err)
		}
	}
}
