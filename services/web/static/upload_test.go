package static_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/web/static"
)

func uploading(t testing.TB, c static.Config) net.Addr {
	t.Helper()
	c.Options.Upload = true
	return server(t, newHandlerOf(t, c))
}

// put sends a body of the given length, which the headers may contradict.
func put(t testing.TB, addr net.Addr, path, body string, headers ...string) answer {
	t.Helper()
	head := fmt.Sprintf("PUT %s HTTP/1.1\nHost: test\nConnection: close\nContent-Length: %d\n%s", path, len(body), strings.Join(headers, "\n"))
	return exchange(t, addr, strings.ReplaceAll(strings.TrimSuffix(head, "\n")+"\n\n", "\n", "\r\n")+body)
}

func dial(t testing.TB, addr net.Addr) net.Conn {
	t.Helper()
	conn, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// exchange sends bytes and reads one answer.
func exchange(t testing.TB, addr net.Addr, request string) answer {
	t.Helper()
	conn := dial(t, addr)
	// The server may refuse the request while it is sent.
	_, _ = io.WriteString(conn, request)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res, string(body)}
}

// files returns all names below a directory with what is in them.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			return nil // it was removed, or got its name
		}
		name, _ := filepath.Rel(dir, path)
		found[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// awaitFiles waits until the names below a directory are these.
func awaitFiles(t testing.TB, dir string, want ...string) {
	t.Helper()
	var got []string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if got = slices.Sorted(maps.Keys(files(t, dir))); slices.Equal(got, want) {
			return
		}
	}
	t.Fatalf("there is %q, want %q", got, want)
}

