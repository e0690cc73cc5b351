package web_test

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// encodedFiles has a page with all side files, others with some, and one for which they are too old.
func encodedFiles(t *testing.T) string {
	t.Helper()
	long := strings.Repeat("a long text ", 100)
	dir := datedDirectory(t, map[string]string{
		"all.html": "plain", "all.html.gz": "side gzip", "all.html.br": "side br", "all.html.zst": "side zstd",
		"one.txt": long, "one.txt.gz": "side gzip", "old.css": "plain", "old.css.gz": "side gzip",
		"none.txt": long, "short.txt": "short", "image.png": long,
	})
	later := changed.Add(time.Second)
	if err := os.Chtimes(filepath.Join(dir, "old.css"), later, later); err != nil {
		t.Fatal(err)
	}
	time.Sleep(150 * time.Millisecond) // as in datedDirectory
	return dir
}

func TestAcceptEncoding(t *testing.T) {
	s := newSite(t, encodedFiles(t), "--precompressed")
	tests := []struct{ name, accept, coding string }{
		{"none", "", ""},
		{"empty", "Accept-Encoding:", ""},
		{"gzip", "Accept-Encoding: gzip", "gzip"},
		{"brotli", "Accept-Encoding: br", "br"},
		{"all of a browser", "Accept-Encoding: gzip, deflate, br, zstd", "zstd"},
		{"old name", "Accept-Encoding: x-gzip", "gzip"},
		{"capitals", "Accept-Encoding: GZip", "gzip"},
		{"blanks", "Accept-Encoding:  , gzip ;q=1 ,", "gzip"},
		{"two lines", "Accept-Encoding: deflate\nAccept-Encoding: br", "br"},
		{"weights", "Accept-Encoding: gzip;q=0.9, br;q=0.1, zstd;q=0.5", "gzip"},
		{"weight in capitals", "Accept-Encoding: gzip;Q=0.9, br;q=0.1", "gzip"},
		{"three digits", "Accept-Encoding: gzip;q=0.123, br;q=0.124", "br"},
		{"any", "Accept-Encoding: *", "zstd"},
		{"any, a little", "Accept-Encoding: *;q=0.5", "zstd"},
		{"any but gzip", "Accept-Encoding: gzip;q=0, *", "zstd"},
		{"any but two", "Accept-Encoding: *, zstd;q=0, br;q=0", "gzip"},
		{"none at all", "Accept-Encoding: *;q=0", ""},
		{"not gzip", "Accept-Encoding: gzip;q=0", ""},
		{"identity", "Accept-Encoding: identity", ""},
		{"rather identity", "Accept-Encoding: identity, gzip;q=0.5", ""},
		{"identity as well", "Accept-Encoding: identity, gzip", "gzip"},
		{"not identity", "Accept-Encoding: identity;q=0", ""},
		{"not identity but gzip", "Accept-Encoding: identity;q=0, gzip;q=0.1", "gzip"},
		{"not identity but any", "Accept-Encoding: identity;q=0, *", "zstd"},
		{"unknown", "Accept-Encoding: deflate, compress, x", ""},
		{"weight too large", "Accept-Encoding: gzip;q=2, br;q=0.1", "br"},
		{"weight too long", "Accept-Encoding: gzip;q=0.1234", ""},
		{"weight that is none", "Accept-Encoding: gzip;q=x", ""},
		{"weight without a number", "Accept-Encoding: gzip;q=", ""},
		{"negative weight", "Accept-Encoding: gzip;q=-1", ""},
		{"other parameter", "Accept-Encoding: gzip;level=9", ""},
		{"garbage", "Accept-Encoding: ;;=,,\"gzip\", gzip gzip", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := "side " + tt.coding
			if tt.coding == "" {
				want = "plain"
			}
			res := s.get(t, "/all.html", tt.accept)
			if got := res.Header.Get("Content-Encoding"); res.StatusCode != 200 || got != tt.coding || res.body != want {
				t.Errorf("%q = %d, %q, %q, want %q, %q", tt.accept, res.StatusCode, got, res.body, tt.coding, want)
			}
			if vary, kind := res.Header.Get("Vary"), res.Header.Get("Content-Type"); vary != "Accept-Encoding" || kind != "text/html; charset=utf-8" {
				t.Errorf("%q: Vary %q, Content-Type %q", tt.accept, vary, kind)
			}
		})
	}
}

// TestSideFiles says which side files count.
func TestSideFiles(t *testing.T) {
	dir := encodedFiles(t)
	s := newSite(t, dir, "--precompressed")
	tests := []struct{ path, accept, coding string }{
		{"/one.txt", "zstd, br, gzip;q=0.1", "gzip"},
		{"/one.txt", "zstd, br", ""},
		{"/old.css", "gzip", ""},
		{"/none.txt", "gzip", ""},
		{"/all.html.gz", "gzip", ""},
	}
	for _, tt := range tests {
		res := s.get(t, tt.path, "Accept-Encoding: "+tt.accept)
		if got := res.Header.Get("Content-Encoding"); res.StatusCode != 200 || got != tt.coding {
			t.Errorf("GET %s accepting %s = %d, %q, want %q", tt.path, tt.accept, res.StatusCode, got, tt.coding)
		}
	}
	without := newSite(t, dir)
	if res := without.get(t, "/all.html", "Accept-Encoding: gzip"); res.body != "plain" || res.Header.Get("Vary") != "" {
		t.Errorf("without --precompressed: %q, Vary %q", res.body, res.Header.Get("Vary"))
	}
}

