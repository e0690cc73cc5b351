package static

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEncodersAreBounded says that those who come while too much is being compressed get the file as it is.
func TestEncodersAreBounded(t *testing.T) {
	dir, text := t.TempDir(), strings.Repeat("all the same ", 100)
	if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	h, err := New(Config{Path: dir, Options: Options{Compress: true}, Pool: &counting{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	get := func() *httptest.ResponseRecorder {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/a.txt", nil)
		r.Header.Set("Accept-Encoding", "gzip")
		h.ServeHTTP(w, r)
		return w
	}
	if w := get(); w.Header().Get("Content-Encoding") != "gzip" || len(h.encoders) != 0 {
		t.Errorf("GET = %d %v with %d encoders left", w.Code, w.Header(), len(h.encoders))
	}
	for range encodersAtOnce {
		h.encoders <- struct{}{}
	}
	w := get()
	if header := w.Header(); w.Code != http.StatusOK || header.Get("Content-Encoding") != "" || header.Get("Vary") != "Accept-Encoding" || w.Body.String() != text {
		t.Errorf("GET with all encoders taken = %d %v and %d bytes, want the file as it is", w.Code, header, w.Body.Len())
	}
}

// TestDiskKeepsItsEnd says that a file that grows is as long as it was when its headers were made.
func TestDiskKeepsItsEnd(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.txt.gz")
	if err := os.WriteFile(name, []byte("before"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte(" and after"), 6); err != nil {
		t.Fatal(err)
	}
	h := &Handler{config: Config{Pool: &counting{}}}
	content := h.disk(t.Context(), &resource{file: f, info: info})
	if end, err := content.Seek(-1, io.SeekEnd); end != 5 || err != nil {
		t.Errorf("Seek(-1, io.SeekEnd) = %d, %v, want 5", end, err)
	}
	w := httptest.NewRecorder()
	w.Header().Set("Content-Encoding", "gzip")
	sendContent(w, httptest.NewRequest("GET", "/", nil), gzipCoding, info.ModTime(), info.Size(), content)
	if !bytes.Equal(w.Body.Bytes(), []byte("before")) || w.Header().Get("Content-Length") != "6" {
		t.Errorf("sent %q with Content-Length %s", w.Body, w.Header().Get("Content-Length"))
	}
}