func TestPut(t *testing.T) {
	long := strings.Repeat("n", 255)
	tests := []struct {
		name, path, body string
		headers          []string
		status           int
		file             string // that has the body now; "" means that nothing has changed
		answer           string
	}{
		{name: "new", path: "/new.txt", body: "hello", status: 201, file: "new.txt"},
		{name: "empty", path: "/new.txt", body: "", status: 201, file: "new.txt"},
		{name: "below", path: "/sub/new.txt", body: "hello", status: 201, file: "sub/new.txt"},
		{name: "query", path: "/new.txt?a=b", body: "hello", status: 201, file: "new.txt"},
		{name: "encoded", path: "/%C3%BCml%20%3F.txt", body: "hello", status: 201, file: "üml ?.txt"},
		{name: "longest name", path: "/" + long, body: "hello", status: 201, file: long},
		{name: "well-known", path: "/.well-known", body: "hello", status: 201, file: ".well-known"},
		{name: "same origin", path: "/new.txt", body: "x", headers: []string{"Origin: http://test", "Sec-Fetch-Site: same-origin"}, status: 201, file: "new.txt"},
		{name: "exists", path: "/old.txt", body: "new", status: 409, answer: "Conflict: it exists\n"},
		{name: "a directory", path: "/sub", body: "new", status: 409, answer: "Conflict: it is a directory\n"},
		{name: "a directory with its slash", path: "/sub/", body: "new", status: 409, answer: "Conflict: it is a directory\n"},
		{name: "the root", path: "/", body: "new", status: 409, answer: "Conflict: it is a directory\n"},
		{name: "no directory", path: "/nothing/new.txt", body: "new", status: 409, answer: "Conflict: no such directory\n"},
		{name: "below a file", path: "/old.txt/new.txt", body: "new", status: 409, answer: "Conflict: no such directory\n"},
		{name: "too long a name", path: "/" + long + "n", body: "new", status: 400, answer: "Bad Request: no file can have that name\n"},
		{name: "too long a directory", path: "/" + long + "n/x", body: "new", status: 409, answer: "Conflict: no such directory\n"},
		{name: "hidden", path: "/.htaccess", body: "new", status: 403, answer: "Forbidden: files with such a name are not taken\n"},
		{name: "below a hidden one", path: "/.git/config", body: "new", status: 403},
		{name: "dot dot", path: "/../new.txt", body: "new", status: 403},
		{name: "encoded dot dot", path: "/sub/..%2f..%2fnew.txt", body: "new", status: 403},
		{name: "nul", path: "/a%00b", body: "new", status: 403},
		{name: "a part", path: "/.gtwistd-x.part", body: "new", status: 403},
		{name: "private", path: "/server.log", body: "new", status: 403},
		{name: "private by a link", path: "/loop/server.log", body: "new", status: 403},
		{name: "too large", path: "/new.txt", body: strings.Repeat("x", 65), status: 413, answer: "Request Entity Too Large: larger than 64\n"},
		{name: "as large as can be", path: "/new.txt", body: strings.Repeat("x", 64), status: 201, file: "new.txt"},
		{name: "another site", path: "/new.txt", body: "x", headers: []string{"Origin: http://evil.example"}, status: 403},
		{name: "another site by fetch metadata", path: "/new.txt", body: "x", headers: []string{"Sec-Fetch-Site: cross-site"}, status: 403},
		{name: "compressed", path: "/new.txt", body: "x", headers: []string{"Content-Encoding: gzip"}, status: 415},
		{name: "odd range", path: "/new.txt", body: "x", headers: []string{"Content-Range: bytes 0-"}, status: 400},
		{name: "range of another length", path: "/new.txt", body: "x", headers: []string{"Content-Range: bytes 0-4/5"}, status: 400},
		{name: "range of too large a file", path: "/new.txt", body: "x", headers: []string{"Content-Range: bytes 0-0/65"}, status: 413},
		{name: "range in the middle of nothing", path: "/new.txt", body: "x", headers: []string{"Content-Range: bytes 3-3/5"}, status: 409},
		{name: "range of the whole", path: "/new.txt", body: "hello", headers: []string{"Content-Range: bytes 0-4/5"}, status: 201, file: "new.txt"},
		{name: "only if new", path: "/new.txt", body: "x", headers: []string{"If-None-Match: *"}, status: 201, file: "new.txt"},
		{name: "only if there", path: "/new.txt", body: "x", headers: []string{"If-Match: *"}, status: 412},
		{name: "out by a link", path: "/out/new.txt", body: "x", status: 409, answer: "Conflict: no such directory\n"},
		{name: "a link to a file outside", path: "/passwd", body: "x", status: 409, answer: "Conflict: it exists\n"},
		{name: "a link to nowhere", path: "/nowhere", body: "x", status: 409, answer: "Conflict: it exists\n"},
		{name: "through a link inside", path: "/linked/new.txt", body: "x", status: 201, file: "sub/new.txt"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			outside := tree(t, map[string]string{"passwd": "root"})
			dir := tree(t, map[string]string{"old.txt": "old", "sub/": "", "server.log": "log", ".git/": ""})
			for link, target := range map[string]string{
				"out": outside, "passwd": filepath.Join(outside, "passwd"), "nowhere": "nothing", "linked": "sub", "loop": ".",
			} {
				symlink(t, target, filepath.Join(dir, link))
			}
			real, err := filepath.EvalSymlinks(dir)
			if err != nil {
				t.Fatal(err)
			}
			addr := uploading(t, static.Config{Path: dir, Options: static.Options{UploadMax: 64},
				Private: func(path string) bool { return path == filepath.Join(real, "server.log") }})
			before := files(t, dir)
			res := put(t, addr, tt.path, tt.body, tt.headers...)
			if res.StatusCode != tt.status || tt.answer != "" && res.body != tt.answer {
				t.Errorf("= %d %q, want %d %q", res.StatusCode, res.body, tt.status, tt.answer)
			}
			if tt.file != "" {
				before[tt.file] = tt.body
				got := get(t, addr, res.Header.Get("Location"))
				if got.StatusCode != 200 || got.body != tt.body || got.Header.Get("Etag") != res.Header.Get("Etag") {
					t.Errorf("GET %s = %d %q, ETag %s, want the body and %s", res.Header.Get("Location"),
						got.StatusCode, got.body, got.Header.Get("Etag"), res.Header.Get("Etag"))
				}
			}
			if got := files(t, dir); !maps.Equal(got, before) {
				t.Errorf("there is %q, want %q", got, before)
			}
			if got := files(t, outside); got["passwd"] != "root" || len(got) != 1 {
				t.Errorf("outside there is %q", got)
			}
		})
	}
}

