package static_test

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gtwistd/gtwistd/services/web/static"
)

// TestArchiveLeavesOut says that what cannot be read is named, and that a FIFO holds nobody up.
func TestArchiveLeavesOut(t *testing.T) {
	dir := tree(t, map[string]string{"a.txt": "a", "secret.txt": "s", "closed/x": "x"})
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"secret.txt", "closed"} {
		path := filepath.Join(dir, name)
		if err := os.Chmod(path, 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(path, 0o755) })
	}
	var log strings.Builder
	h := newHandlerOf(t, static.Config{Path: dir, Options: static.Options{Archive: true}, Log: textLog(&log)})
	w := httptest.NewRecorder()
	asNobody(t, func() { h.ServeHTTP(w, httptest.NewRequest("GET", "/?archive=tar", nil)) })
	got := untar(t, w.Body)
	name := filepath.Base(dir)
	want := "These could not be read and are not in the archive:\n\n" + name + "/secret.txt: permission denied\n" + name + "/closed: permission denied\n"
	if note := got[name+"-left-out.txt"].content; note != want || len(got) != 3 {
		t.Errorf("%d entries, note %q, want 3 and %q", len(got), note, want)
	}
	if !strings.Contains(log.String(), "an archive is not complete") || !strings.Contains(log.String(), "left_out=2") {
		t.Errorf("log %q", log.String())
	}
}
