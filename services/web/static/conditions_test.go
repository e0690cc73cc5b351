package static_test

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const digits = "0123456789"

// TestConditions is RFC 9110 section 13.
func TestConditions(t *testing.T) {
	addr := server(t, newHandler(t, tree(t, map[string]string{"a.txt": digits})))
	tag := get(t, addr, "/a.txt").Header.Get("ETag")
	if !strings.HasPrefix(tag, `"`) || !strings.HasSuffix(tag, `"`) || len(tag) < 5 {
		t.Fatalf("ETag %q, want a strong one", tag)
	}
	stamp := func(d time.Duration) string { return changed.Add(d).Format(http.TimeFormat) }
	same, before, after := stamp(0), stamp(-time.Minute), stamp(time.Minute)
	if got := get(t, addr, "/a.txt").Header.Get("Last-Modified"); got != same {
		t.Fatalf("Last-Modified %q, want %q", got, same)
	}
	tests := []struct {
		name, headers string
		status        int
	}{
		{"no condition", "", 200},
		{"none-match same", "If-None-Match: " + tag, 304},
		{"none-match weak", "If-None-Match: W/" + tag, 304},
		{"none-match other", `If-None-Match: "other"`, 200},
		{"none-match list", `If-None-Match: "other", ` + tag, 304},
		{"none-match two lines", "If-None-Match: \"other\"\nIf-None-Match: " + tag, 304},
		{"none-match any", "If-None-Match: *", 304},
		{"none-match garbage", "If-None-Match: other", 200},
		{"match same", "If-Match: " + tag, 200},
		{"match weak", "If-Match: W/" + tag, 412},
		{"match other", `If-Match: "other"`, 412},
		{"match two lines", "If-Match: \"other\"\nIf-Match: " + tag, 200},
		{"match any", "If-Match: *", 200},
		{"modified-since same", "If-Modified-Since: " + same, 304},
		{"modified-since before", "If-Modified-Since: " + before, 200},
		{"modified-since after", "If-Modified-Since: " + after, 304},
		{"modified-since garbage", "If-Modified-Since: yesterday", 200},
		{"modified-since rfc 850", "If-Modified-Since: Friday, 20-Nov-26 09:31:36 GMT", 304},
		{"unmodified-since same", "If-Unmodified-Since: " + same, 200},
		{"unmodified-since before", "If-Unmodified-Since: " + before, 412},
		{"unmodified-since garbage", "If-Unmodified-Since: yesterday", 200},
		{"none-match beats modified-since", "If-None-Match: \"other\"\nIf-Modified-Since: " + same, 200},
		{"match beats unmodified-since", "If-Match: " + tag + "\nIf-Unmodified-Since: " + before, 200},
		{"match before none-match", "If-Match: \"other\"\nIf-None-Match: " + tag, 412},
		{"condition before range", "If-None-Match: " + tag + "\nRange: bytes=0-1", 304},
		{"if-range tag", "If-Range: " + tag + "\nRange: bytes=0-1", 206},
		{"if-range weak", "If-Range: W/" + tag + "\nRange: bytes=0-1", 200},
		{"if-range other", "If-Range: \"other\"\nRange: bytes=0-1", 200},
		{"if-range date", "If-Range: " + same + "\nRange: bytes=0-1", 206},
		{"if-range earlier date", "If-Range: " + before + "\nRange: bytes=0-1", 200},
		{"if-range later date", "If-Range: " + after + "\nRange: bytes=0-1", 200},
		{"if-range and no overlap", "If-Range: \"other\"\nRange: bytes=20-", 200},
		{"if-range without range", `If-Range: "other"`, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, method := range []string{"GET", "HEAD"} {
				want := tt.status
				if method == "HEAD" && want == 206 {
					want = 200 // RFC 9110 section 14.2
				}
				res := ask(t, addr, method+" /a.txt HTTP/1.1\n"+tt.headers)
				if res.StatusCode != want {
					t.Errorf("%s with %q = %d, want %d", method, tt.headers, res.StatusCode, want)
				}
				if want != 412 && res.Header.Get("ETag") != tag {
					t.Errorf("%s with %q: ETag %q, want %q", method, tt.headers, res.Header.Get("ETag"), tag)
				}
				if (want == 304 || want == 412) && res.body != "" {
					t.Errorf("%s with %q: %d with body %q", method, tt.headers, want, res.body)
				}
			}
		})
	}
}