// TestUploadOnTheWay says that no upload takes the place of what leads to a private file, or did.
func TestUploadOnTheWay(t *testing.T) {
	dir, err := filepath.EvalSymlinks(tree(t, map[string]string{"releases/1/users": "u"}))
	if err != nil {
		t.Fatal(err)
	}
	symlink(t, "releases/1", filepath.Join(dir, "current"))
	ways := []string{filepath.Join(dir, "current"), filepath.Join(dir, "gone")}
	addr := uploading(t, static.Config{
		Path: dir, Options: static.Options{UploadOverwrite: true}, Private: func(string) bool { return false },
		PrivateBelow: func(path string) string {
			if slices.Contains(ways, path) {
				return path
			}
			return ""
		},
	})
	for path, want := range map[string]int{"/current": 403, "/gone": 403, "/other": 201} {
		if res := put(t, addr, path, "x"); res.StatusCode != want {
			t.Errorf("PUT %s = %d %q, want %d", path, res.StatusCode, res.body, want)
		}
	}
	if target, err := os.Readlink(ways[0]); target != "releases/1" || err != nil {
		t.Errorf("current leads to %q, %v", target, err)
	}
}

func TestUploadMethods(t *testing.T) {
	dir := tree(t, map[string]string{"a.txt": "a"})
	addr := uploading(t, static.Config{Path: dir})
	if res := ask(t, addr, "OPTIONS / HTTP/1.1"); res.Header.Get("Allow") != "GET, HEAD, OPTIONS, PUT, POST" {
		t.Errorf("OPTIONS: Allow %q", res.Header.Get("Allow"))
	}
	if res := ask(t, addr, "DELETE /a.txt HTTP/1.1"); res.StatusCode != 405 || res.Header.Get("Allow") != "GET, HEAD, OPTIONS, PUT, POST" {
		t.Errorf("DELETE = %d, Allow %q", res.StatusCode, res.Header.Get("Allow"))
	}
	if res := get(t, addr, "/a.txt?upload"); res.body != "a" {
		t.Errorf("GET with ?upload = %q", res.body)
	}
}

func TestOverwrite(t *testing.T) {
	outside := tree(t, map[string]string{"passwd": "root"})
	dir := tree(t, map[string]string{"a.txt": "old", "sub/": ""})
	symlink(t, filepath.Join(outside, "passwd"), filepath.Join(dir, "link"))
	addr := uploading(t, static.Config{Path: dir, Options: static.Options{UploadOverwrite: true, Memory: 1 << 20}})
	tag := "If-Match: " + get(t, addr, "/a.txt").Header.Get("Etag")
	since := "If-Unmodified-Since: " + changed.UTC().Format(http.TimeFormat)
	steps := []struct {
		name, path, body string
		header           string
		status           int
		now              string // what a.txt is
	}{
		{"only a new one", "/a.txt", "1", "If-None-Match: *", 412, "old"},
		{"another version", "/a.txt", "1", `If-Match: "x", "y"`, 412, "old"},
		{"weak", "/a.txt", "1", strings.Replace(tag, `"`, `W/"`, 1), 412, "old"},
		{"not changed since", "/a.txt", "1", since, 204, "1"},
		{"changed since", "/a.txt", "2", since, 412, "1"},
		{"that version no more", "/a.txt", "2", tag, 412, "1"},
		{"any version", "/a.txt", "3", "If-Match: *", 204, "3"},
		{"without a condition", "/a.txt", "4", "", 204, "4"},
		{"a directory", "/sub", "5", "", 409, "4"},
		{"a link", "/link", "6", "", 204, "4"},
	}
	for _, tt := range steps {
		res := put(t, addr, tt.path, tt.body, tt.header)
		if seen := get(t, addr, "/a.txt").body; seen != tt.now {
			t.Errorf("%s: GET shows %q, want %q", tt.name, seen, tt.now)
		}
		if got := files(t, dir)["a.txt"]; res.StatusCode != tt.status || got != tt.now {
			t.Errorf("%s: %d %q, a.txt is %q, want %d, %q", tt.name, res.StatusCode, res.body, got, tt.status, tt.now)
		}
	}
	if got := files(t, dir); got["link"] != "6" || len(got) != 2 || files(t, outside)["passwd"] != "root" {
		t.Errorf("the link became %q", got)
	}
}

