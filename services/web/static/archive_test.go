package static_test

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/web/static"
)

func archiving(t testing.TB, c static.Config) net.Addr {
	t.Helper()
	c.Options.Archive = true
	return server(t, newHandlerOf(t, c))
}

// packed is one entry of an archive.
type packed struct {
	content  string
	mode     os.FileMode
	modified time.Time
}

func untar(t *testing.T, r io.Reader) map[string]packed {
	t.Helper()
	entries := map[string]packed{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return entries
		}
		content, readErr := io.ReadAll(tr)
		if err := errors.Join(err, readErr); err != nil {
			t.Fatal(err)
		}
		entries[h.Name] = packed{string(content), h.FileInfo().Mode(), h.ModTime}
	}
}

func unpack(t *testing.T, format, archive string) map[string]packed {
	t.Helper()
	switch format {
	case "tar":
		return untar(t, strings.NewReader(archive))
	case "tar.gz":
		z, err := gzip.NewReader(strings.NewReader(archive))
		if err != nil {
			t.Fatal(err)
		}
		return untar(t, z)
	}
	z, err := zip.NewReader(strings.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	entries := map[string]packed{}
	for _, f := range z.File {
		content, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(content)
		if err != nil {
			t.Fatal(err)
		}
		entries[f.Name] = packed{string(data), f.Mode(), f.Modified}
	}
	return entries
}

// archived is a tree with all that may and may not be in an archive, and what must be.
func archived(t *testing.T) (dir string, want map[string]string) {
	long := strings.Repeat("long", 60)
	want = map[string]string{
		"site/":                           "",
		"site/a.txt":                      strings.Repeat("hello ", 100000),
		"site/picture.JPG":                "stored",
		"site/empty/":                     "",
		"site/empty file":                 "",
		"site/sub/":                       "",
		"site/sub/index.html":             "<p>",
		"site/sub/ümläut ☃.txt":           "utf-8",
		"site/sub/" + long + "/":          "",
		"site/sub/" + long + "/" + long:   "deep",
		"site/sub/C:\\con <>|?*.txt":      "odd",
		"site/.well-known/":               "",
		"site/.well-known/token":          "token",
		"site/linked.txt":                 "target of a link",
		"site/ends with a newline\n":      "newline",
		"site/bad\xff.txt":                "not utf-8",
		"site/-rf":                        "no option",
		"site/sub/archive-in-archive.zip": "PK",
	}
	files := map[string]string{"site/.hidden": "secret", "site/.git/config": "secret", "outside.txt": "secret", "target.txt": "target of a link"}
	maps.Copy(files, want)
	delete(files, "site/linked.txt")
	files["site/target"] = "target of a link"
	want["site/target"] = "target of a link"
	dir = filepath.Join(tree(t, files), "site")
	symlink(t, "target", filepath.Join(dir, "linked.txt"))
	symlink(t, "..", filepath.Join(dir, "sub", "loop"))
	symlink(t, ".", filepath.Join(dir, "self"))
	symlink(t, "../outside.txt", filepath.Join(dir, "out"))
	return dir, want
}

// inFormat returns what an archive holds of that: a zip has no backslashes.
func inFormat(format string, want map[string]string) map[string]string {
	if format != "zip" {
		return want
	}
	named := map[string]string{}
	for name, content := range want {
		named[strings.ReplaceAll(name, `\`, "_")] = content
	}
	return named
}

func TestArchive(t *testing.T) {
	dir, want := archived(t)
	addr := archiving(t, static.Config{Path: dir, Private: func(path string) bool { return filepath.Base(path) == "private.log" }})
	if err := os.WriteFile(filepath.Join(dir, "private.log"), []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	types := map[string]string{"tar": "application/x-tar", "tar.gz": "application/gzip", "zip": "application/zip"}
	for format, contentType := range types {
		t.Run(format, func(t *testing.T) {
			want, res := inFormat(format, want), get(t, addr, "/?archive="+format)
			if res.StatusCode != 200 || res.Header.Get("Content-Type") != contentType || res.Header.Get("Content-Disposition") != "attachment; filename=site."+format {
				t.Fatalf("= %d, %v", res.StatusCode, res.Header)
			}
			got, want := unpack(t, format, res.body), maps.Clone(want)
			if format == "zip" { // where a backslash would be the separator of a path to some
				const odd = "site/sub/C:\\con <>|?*.txt"
				want[strings.ReplaceAll(odd, `\`, "_")] = want[odd]
				delete(want, odd)
			}
			if names, wanted := slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)); !slices.Equal(names, wanted) {
				t.Errorf("names\n%q, want\n%q", names, wanted)
			}
			for name, content := range want {
				e := got[name]
				mode := os.FileMode(0o644)
				if strings.HasSuffix(name, "/") {
					mode = os.ModeDir | 0o755
				} else if !e.modified.Equal(changed.Truncate(time.Second)) {
					t.Errorf("%q is of %v, want %v", name, e.modified, changed)
				}
				if e.content != content || e.mode != mode {
					t.Errorf("%q: %d bytes, %v, want %d, %v", name, len(e.content), e.mode, len(content), mode)
				}
			}
		})
	}
	res := get(t, addr, "/sub/?archive=tar")
	got := slices.Sorted(maps.Keys(untar(t, strings.NewReader(res.body))))
	if len(got) != 7 || got[0] != "sub/" || res.Header.Get("Content-Disposition") != "attachment; filename=sub.tar" {
		t.Errorf("/sub/ holds %q, %v", got, res.Header)
	}
}

// TestArchiveTools unpacks with what people have.
func TestArchiveTools(t *testing.T) {
	dir, want := archived(t)
	addr := archiving(t, static.Config{Path: dir})
	tools := []struct {
		format, tool, debianPackage string
		args                        []string
	}{
		{"tar", "tar", "tar", []string{"-xf"}},
		{"tar.gz", "tar", "tar", []string{"-xzf"}},
		{"zip", "unzip", "unzip", []string{"-q"}},
	}
	for _, tt := range tools {
		t.Run(tt.format, func(t *testing.T) {
			plugintest.NeedTool(t, tt.tool, tt.debianPackage)
			file := filepath.Join(t.TempDir(), "archive")
			if err := os.WriteFile(file, []byte(get(t, addr, "/?archive="+tt.format).body), 0o644); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), tt.tool, append(tt.args, file)...)
			cmd.Dir = t.TempDir()
			cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", tt.tool, err, out)
			}
			for name, content := range inFormat(tt.format, want) {
				if tt.tool == "unzip" && (!utf8.ValidString(name) || strings.Contains(name, "\n")) {
					continue // unzip makes other names of these
				}
				if strings.HasSuffix(name, "/") {
					continue
				}
				info, err := os.Stat(filepath.Join(cmd.Dir, name))
				if err != nil {
					t.Error(err)
					continue
				}
				data, err := os.ReadFile(filepath.Join(cmd.Dir, name))
				if err != nil || string(data) != content || !info.ModTime().Equal(changed.Truncate(time.Second)) {
					t.Errorf("%q: %d bytes, %v, %v, want %d bytes", name, len(data), info.ModTime(), err, len(content))
				}
			}
		})
	}
}

func TestArchiveAnswers(t *testing.T) {
	dir := tree(t, map[string]string{"sub/a.txt": "a", "ümläut/": "", ".hidden/a": "", "file": "f"})
	on := archiving(t, static.Config{Path: dir, Options: static.Options{Listing: static.ListOff}})
	off := server(t, newHandler(t, dir))
	single := archiving(t, static.Config{Path: filepath.Join(dir, "file")})
	tests := []struct {
		name, request string
		addr          net.Addr
		status        int
		header, want  string
	}{
		{"head", "HEAD /sub/?archive=zip HTTP/1.1", on, 200, "Content-Type", "application/zip"},
		{"unknown", "GET /sub/?archive=rar HTTP/1.1", on, 400, "", "archive: not one of tar, tar.gz, zip\n"},
		{"without a format", "GET /sub/?archive HTTP/1.1", on, 400, "", "archive: not one of tar, tar.gz, zip\n"},
		{"without a slash", "GET /sub?archive=zip HTTP/1.1", on, 301, "Location", "/sub/?archive=zip"},
		{"umlaut", "HEAD /%C3%BCml%C3%A4ut/?archive=zip HTTP/1.1", on, 200, "Content-Disposition", "attachment; filename*=utf-8''%C3%BCml%C3%A4ut.zip"},
		{"missing", "GET /nothing/?archive=zip HTTP/1.1", on, 404, "", "Not Found\n"},
		{"hidden", "GET /.hidden/?archive=zip HTTP/1.1", on, 404, "", "Not Found\n"},
		{"a file", "GET /file/?archive=zip HTTP/1.1", on, 404, "", "Not Found\n"},
		{"a file as itself", "GET /file?archive=zip HTTP/1.1", on, 200, "", "f"},
		{"no range", "GET /sub/?archive=tar HTTP/1.1\nRange: bytes=0-1", on, 200, "Content-Range", ""},
		{"off", "GET /sub/?archive=zip HTTP/1.1", off, 200, "Content-Type", "text/html; charset=utf-8"},
		{"single file", "GET /?archive=zip HTTP/1.1", single, 404, "", "Not Found\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res := ask(t, tt.addr, tt.request)
			got := res.body
			if tt.header != "" {
				got = res.Header.Get(tt.header)
			}
			if res.StatusCode != tt.status || got != tt.want {
				t.Errorf("%q = %d, %q, want %d, %q", tt.request, res.StatusCode, got, tt.status, tt.want)
			}
		})
	}
}

// sparse writes a file that is long and takes no room.
func sparse(t *testing.T, file string, size int64) {
	t.Helper()
	f, err := os.Create(file)
	if err == nil {
		err = errors.Join(f.Truncate(size), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestArchiveOfAFileThatShrinks(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "big.mp4")
	addr := archiving(t, static.Config{Path: dir})
	for _, format := range []string{"tar", "zip"} {
		sparse(t, file, 4<<30)
		res, err := http.Get("http://" + addr.String() + "/?archive=" + format)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(res.Body, make([]byte, 1<<10)); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(file, 10); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err == nil {
			t.Errorf("%s of a file that became shorter ends as if it were whole", format)
		}
		_ = res.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestArchiveMemory says that what an archive takes does not depend on the size of its files.
func TestArchiveMemory(t *testing.T) {
	const size = 256 << 20
	dir := t.TempDir()
	sparse(t, filepath.Join(dir, "big"), size)
	addr := archiving(t, static.Config{Path: dir})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	res, err := http.Get("http://" + addr.String() + "/?archive=tar")
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer res.Body.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, res.Body, make([]byte, 1<<20))
	runtime.ReadMemStats(&after)
	if err != nil || n < size {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
		t.Errorf("%d MiB were allocated for %d MiB", grown>>20, size>>20)
	}
}

// TestArchivesAtOnce says that there is a limit, and that a client that leaves makes room.
func TestArchivesAtOnce(t *testing.T) {
	dir := t.TempDir()
	sparse(t, filepath.Join(dir, "big"), 1<<40)
	addr := archiving(t, static.Config{Path: dir})
	var bodies []io.Closer
	for range 4 {
		res, err := http.Get("http://" + addr.String() + "/?archive=tar")
		if err != nil || res.StatusCode != 200 {
			t.Fatal(res, err)
		}
		bodies = append(bodies, res.Body)
	}
	if res := get(t, addr, "/?archive=tar"); res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
		t.Errorf("a fifth = %d, Retry-After %q, want 503", res.StatusCode, res.Header.Get("Retry-After"))
	}
	for _, b := range bodies {
		_ = b.Close()
	}
	for deadline := time.Now().Add(time.Minute); ask(t, addr, "HEAD /?archive=tar HTTP/1.1").StatusCode != 200; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no place becomes free")
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
