package static_test

import (
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gtwistd/gtwistd/services/web/static"
)

// tmpfs mounts a file system of that many bytes.
func tmpfs(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("no file system of limited size here: mount: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

func TestUploadWithoutRoom(t *testing.T) {
	dir := tmpfs(t, "size=128k")
	var log strings.Builder
	addr := uploading(t, static.Config{Path: dir, Log: textLog(&log)})
	for _, path := range []string{"/a", "/a?upload"} {
		res := put(t, addr, path, strings.Repeat("x", 1<<20))
		if res.StatusCode != 507 || res.body != "Insufficient Storage: no room left\n" {
			t.Errorf("PUT %s = %d %q, want 507", path, res.StatusCode, res.body)
		}
	}
	if got := files(t, dir); len(got) != 0 {
		t.Errorf("%d files are left behind", len(got))
	}
	if res := put(t, addr, "/a", "fits"); res.StatusCode != 201 {
		t.Errorf("afterwards = %d %q, want 201", res.StatusCode, res.body)
	}
	if !strings.Contains(log.String(), "no space left on device") {
		t.Errorf("log %q, want it to name the trouble", log.String())
	}
}

func TestUploadToAReadOnlyFileSystem(t *testing.T) {
	dir := tmpfs(t, "size=128k")
	addr := uploading(t, static.Config{Path: dir})
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if res := put(t, addr, "/a", "x"); res.StatusCode != 403 || res.body != "Forbidden: the file system is read-only\n" {
		t.Errorf("= %d %q, want 403", res.StatusCode, res.body)
	}
	want := "--upload cannot write there: read-only file system"
	if _, err := static.New(static.Config{Path: dir, Options: static.Options{Upload: true}}); err == nil || err.Error() != want {
		t.Errorf("New() = %v, want %q", err, want)
	}
}

func TestUploadNeedsRights(t *testing.T) {
	dir := tree(t, map[string]string{"closed/": "", "a.txt": "a"})
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o777), os.Chmod(filepath.Join(dir, "closed"), 0o555)); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	h := newHandlerOf(t, static.Config{Path: dir, Options: static.Options{Upload: true}, Log: textLog(&log)})
	asNobody(t, func() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("PUT", "/closed/a", strings.NewReader("x")))
		if w.Code != 403 || !strings.Contains(log.String(), "cannot take an upload") {
			t.Errorf("= %d %q, log %q, want 403 and a record", w.Code, w.Body, log.String())
		}
		_, err := static.New(static.Config{Path: filepath.Join(dir, "closed"), Options: static.Options{Upload: true}})
		if want := "--upload cannot write there: permission denied"; err == nil || err.Error() != want || !errors.Is(err, os.ErrPermission) {
			t.Errorf("New() = %v, want %q", err, want)
		}
	})
}

// TestUploadMeetsSpecialFiles says that nothing but a regular file is opened or replaced, and that no FIFO holds anybody up.
func TestUploadMeetsSpecialFiles(t *testing.T) {
	dir := tree(t, map[string]string{"victim": "v"})
	for _, fifo := range []string{"fifo", ".gtwistd-b.part"} {
		if err := unix.Mkfifo(filepath.Join(dir, fifo), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	symlink(t, "victim", filepath.Join(dir, ".gtwistd-c.part"))
	addr := uploading(t, static.Config{Path: dir, Options: static.Options{UploadOverwrite: true}})
	for path, want := range map[string]int{"/fifo": 409, "/fifo/x": 409, "/b": 409, "/c": 409} {
		if res := put(t, addr, path, "x"); res.StatusCode != want {
			t.Errorf("PUT %s = %d %q, want %d", path, res.StatusCode, res.body, want)
		}
	}
	if got := files(t, dir); got["victim"] != "v" || len(got) != 1 {
		t.Errorf("there is %q", got)
	}
}

func TestUploadFollowsUmask(t *testing.T) {
	dir := t.TempDir()
	addr := uploading(t, static.Config{Path: dir})
	old := unix.Umask(0o027)
	res := put(t, addr, "/a", "x")
	unix.Umask(old)
	info, err := os.Stat(filepath.Join(dir, "a"))
	if res.StatusCode != 201 || err != nil || info.Mode() != 0o640 {
		t.Errorf("= %d, %v, %v, want 201 and 0640", res.StatusCode, info, err)
	}
}