// TestRacingUploads says that one of many wins, and that nothing is mixed.
func TestRacingUploads(t *testing.T) {
	dir := t.TempDir()
	addr := uploading(t, static.Config{Path: dir})
	other := uploading(t, static.Config{Path: dir}) // another process would do the same
	var all sync.WaitGroup
	var mu sync.Mutex
	status := map[int][]string{}
	for i := range 16 {
		all.Go(func() {
			body := strings.Repeat(string(rune('a'+i)), 300_000)
			res := put(t, []net.Addr{addr, other}[i%2], "/same", body)
			mu.Lock()
			defer mu.Unlock()
			status[res.StatusCode] = append(status[res.StatusCode], body)
		})
	}
	all.Wait()
	if len(status[201]) != 1 || len(status[409])+len(status[423]) != 15 {
		t.Fatalf("%d were created, %d and %d refused, want 1 and 15", len(status[201]), len(status[409]), len(status[423]))
	}
	if got := files(t, dir); len(got) != 1 || got["same"] != status[201][0] {
		t.Errorf("%d files, not what was taken", len(got))
	}
}

// begun sends the first half of a request with a body and returns the connection.
func begun(t *testing.T, addr net.Addr, path, half string, total int, headers ...string) net.Conn {
	t.Helper()
	conn := dial(t, addr)
	head := fmt.Sprintf("PUT %s HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n", path, total)
	for _, h := range headers {
		head += h + "\r\n"
	}
	if _, err := io.WriteString(conn, head+"\r\n"+half); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestClientBreaksOff(t *testing.T) {
	dir := t.TempDir()
	addr := uploading(t, static.Config{Path: dir})
	conn := begun(t, addr, "/a.txt", "half", 8)
	awaitOffset(t, addr, "/a.txt", "4")
	if res := put(t, addr, "/a.txt", "other"); res.StatusCode != 423 || res.Header.Get("Retry-After") == "" {
		t.Errorf("a second upload = %d %q, want 423", res.StatusCode, res.body)
	}
	for _, path := range []string{"/a.txt", "/.gtwistd-a.txt.part"} {
		if res := get(t, addr, path); res.StatusCode != 404 {
			t.Errorf("GET %s meanwhile = %d, want 404", path, res.StatusCode)
		}
	}
	_ = conn.Close()
	awaitFiles(t, dir)
	if res := put(t, addr, "/a.txt", "whole"); res.StatusCode != 201 {
		t.Errorf("afterwards = %d %q, want 201", res.StatusCode, res.body)
	}
}

// TestPartsAreNeverShown says so also where hidden names are.
func TestPartsAreNeverShown(t *testing.T) {
	dir := tree(t, map[string]string{".gtwistd-a.part": "half", ".shown": "s"})
	addr := uploading(t, static.Config{Path: dir, Options: static.Options{Hidden: true}})
	for path, want := range map[string]int{"/.gtwistd-a.part": 404, "/.shown": 200} {
		if res := get(t, addr, path); res.StatusCode != want {
			t.Errorf("GET %s = %d, want %d", path, res.StatusCode, want)
		}
	}
	if page := get(t, addr, "/").body; strings.Contains(page, "gtwistd-a") || !strings.Contains(page, ".shown") {
		t.Errorf("the listing is %s", page)
	}
	if res := put(t, addr, "/.new", "x"); res.StatusCode != 201 {
		t.Errorf("PUT of a hidden name = %d, want 201", res.StatusCode)
	}
}

func offset(t *testing.T, addr net.Addr, path string) string {
	t.Helper()
	return ask(t, addr, "HEAD "+path+"?upload HTTP/1.1").Header.Get("Upload-Offset")
}

// awaitOffset waits until so much of an upload has come.
func awaitOffset(t *testing.T, addr net.Addr, path, want string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if offset(t, addr, path) == want {
			return
		}
	}
	t.Fatalf("the offset is %s, want %s", offset(t, addr, path), want)
}

