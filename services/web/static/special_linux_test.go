package static_test

import (
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gtwistd/gtwistd/services/web/static"
)

// TestSpecialFiles says that what is no regular file does not exist. A FIFO that was opened would block for ever.
func TestSpecialFiles(t *testing.T) {
	dir := tree(t, map[string]string{"a.txt": "a", "open/": ""})
	for _, fifo := range []string{"fifo", "open/index.html"} {
		if err := unix.Mkfifo(filepath.Join(dir, fifo), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("fifo", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	paths := []string{"/fifo", "/fifo/", "/link", "/socket"}
	device := filepath.Join(dir, "zero")
	if err := unix.Mknod(device, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))); err == nil {
		paths = append(paths, "/zero")
	}
	addr := server(t, newHandler(t, dir))
	for _, path := range paths {
		if res := get(t, addr, path); res.StatusCode != 404 {
			t.Errorf("GET %s = %d, want 404", path, res.StatusCode)
		}
	}
	if res := get(t, addr, "/open/"); res.StatusCode != 200 || !strings.Contains(res.body, "Index of /open/") {
		t.Errorf("GET /open/ with a FIFO as index = %d %q, want the listing", res.StatusCode, res.body)
	}
	page := get(t, addr, "/").body
	for _, path := range paths {
		if strings.Contains(page, `"./`+path[1:]+`"`) {
			t.Errorf("the listing has %s", path)
		}
	}
}

// asNobody runs fn with the rights of an unprivileged user to files, if we are root, for whom nothing is unreadable.
func asNobody(t *testing.T, fn func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		fn()
		return
	}
	runtime.LockOSThread() // file rights belong to the thread
	defer runtime.UnlockOSThread()
	const nobody = 65534
	if _, err := unix.SetfsuidRetUid(nobody); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, err := unix.SetfsuidRetUid(0); err != nil {
			t.Error(err)
		}
	}()
	fn()
}

func TestUnreadable(t *testing.T) {
	dir := tree(t, map[string]string{"secret.txt": "s", "closed/index.html": "i", "list/a": "", "index/index.html": "i", "unsearchable/a": ""})
	for name, mode := range map[string]os.FileMode{"secret.txt": 0, "closed": 0, "list": 0o111, "index/index.html": 0, "unsearchable": 0o444} {
		path := filepath.Join(dir, name)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(path, 0o755) })
	}
	h := newHandler(t, dir)
	asNobody(t, func() {
		for _, path := range []string{"/secret.txt", "/closed/", "/closed/index.html", "/list/", "/index/", "/unsearchable/"} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			if w.Code != 403 {
				t.Errorf("GET %s = %d %q, want 403", path, w.Code, w.Body)
			}
		}
	})
}

func TestNewSaysWhatIsWrong(t *testing.T) {
	dir := tree(t, map[string]string{"file": "x", "closed/": "", "unsearchable/": "", "secret": "s"})
	for name, mode := range map[string]os.FileMode{"closed": 0, "unsearchable": 0o444, "secret": 0} {
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // testing makes it 0700
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ path, want string }{
		{"missing", "no such directory"},
		{"missing/below", "no such directory"},
		{"file/below", "not a directory"},
		{"fifo", "not a directory or regular file"},
		{"closed", "permission denied"},
		{"unsearchable", "permission denied"},
		{"secret", "permission denied"},
	}
	asNobody(t, func() {
		for _, tt := range tests {
			h, err := static.New(static.Config{Path: filepath.Join(dir, tt.path)})
			if err == nil || err.Error() != tt.want || h != nil {
				t.Errorf("New(%s) = %v, %v, want %q", tt.path, h, err, tt.want)
			}
		}
	})
}
