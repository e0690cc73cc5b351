package static_test

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/services/web/static"
)

// TestListingWithoutRights says that a README that we may not read does no harm, and that there is no form where it would
// be for nothing.
func TestListingWithoutRights(t *testing.T) {
	dir := tree(t, map[string]string{"README": "secret"})
	if err := os.Chmod(filepath.Join(dir, "README"), 0); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	h := newHandlerOf(t, static.Config{Path: dir, Options: static.Options{Upload: true}, Log: textLog(&log)})
	page := func(mode os.FileMode) string {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		asNobody(t, func() { h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil)) })
		if w.Code != 200 || !strings.Contains(w.Body.String(), `<a href="./README">`) || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("mode %o: %d %s", mode, w.Code, w.Body)
		}
		return w.Body.String()
	}
	if !strings.Contains(page(0o777), "<form") {
		t.Error("no form for a directory that can be written to")
	}
	if strings.Contains(page(0o555), "<form") {
		t.Error("a form for a directory that cannot be written to")
	}
	_ = os.Chmod(dir, 0o755) // so that it can be removed
	if log.Len() > 0 {
		t.Errorf("logged %s", log.String())
	}
}