func TestResume(t *testing.T) {
	dir := t.TempDir()
	addr := uploading(t, static.Config{Path: dir})
	if got := offset(t, addr, "/a.txt"); got != "0" {
		t.Errorf("offset of nothing = %q", got)
	}
	_ = begun(t, addr, "/a.txt?upload", "0123", 10).Close()
	steps := []struct {
		name, body, span string
		status           int
		offset           string
	}{
		{"too late", "9", "bytes 9-9/10", 409, "4"},
		{"too early", "3", "bytes 3-3/10", 409, "4"},
		{"some of the rest", "456", "bytes 4-6/10", 202, "7"},
		{"too much", "78", "bytes 7-7/10", 400, ""},
		{"the rest", "789", "bytes 7-9/10", 201, ""},
	}
	awaitOffset(t, addr, "/a.txt", "4")
	for _, tt := range steps {
		var res answer
		for range 10_000 { // until the first connection is given up
			if res = put(t, addr, "/a.txt", tt.body, "Content-Range: "+tt.span); res.StatusCode != 423 {
				break
			}
		}
		if res.StatusCode != tt.status || res.Header.Get("Upload-Offset") != tt.offset {
			t.Errorf("%s: %d %q, offset %q, want %d, %q", tt.name, res.StatusCode, res.body, res.Header.Get("Upload-Offset"), tt.status, tt.offset)
		}
	}
	if got := files(t, dir); got["a.txt"] != "0123456789" || len(got) != 1 {
		t.Errorf("there is %q", got)
	}
}

// TestResumeOfWhatIsThere says that a client can end an upload of which the server was killed at the last moment.
func TestResumeOfWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	part := filepath.Join(dir, ".gtwistd-a.txt.part")
	addr := uploading(t, static.Config{Path: dir})
	write := func(content string, modified time.Time) {
		t.Helper()
		if err := errors.Join(os.WriteFile(part, []byte(content), 0o644), os.Chtimes(part, modified, modified)); err != nil {
			t.Fatal(err)
		}
	}
	write("0123", time.Now().Add(-8*24*time.Hour))
	if got := offset(t, addr, "/a.txt"); got != "0" {
		t.Errorf("offset of an old part = %q, want 0", got)
	}
	if res := put(t, addr, "/a.txt", "4", "Content-Range: bytes 4-4/5"); res.StatusCode != 409 || res.Header.Get("Upload-Offset") != "0" {
		t.Errorf("going on with an old part = %d, offset %q, want 409, 0", res.StatusCode, res.Header.Get("Upload-Offset"))
	}
	write("0123", time.Now())
	if res := put(t, addr, "/a.txt", "", "Content-Range: bytes */5"); res.StatusCode != 409 || res.Header.Get("Upload-Offset") != "4" {
		t.Errorf("the end of less = %d, offset %q, want 409, 4", res.StatusCode, res.Header.Get("Upload-Offset"))
	}
	if res := put(t, addr, "/a.txt", "", "Content-Range: bytes */4"); res.StatusCode != 201 {
		t.Errorf("the end = %d %q, want 201", res.StatusCode, res.body)
	}
	// A kill after the file had its name and before the part had lost it.
	if err := os.Link(filepath.Join(dir, "a.txt"), part); err != nil {
		t.Fatal(err)
	}
	over := uploading(t, static.Config{Path: dir, Options: static.Options{UploadOverwrite: true}})
	_ = begun(t, over, "/a.txt?upload", "new", 6).Close()
	awaitOffset(t, over, "/a.txt", "3")
	if got := files(t, dir)["a.txt"]; got != "0123" {
		t.Errorf("the file is %q, want it untouched", got)
	}
}

