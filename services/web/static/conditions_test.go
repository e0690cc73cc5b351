package static_test

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"
)

const digits = "0123456789"

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