// TestRanges is RFC 9110 section 14.
func TestRanges(t *testing.T) {
	addr := server(t, newHandler(t, tree(t, map[string]string{"a.txt": digits, "empty": ""})))
	many := strings.Repeat("0-0,", 100)
	tests := []struct {
		name, value string
		status      int
		content     string // Content-Range
		body        string
	}{
		{"first", "bytes=0-0", 206, "bytes 0-0/10", "0"},
		{"middle", "bytes=2-4", 206, "bytes 2-4/10", "234"},
		{"open", "bytes=7-", 206, "bytes 7-9/10", "789"},
		{"suffix", "bytes=-3", 206, "bytes 7-9/10", "789"},
		{"suffix larger than the file", "bytes=-100", 206, "bytes 0-9/10", digits},
		{"suffix larger than any file", "bytes=-99999999999999999999", 206, "bytes 0-9/10", digits},
		{"end beyond", "bytes=8-100", 206, "bytes 8-9/10", "89"},
		{"end beyond any", "bytes=8-99999999999999999999", 206, "bytes 8-9/10", "89"},
		{"all", "bytes=0-9", 206, "bytes 0-9/10", digits},
		{"unit in capitals", "Bytes=0-0", 206, "bytes 0-0/10", "0"},
		{"blanks", "bytes= 2-4 ,", 206, "bytes 2-4/10", "234"},
		{"one of two beyond", "bytes=2-4,20-30", 206, "bytes 2-4/10", "234"},
		{"one of two is no byte", "bytes=-0,2-4", 206, "bytes 2-4/10", "234"},

		{"beyond", "bytes=20-30", 416, "bytes */10", ""},
		{"at the end", "bytes=10-", 416, "bytes */10", ""},
		{"beyond any", "bytes=99999999999999999999-", 416, "bytes */10", ""},
		{"suffix of nothing", "bytes=-0", 416, "bytes */10", ""},
		{"all beyond", "bytes=20-30,40-", 416, "bytes */10", ""},

		{"none", "bytes=", 200, "", digits},
		{"only commas", "bytes=,,", 200, "", digits},
		{"other unit", "items=0-1", 200, "", digits},
		{"no unit", "0-1", 200, "", digits},
		{"letters", "bytes=a-b", 200, "", digits},
		{"sign", "bytes=+1-2", 200, "", digits},
		{"two signs", "bytes=--1", 200, "", digits},
		{"only a dash", "bytes=-", 200, "", digits},
		{"no dash", "bytes=1", 200, "", digits},
		{"backwards", "bytes=4-2", 200, "", digits},
		{"one of two malformed", "bytes=0-1,x", 200, "", digits},
		{"overlapping to more than all", "bytes=0-9,0-9", 200, "", digits},
		{"too many", "bytes=" + many + "0-0", 200, "", digits},
		{"two lines", "bytes=0-1\nRange: bytes=2-3", 200, "", digits},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res := get(t, addr, "/a.txt", "Range: "+tt.value)
			if res.StatusCode != tt.status || tt.status != 416 && res.body != tt.body {
				t.Errorf("Range %q = %d %q, want %d %q", tt.value, res.StatusCode, res.body, tt.status, tt.body)
			}
			if got := res.Header.Get("Content-Range"); got != tt.content {
				t.Errorf("Range %q: Content-Range %q, want %q", tt.value, got, tt.content)
			}
			res = ask(t, addr, "HEAD /a.txt HTTP/1.1\nRange: "+tt.value)
			if res.StatusCode != 200 || res.Header.Get("Content-Length") != "10" {
				t.Errorf("HEAD with Range %q = %d, %s bytes, want 200, 10 bytes", tt.value, res.StatusCode, res.Header.Get("Content-Length"))
			}
		})
	}
	for _, value := range []string{"bytes=0-", "bytes=-1", "bytes=-0", "bytes=5-6"} {
		if res := get(t, addr, "/empty", "Range: "+value); res.StatusCode != 200 || res.Header.Get("Content-Range") != "" {
			t.Errorf("Range %q of an empty file = %d, %q, want 200", value, res.StatusCode, res.Header.Get("Content-Range"))
		}
	}
}