func TestUploadTooLargeInTheStream(t *testing.T) {
	dir := t.TempDir()
	addr := uploading(t, static.Config{Path: dir, Options: static.Options{UploadMax: 10}})
	for body, want := range map[string]int{"5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n": 201, "5\r\n01234\r\n6\r\n567890\r\n0\r\n\r\n": 413, "5\r\n01234\r\nx\r\n": 400} {
		res := exchange(t, addr, "PUT /a"+fmt.Sprint(want)+" HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"+body)
		if res.StatusCode != want {
			t.Errorf("%q = %d %q, want %d", body, res.StatusCode, res.body, want)
		}
	}
	awaitFiles(t, dir, "a201")
}

// TestExpect says that nobody sends a body for nothing.
func TestExpect(t *testing.T) {
	dir := tree(t, map[string]string{"old": "old"})
	addr := uploading(t, static.Config{Path: dir})
	if res := exchange(t, addr, "PUT /old HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"); res.StatusCode != 409 {
		t.Errorf("= %d, want 409 and no 100 before", res.StatusCode)
	}
	conn := begun(t, addr, "/new", "", 5, "Expect: 100-continue")
	line := make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))
	if _, err := io.ReadFull(conn, line); err != nil || !strings.Contains(string(line), " 100 ") {
		t.Errorf("= %q, %v, want 100", line, err)
	}
	_ = conn.Close()
	awaitFiles(t, dir, "old")
}

// brittle is a pool that is full from some call on.
type brittle struct{ calls int }

func (b *brittle) Do(ctx context.Context, fn func() error) error {
	if b.calls--; b.calls < 0 {
		return plugins.ErrFull
	}
	return fn()
}

func TestUploadWithAFullPool(t *testing.T) {
	for calls, want := range []int{503, 201} {
		dir := t.TempDir()
		h := newHandlerOf(t, static.Config{Path: dir, Options: static.Options{Upload: true}, Pool: &brittle{calls}})
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("PUT", "/a", strings.NewReader("hello")))
		if w.Code != want {
			t.Errorf("with %d calls = %d %q, want %d", calls, w.Code, w.Body, want)
		}
	}
}