// TestTagsOfCodings says that each coding of a file has a tag of its own, which is that of its parts and conditions, and that
// a 304 says what the answer depends on.
func TestTagsOfCodings(t *testing.T) {
	s := newSite(t, encodedFiles(t), "--precompressed")
	seen := map[string]string{}
	for _, coding := range []string{"identity", "gzip", "br", "zstd"} {
		accept := "Accept-Encoding: " + coding
		whole := s.get(t, "/all.html", accept)
		tag := whole.Header.Get("ETag")
		if other, twice := seen[tag]; twice {
			t.Errorf("%s and %s have the tag %s", coding, other, tag)
		}
		seen[tag] = coding
		for _, tt := range []struct {
			headers string
			status  int
			body    string
		}{
			{"If-None-Match: " + tag, 304, ""},
			{"If-None-Match: W/" + tag, 304, ""},
			{`If-None-Match: "other"`, 200, whole.body},
			{"If-Match: " + tag, 200, whole.body},
			{`If-Match: "other"`, 412, ""},
			{"If-Unmodified-Since: Thu, 01 Jan 2026 00:00:00 GMT", 412, ""},
			{"Range: bytes=1-2", 206, whole.body[1:3]},
			{"Range: bytes=1-2\nIf-Range: " + tag, 206, whole.body[1:3]},
			{"Range: bytes=1-2\nIf-Range: \"other\"", 200, whole.body},
			{"Range: bytes=100-", 416, "invalid range: failed to overlap\n"},
		} {
			res := s.get(t, "/all.html", accept, tt.headers)
			if res.StatusCode != tt.status || res.body != tt.body {
				t.Errorf("%s with %q = %d %q, want %d %q", coding, tt.headers, res.StatusCode, res.body, tt.status, tt.body)
			}
			if tt.status < 400 && (res.Header.Get("ETag") != tag || res.Header.Get("Vary") != "Accept-Encoding") {
				t.Errorf("%s with %q: ETag %q, Vary %q", coding, tt.headers, res.Header.Get("ETag"), res.Header.Get("Vary"))
			}
			if head := s.ask(t, "HEAD /all.html HTTP/1.1\n"+accept+"\n"+tt.headers); head.body != "" {
				t.Errorf("HEAD of %s with %q = %d %q", coding, tt.headers, head.StatusCode, head.body)
			}
		}
	}
}

// TestCompress says what is compressed on the fly, and that the short, the incompressible and the parts are not.
func TestCompress(t *testing.T) {
	s := newSite(t, encodedFiles(t), "--compress")
	tests := []struct{ path, headers, coding, vary string }{
		{"/none.txt", "Accept-Encoding: gzip", "gzip", "Accept-Encoding"},
		{"/none.txt", "Accept-Encoding: gzip, br, zstd", "zstd", "Accept-Encoding"},
		{"/none.txt", "Accept-Encoding: br", "", "Accept-Encoding"},
		{"/none.txt", "", "", "Accept-Encoding"},
		{"/none.txt", "Accept-Encoding: gzip\nRange: bytes=0-9", "", "Accept-Encoding"},
		{"/short.txt", "Accept-Encoding: gzip", "", ""},
		{"/image.png", "Accept-Encoding: gzip", "", ""},
	}
	for _, tt := range tests {
		res := s.get(t, tt.path, tt.headers)
		coding, vary := res.Header.Get("Content-Encoding"), res.Header.Get("Vary")
		if res.StatusCode >= 300 || coding != tt.coding || vary != tt.vary {
			t.Errorf("GET %s with %q = %d, %q, Vary %q, want %q, %q", tt.path, tt.headers, res.StatusCode, coding, vary, tt.coding, tt.vary)
		}
		tag := res.Header.Get("ETag")
		if again := s.get(t, tt.path, tt.headers, "If-None-Match: "+tag); again.StatusCode != 304 || again.Header.Get("Vary") != tt.vary || again.Header.Get("ETag") != tag {
			t.Errorf("GET %s again = %d, ETag %q, Vary %q", tt.path, again.StatusCode, again.Header.Get("ETag"), again.Header.Get("Vary"))
		}
		if tt.coding == "" {
			continue
		}
		if other := s.get(t, tt.path, tt.headers, `If-Match: "other"`); other.StatusCode != 412 {
			t.Errorf("GET %s with another tag = %d, want 412", tt.path, other.StatusCode)
		}
	}
	packed, err := gzip.NewReader(strings.NewReader(s.get(t, "/none.txt", "Accept-Encoding: gzip").body))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(packed); err != nil || string(text) != strings.Repeat("a long text ", 100) {
		t.Errorf("unpacked: %q, %v", text, err)
	}
}

// TestSideFileBeforeCompression says that what somebody packed with care is sent rather than what we make.
func TestSideFileBeforeCompression(t *testing.T) {
	s := newSite(t, encodedFiles(t), "--precompressed", "--compress")
	for accept, want := range map[string]string{"gzip, zstd": "gzip", "zstd": "zstd", "br": ""} {
		if got := s.get(t, "/one.txt", "Accept-Encoding: "+accept).Header.Get("Content-Encoding"); got != want {
			t.Errorf("accepting %s: %q, want %q", accept, got, want)
		}
	}
}