func TestMultipleRanges(t *testing.T) {
	addr := server(t, newHandler(t, tree(t, map[string]string{"a.txt": digits})))
	res := get(t, addr, "/a.txt", "Range: bytes=0-1, 4-4,-2")
	kind, params, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if res.StatusCode != 206 || err != nil || kind != "multipart/byteranges" {
		t.Fatalf("= %d %q, want 206 multipart/byteranges", res.StatusCode, res.Header.Get("Content-Type"))
	}
	parts := multipart.NewReader(strings.NewReader(res.body), params["boundary"])
	for _, want := range []string{"bytes 0-1/10 01", "bytes 4-4/10 4", "bytes 8-9/10 89"} {
		part, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(part)
		if got := part.Header.Get("Content-Range") + " " + string(body); got != want {
			t.Errorf("part = %q, want %q", got, want)
		}
		if got := part.Header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
			t.Errorf("part: Content-Type %q", got)
		}
	}
	if _, err := parts.NextPart(); err != io.EOF {
		t.Errorf("after the last part: %v, want EOF", err)
	}
}

func TestValidatorsFollowTheFile(t *testing.T) {
	dir := tree(t, map[string]string{"a.txt": digits})
	file, addr := filepath.Join(dir, "a.txt"), server(t, newHandler(t, dir))
	seen := map[string]string{}
	for _, when := range []time.Time{changed, changed.Add(1), changed.Add(time.Second)} {
		if err := os.Chtimes(file, when, when); err != nil {
			t.Fatal(err)
		}
		tag := get(t, addr, "/a.txt").Header.Get("ETag")
		if other, ok := seen[tag]; ok {
			t.Errorf("ETag %s is that of %s and of %s", tag, other, when)
		}
		seen[tag] = when.String()
	}
	for _, tt := range []struct {
		name           string
		when           time.Time
		tag, timestamp bool
	}{
		{"no time", time.Unix(0, 0), false, false},
		{"the time of a package store", time.Unix(1, 0), false, false},
		{"the future", time.Now().Add(time.Hour), true, false},
	} {
		if err := os.Chtimes(file, tt.when, tt.when); err != nil {
			t.Fatal(err)
		}
		header := get(t, addr, "/a.txt").Header
		if got := header.Get("ETag") != ""; got != tt.tag {
			t.Errorf("%s: ETag %q", tt.name, header.Get("ETag"))
		}
		if got := header.Get("Last-Modified") != ""; got != tt.timestamp {
			t.Errorf("%s: Last-Modified %q", tt.name, header.Get("Last-Modified"))
		}
	}
}

// FuzzRange says that whatever is asked for, the answer is a well-formed one about the ten bytes.
func FuzzRange(f *testing.F) {
	for _, seed := range []string{"bytes=0-1", "bytes=-3,4-", "bytes=-0", "items=1-2", "bytes=99999999999999999999-", "bytes=0-0,,5-5"} {
		f.Add(seed)
	}
	h := newHandler(f, tree(f, map[string]string{"a.txt": digits}))
	f.Fuzz(func(t *testing.T, value string) {
		r := httptest.NewRequest("GET", "/a.txt", nil)
		r.Header["Range"] = []string{value}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		body, content := w.Body.String(), w.Header().Get("Content-Range")
		switch w.Code {
		case 200:
			if body != digits {
				t.Errorf("Range %q = 200 %q", value, body)
			}
		case 416:
			if content != "bytes */10" {
				t.Errorf("Range %q = 416 %q", value, content)
			}
		case 206:
			if content == "" {
				return // in parts
			}
			var first, last int
			if _, err := fmt.Sscanf(content, "bytes %d-%d/10", &first, &last); err != nil || first > last || last > 9 {
				t.Fatalf("Range %q: Content-Range %q", value, content)
			}
			if body != digits[first:last+1] {
				t.Errorf("Range %q = %s %q", value, content, body)
			}
		default:
			t.Errorf("Range %q = %d", value, w.Code)
		}
	})
}