// form returns the body of a form and its type; each file is its name and its content, in turn.
func form(t *testing.T, files ...string) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		part, err := w.CreatePart(map[string][]string{"Content-Disposition": {`form-data; name="file"; filename="` + files[i] + `"`}})
		if err == nil {
			_, err = io.WriteString(part, files[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.WriteField("comment", "no file"), w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String(), w.FormDataContentType()
}

func TestForm(t *testing.T) {
	tests := []struct {
		name, path string
		files      []string
		header     string
		status     int
		want       map[string]string
		location   string
		answer     string
	}{
		{"for a browser", "/sub/", []string{"a.txt", "aa", "b.txt", ""}, "Accept: text/html,*/*;q=0.8", 303,
			map[string]string{"sub/a.txt": "aa", "sub/b.txt": ""}, "/sub/", ""},
		{"into the root", "/", []string{"a.txt", "aa"}, "Accept: text/html", 303, map[string]string{"a.txt": "aa"}, "/", ""},
		{"for curl", "/sub/", []string{"a b.txt", "aa"}, "Accept: */*", 201, map[string]string{"sub/a b.txt": "aa"}, "", "/sub/a%20b.txt\n"},
		{"for a program", "/", []string{"a.txt", "aa"}, "Accept: application/json", 201, map[string]string{"a.txt": "aa"}, "",
			`{"saved":[{"name":"a.txt","href":"/a.txt","size":2}]}` + "\n"},
		{"directories of a browser", "/", []string{`C:\\dir\\a.txt`, "1", "../../b.txt", "2", "/etc/c.txt", "3"}, "", 201,
			map[string]string{"a.txt": "1", "b.txt": "2", "c.txt": "3"}, "", "/a.txt\n/b.txt\n/c.txt\n"},
		{"one exists", "/", []string{"a.txt", "aa", "old.txt", "new", "b.txt", "bb"}, "", 409, map[string]string{"a.txt": "aa"}, "",
			"a.txt: saved\nold.txt: Conflict: it exists\n"},
		{"hidden", "/", []string{".htaccess", "x"}, "", 403, nil, "", ".htaccess: Forbidden: files with such a name are not taken\n"},
		{"dot dot", "/", []string{"x/..", "x"}, "", 403, nil, "", "..: Forbidden: files with such a name are not taken\n"},
		{"too large", "/", []string{"a.txt", strings.Repeat("x", 65)}, "", 413, nil, "", "a.txt: Request Entity Too Large: larger than 64\n"},
		{"no file", "/", nil, "", 400, nil, "", "Bad Request: no file in the form\n"},
		{"no directory", "/nothing/", []string{"a.txt", "x"}, "", 409, nil, "", "a.txt: Conflict: no such directory\n"},
		{"without a slash", "/sub", []string{"a.txt", "x"}, "", 400, nil, "", "Bad Request: a form goes to a directory: its URL ends with a slash\n"},
		{"from another site", "/", []string{"a.txt", "x"}, "Origin: http://evil.example", 403, nil, "", ""},
		{"of a page that was here", "/", []string{"a.txt", "x"}, "Origin: http://test", 201, map[string]string{"a.txt": "x"}, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := tree(t, map[string]string{"old.txt": "old", "sub/": ""})
			addr := uploading(t, static.Config{Path: dir, Options: static.Options{UploadMax: 64}})
			body, contentType := form(t, tt.files...)
			head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %d\r\n", tt.path, contentType, len(body))
			if tt.header != "" {
				head += tt.header + "\r\n"
			}
			res := exchange(t, addr, head+"\r\n"+body)
			if res.StatusCode != tt.status || res.Header.Get("Location") != tt.location || tt.answer != "" && res.body != tt.answer {
				t.Errorf("= %d %q, Location %q, want %d %q, %q", res.StatusCode, res.body, res.Header.Get("Location"), tt.status, tt.answer, tt.location)
			}
			want := map[string]string{"old.txt": "old"}
			maps.Copy(want, tt.want)
			if got := files(t, dir); !maps.Equal(got, want) {
				t.Errorf("there is %q, want %q", got, want)
			}
		})
	}
}

// TestFormHead says that no field of a form takes up memory with its header.
func TestFormHead(t *testing.T) {
	const begin = "--b\r\nContent-Disposition: form-data; name=f; filename=a.txt\r\n"
	field := "--b\r\nContent-Disposition: form-data; name=note\r\n\r\n" + strings.Repeat("text ", 100_000) + "\r\n"
	for name, tt := range map[string]struct {
		body   string
		status int
	}{
		"lines":                    {begin + strings.Repeat("Some: header\r\n", 9_000) + "\r\nx\r\n--b--\r\n", 431},
		"one line":                 {begin + "X: " + strings.Repeat("y", 100_000) + "\r\n\r\nx\r\n--b--\r\n", 431},
		"before the form":          {strings.Repeat("preamble\r\n", 20_000) + "\r\n" + begin + "\r\nx\r\n--b--\r\n", 431},
		"long fields are no heads": {field + field + begin + "\r\n" + strings.Repeat("x", 200_000) + "\r\n" + field + "--b--\r\n", 201},
	} {
		addr := uploading(t, static.Config{Path: t.TempDir()})
		head := fmt.Sprintf("POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n", len(tt.body))
		if res := exchange(t, addr, head+tt.body); res.StatusCode != tt.status {
			t.Errorf("%s = %d %q, want %d", name, res.StatusCode, res.body, tt.status)
		}
	}
}

// TestUploadOfSideFile says that what is not to be replaced is not replaced for those who take a coding either.
func TestUploadOfSideFile(t *testing.T) {
	for _, tt := range []struct {
		name   string
		o      static.Options
		status int
	}{
		{"a.txt.gz", static.Options{Precompressed: true}, 409},
		{"a.txt.zst", static.Options{Precompressed: true}, 409},
		{"a.txt.xz", static.Options{Precompressed: true}, 201},
		{"b.txt.gz", static.Options{Precompressed: true}, 201},
		{"sub.gz", static.Options{Precompressed: true}, 201},
		{"a.txt.gz", static.Options{}, 201},
		{"a.txt.gz", static.Options{Precompressed: true, UploadOverwrite: true}, 201},
	} {
		addr := uploading(t, static.Config{Path: tree(t, map[string]string{"a.txt": "a", "sub/": ""}), Options: tt.o})
		res := exchange(t, addr, "PUT /"+tt.name+" HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx")
		if res.StatusCode != tt.status {
			t.Errorf("PUT %s with %+v = %d %q, want %d", tt.name, tt.o, res.StatusCode, res.body, tt.status)
		}
	}
}

func TestFormThatIsNone(t *testing.T) {
	dir := t.TempDir()
	addr := uploading(t, static.Config{Path: dir})
	for head, want := range map[string]int{
		"Content-Type: text/plain\r\nContent-Length: 1\r\n\r\nx":                                       415,
		"Content-Length: 0\r\n\r\n":                                                                    415,
		"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 5\r\n\r\nhello":              400,
		"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 9\r\n\r\n--b--\r\n\r\n":      400,
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 8\r\n\r\nfile=a.t":         415,
		"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 13\r\n\r\n--b\r\nx\r\n\r\ny": 400,
	} {
		if res := exchange(t, addr, "POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"+head); res.StatusCode != want {
			t.Errorf("%q = %d %q, want %d", head, res.StatusCode, res.body, want)
		}
	}
	awaitFiles(t, dir)
}

func TestUploadNeedsADirectory(t *testing.T) {
	file := filepath.Join(tree(t, map[string]string{"a.txt": "a"}), "a.txt")
	for name, o := range map[string]static.Options{"single file": {Upload: true}, "overwrite alone": {UploadOverwrite: true}} {
		_, err := static.New(static.Config{Path: file, Options: o})
		if _, ok := errors.AsType[*plugins.UsageError](err); !ok {
			t.Errorf("%s: New() = %v, want a usage error", name, err)
		}
	}
}

func TestUploadByCurl(t *testing.T) {
	plugintest.NeedTool(t, "curl", "curl")
	dir := tree(t, map[string]string{"sub/": ""})
	addr := uploading(t, static.Config{Path: dir})
	base := "http://" + addr.String()
	source := filepath.Join(t.TempDir(), "big.bin")
	content := bytes.Repeat([]byte("0123456789abcdef"), 200_000)
	if err := os.WriteFile(source, content, 0o644); err != nil {
		t.Fatal(err)
	}
	// Of one upload a part is there already.
	if err := os.WriteFile(filepath.Join(dir, ".gtwistd-resumed.part"), content[:1_000_000], 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"put", []string{"-T", source, base + "/sub/"}, "201"},
		{"again", []string{"-T", source, base + "/sub/"}, "409"},
		{"from a pipe", []string{"-T", "-", base + "/piped"}, "201"},
		{"form", []string{"-F", "file=@" + source + ";filename=form.bin", base + "/sub/"}, "201"},
		{"how far", []string{"-I", base + "/resumed?upload"}, "204"},
		{"resume", []string{"-C", "1000000", "-T", source, base + "/resumed"}, "201"},
	}
	for _, tt := range tests {
		args := append([]string{"-sS", "--noproxy", "*", "-o", os.DevNull, "-w", "%{http_code}"}, tt.args...)
		cmd := exec.CommandContext(t.Context(), "curl", args...)
		cmd.Stdin = bytes.NewReader(content)
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != tt.want {
			t.Errorf("%s: curl %q = %q, %v, want %s", tt.name, tt.args, out, err, tt.want)
		}
	}
	for _, name := range []string{"sub/big.bin", "piped", "sub/form.bin", "resumed"} {
		if data, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(data, content) {
			t.Errorf("%s has %d bytes, %v, want what was sent", name, len(data), err)
		}
	}
	awaitFiles(t, dir, "piped", "resumed", "sub/big.bin", "sub/form.bin")
}
