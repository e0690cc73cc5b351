//go:build linux || darwin || freebsd

package control_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/internal/control"
)

const (
	childSocket = "GTWISTD_TEST_CONTROL_SOCKET"
	nobody      = 65534
)

// askAsNobody is the child of TestOtherUserIsRefused.
func askAsNobody(path string) int {
	if err := errors.Join(syscall.Setgid(nobody), syscall.Setuid(nobody)); err != nil {
		fmt.Println(err)
		return 1
	}
	_, err := control.Dial(path).Status(context.Background())
	fmt.Println(errors.Is(err, fs.ErrPermission), err)
	return 0
}

// socketDir is shorter than t.TempDir, whose names do not fit into a socket address everywhere.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func socket(t *testing.T) string { return filepath.Join(socketDir(t), "gtwistd.sock") }

func listen(t *testing.T, path string) *control.Server {
	t.Helper()
	s, err := control.Listen(path, nil, []int{os.Getuid()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// serve runs s until the test ends or the function that it returns is called.
func serve(t *testing.T, s *control.Server, a control.Actions) (end func()) {
	t.Helper()
	if a.Status == nil {
		a.Status = sample
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, slog.New(slog.DiscardHandler), a) }()
	end = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
	})
	t.Cleanup(end)
	return end
}

func TestStatus(t *testing.T) {
	path := socket(t)
	end := serve(t, listen(t, path), control.Actions{})
	got, err := control.Dial(path).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got.Started = sample().Started // the same instant, another pointer to its zone
	if !reflect.DeepEqual(got, sample()) {
		t.Errorf("Status = %+v, want %+v", got, sample())
	}
	end()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Serve: %v, want the socket gone", err)
	}
	if _, err := control.Dial(path).Status(t.Context()); !errors.Is(err, control.ErrNotRunning) {
		t.Errorf("Status after Serve = %v, want ErrNotRunning", err)
	}
}

func TestRequestsReachTheDaemon(t *testing.T) {
	path := socket(t)
	var log []string
	note := func(what string) func(context.Context) error {
		return func(context.Context) error { log = append(log, what); return nil }
	}
	end := serve(t, listen(t, path), control.Actions{
		Stop:   func() { log = append(log, "stop") },
		Reload: note("reload"), Reopen: note("reopen"),
	})
	c := control.Dial(path)
	if err := errors.Join(c.Reopen(t.Context()), c.Reload(t.Context()), c.Stop(t.Context())); err != nil {
		t.Error(err)
	}
	end()
	if got := strings.Join(log, " "); got != "reopen reload stop" {
		t.Errorf("asked for %q, want reopen, reload, stop", got)
	}
}

type hinted struct{ error }

func (hinted) Hint() string { return "try the other one" }

func TestReloadErrorComesBackWhole(t *testing.T) {
	path := socket(t)
	failed := errors.Join(errors.New("web: certificate \"x\": expired\n\tdetail"), hinted{errors.New("ftp: password file: <&> línea 3")})
	serve(t, listen(t, path), control.Actions{Reload: func(context.Context) error { return failed }})
	err := control.Dial(path).Reload(t.Context())
	if err == nil || err.Error() != failed.Error() {
		t.Errorf("Reload = %v, want %v", err, failed)
	}
	var h interface{ Hint() string }
	if !errors.As(err, &h) || h.Hint() != "try the other one" {
		t.Errorf("Reload = %#v, want the hint", err)
	}
}

func TestReloadOutlivesItsClient(t *testing.T) {
	path := socket(t)
	begun, gone, outcome := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	serve(t, listen(t, path), control.Actions{Reload: func(ctx context.Context) error {
		close(begun)
		<-gone
		outcome <- ctx.Err()
		return nil
	}})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	if err := control.Dial(path).Reload(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Reload = %v, want %v", err, context.Canceled)
	}
	close(gone)
	if err := <-outcome; err != nil {
		t.Errorf("the context of Reload: %v, want nil", err)
	}
}

func TestServeWaitsForReload(t *testing.T) {
	path := socket(t)
	begun := make(chan struct{})
	ended := false
	end := serve(t, listen(t, path), control.Actions{Reload: func(ctx context.Context) error {
		close(begun)
		<-ctx.Done()
		ended = true
		return errors.New("abandoned")
	}})
	answer := make(chan error, 1)
	go func() { answer <- control.Dial(path).Reload(context.Background()) }()
	<-begun
	end()
	if !ended {
		t.Error("Serve returned before Reload")
	}
	if err := <-answer; err == nil || err.Error() != "abandoned" {
		t.Errorf("Reload = %v, want its answer although Serve ends", err)
	}
}

func TestHungReloadDoesNotHoldServe(t *testing.T) {
	path := socket(t)
	begun, release, released := make(chan struct{}), make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	s := listen(t, path)
	go func() {
		served <- s.Serve(ctx, slog.New(slog.DiscardHandler), control.Actions{Reload: func(context.Context) error {
			close(begun)
			<-release
			close(released)
			return nil
		}})
	}()
	answer := make(chan error, 1)
	go func() { answer <- control.Dial(path).Reload(context.Background()) }()
	<-begun
	cancel()
	if err := <-served; err == nil {
		t.Error("Serve = nil while a reload hangs, want an error")
	}
	if err := <-answer; err == nil {
		t.Error("Reload = nil, want an error as it was cut off")
	}
	close(release)
	<-released
}

func TestClientWithoutServer(t *testing.T) {
	dir := socketDir(t)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, path string
	}{
		{"missing", filepath.Join(dir, "missing.sock")},
		{"stale", stale(t, filepath.Join(dir, "stale.sock"))},
		{"not a socket", file},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := control.Dial(tt.path).Stop(t.Context())
			if !errors.Is(err, control.ErrNotRunning) || !strings.Contains(err.Error(), tt.path) {
				t.Errorf("Stop = %v, want ErrNotRunning and the path", err)
			}
		})
	}
}

// A server that accepts and says nothing, or never ends, holds no client longer than its context.
func TestHungServer(t *testing.T) {
	for name, speak := range map[string]string{
		"silent":       "",
		"half a head":  "HTTP/1.1 200 OK\r\nContent-",
		"half a body":  "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
		"endless head": "HTTP/1.1 100 Continue\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := socket(t)
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = c.Read(make([]byte, 1<<10))
				_, _ = io.WriteString(c, speak)
				cancel()
				_, _ = io.Copy(io.Discard, c)
				_ = c.Close()
			}()
			if _, err := control.Dial(path).Status(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("Status = %v, want %v", err, context.Canceled)
			}
			_ = l.Close()
			<-gone
		})
	}
}

func TestGarbage(t *testing.T) {
	path := socket(t)
	serve(t, listen(t, path), control.Actions{Stop: func() { t.Error("stop was asked for") }})
	for _, tt := range []struct{ name, send, want string }{
		{"noise", "\x16\x03\x01\x00\xff\xff\r\n\r\n", "HTTP/1.1 400 "},
		{"unknown path", "GET /v2/x HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 "},
		{"stop by GET", "GET /v1/stop HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405 "},
		{"endless header", "GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 64<<10), "HTTP/1.1 431 "},
		{"nothing", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			go func() { _, _ = io.WriteString(c, tt.send) }() // an answer may come before all is sent
			got := make([]byte, len(tt.want))
			if _, err := io.ReadFull(c, got); err != nil || string(got) != tt.want {
				t.Errorf("answer %q, %v, want %q", got, err, tt.want)
			}
		})
	}
	if _, err := control.Dial(path).Status(t.Context()); err != nil {
		t.Errorf("Status after garbage = %v", err)
	}
}

func TestUnlistedUserIsRefused(t *testing.T) {
	path := socket(t)
	s, err := control.Listen(path, nil, []int{os.Getuid() + 1})
	if err != nil {
		t.Fatal(err)
	}
	serve(t, s, control.Actions{Stop: func() { t.Error("stop was done") }})
	want := fmt.Sprintf("user id %d may not control this gtwistd", os.Getuid())
	if err := control.Dial(path).Stop(t.Context()); err == nil || err.Error() != want {
		t.Errorf("Stop = %v, want %s", err, want)
	}
}

func TestOtherUserIsRefused(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to become another user")
	}
	path := socket(t)
	if err := os.Chmod(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	serve(t, listen(t, path), control.Actions{})
	ask := func() string {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childSocket+"="+path, "GORACE=atexit_sleep_ms=0")
		out, err := cmd.Output() // stderr may hold what -cover has to say
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return strings.TrimSpace(string(out))
	}
	if got, want := ask(), fmt.Sprintf("true control socket %q: permission denied", path); got != want {
		t.Errorf("by mode: %s, want %s", got, want)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if got, want := ask(), fmt.Sprintf("false user id %d may not control this gtwistd", nobody); got != want {
		t.Errorf("by credentials: %s, want %s", got, want)
	}
}

// stale leaves a socket at path that nobody listens on.
func stale(t *testing.T, path string) string {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestStaleSocketIsReplaced(t *testing.T) {
	path := stale(t, socket(t))
	serve(t, listen(t, path), control.Actions{})
	if _, err := control.Dial(path).Status(t.Context()); err != nil {
		t.Error(err)
	}
	onlyFile(t, path)
}

func onlyFile(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 || entries[0].Name() != filepath.Base(path) {
		t.Errorf("directory holds %v, %v, want only %s", entries, err, filepath.Base(path))
	}
}

func TestLiveSocketIsNotStolen(t *testing.T) {
	path := socket(t)
	serve(t, listen(t, path), control.Actions{})
	if _, err := control.Listen(path, nil, nil); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "another process listens") {
		t.Errorf("second Listen = %v, want fs.ErrExist", err)
	}
	if _, err := control.Dial(path).Status(t.Context()); err != nil {
		t.Errorf("Status of the first = %v", err)
	}
	onlyFile(t, path)
}

func TestOtherFilesAreNotReplaced(t *testing.T) {
	path := socket(t)
	if err := os.WriteFile(path, []byte("dear"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := control.Listen(path, nil, nil); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("Listen = %v, want fs.ErrExist", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "dear" {
		t.Errorf("file holds %q, %v", text, err)
	}
	onlyFile(t, path)
}

func TestListenErrors(t *testing.T) {
	path := filepath.Join(socketDir(t), "missing", "x.sock")
	_, err := control.Listen(path, nil, nil)
	if want := fmt.Sprintf("control socket %q: no such file or directory", path); !errors.Is(err, fs.ErrNotExist) || err.Error() != want {
		t.Errorf("Listen = %v, want %s", err, want)
	}
	_, err = control.Listen(filepath.Join(socketDir(t), strings.Repeat("x", 120)), nil, nil)
	if !errors.Is(err, syscall.ENAMETOOLONG) {
		t.Errorf("Listen with a long name = %v, want ENAMETOOLONG", err)
	}
	var h interface{ Hint() string }
	if !errors.As(err, &h) || !strings.Contains(h.Hint(), "shorter --pidfile") {
		t.Errorf("Listen with a long name = %#v, want a hint", err)
	}
}

// Everybody who can read the directory can lock it.
func TestLockedDirectoryIsNoObstacle(t *testing.T) {
	path := stale(t, socket(t))
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	serve(t, listen(t, path), control.Actions{})
	if _, err := control.Listen(path, nil, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second Listen = %v, want fs.ErrExist", err)
	}
	onlyFile(t, path)
}

func TestOneOfManyWins(t *testing.T) {
	for range 20 {
		path := stale(t, socket(t))
		var all sync.WaitGroup
		won := make(chan *control.Server, 20)
		for range 20 {
			all.Go(func() {
				s, err := control.Listen(path, nil, []int{os.Getuid()})
				switch {
				case err == nil:
					won <- s
				case !errors.Is(err, fs.ErrExist):
					t.Errorf("Listen = %v, want fs.ErrExist", err)
				}
			})
		}
		all.Wait()
		if len(won) != 1 {
			t.Fatalf("%d servers won, want 1", len(won))
		}
		end := serve(t, <-won, control.Actions{})
		if _, err := control.Dial(path).Status(t.Context()); err != nil {
			t.Error(err)
		}
		onlyFile(t, path)
		end()
	}
}

func TestModeFromTheFirstMoment(t *testing.T) {
	before := syscall.Umask(0)
	defer syscall.Umask(before)
	path := socket(t)
	stop := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			entries, _ := os.ReadDir(filepath.Dir(path))
			for _, e := range entries {
				if info, err := e.Info(); err == nil && info.Mode().Perm() != 0o600 {
					t.Errorf("%s has mode %v, want 0600", e.Name(), info.Mode().Perm())
				}
			}
			runtime.Gosched()
		}
	})
	for range 200 {
		s := listen(t, path)
		if info, err := os.Lstat(path); err != nil || info.Mode() != fs.ModeSocket|0o600 {
			t.Errorf("socket: %v, %v, want mode 0600", info.Mode(), err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	watcher.Wait()
}

func TestCloseLeavesWhatIsNotOurs(t *testing.T) {
	path := socket(t)
	s := listen(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other := listen(t, path)
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Errorf("Close = %v", err)
	}
	serve(t, other, control.Actions{})
	if _, err := control.Dial(path).Status(t.Context()); err != nil {
		t.Errorf("the other server: %v", err)
	}
}

func TestLongPath(t *testing.T) {
	dir := socketDir(t)
	for len(dir) < 300 {
		dir = filepath.Join(dir, strings.Repeat("d", 60))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "gtwistd.sock")
	s, err := control.Listen(path, nil, []int{os.Getuid()})
	if runtime.GOOS != "linux" {
		if !errors.Is(err, syscall.ENAMETOOLONG) {
			t.Errorf("Listen = %v, want ENAMETOOLONG", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := control.Listen(path, nil, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second Listen = %v, want fs.ErrExist", err)
	}
	end := serve(t, s, control.Actions{})
	if _, err := control.Dial(path).Status(t.Context()); err != nil {
		t.Error(err)
	}
	onlyFile(t, path)
	end()
	serve(t, listen(t, stale(t, shortcut(t, path))), control.Actions{})
	if _, err := control.Dial(path).Status(t.Context()); err != nil {
		t.Errorf("after a stale one: %v", err)
	}
}

// shortcut returns a short name for a long path, through a symbolic link to its directory.
func shortcut(t *testing.T, path string) string {
	t.Helper()
	link := filepath.Join(socketDir(t), "l")
	if err := os.Symlink(filepath.Dir(path), link); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(link, filepath.Base(path))
}

func TestRelativePathSurvivesChdir(t *testing.T) {
	dir := socketDir(t)
	t.Chdir(dir)
	s := listen(t, "gtwistd.sock")
	t.Chdir("/")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "gtwistd.sock")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Close: %v, want the socket gone", err)
	}
}

func TestRequestsAreLogged(t *testing.T) {
	path := socket(t)
	var log bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	s := listen(t, path)
	go func() { done <- s.Serve(ctx, slog.New(slog.NewTextHandler(&log, nil)), control.Actions{Stop: cancel}) }()
	if err := control.Dial(path).Stop(t.Context()); err != nil {
		t.Errorf("Stop = %v, want nil although Serve ends", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if want := fmt.Sprintf(`msg="control: stop requested" uid=%d`, os.Getuid()); !strings.Contains(log.String(), want) {
		t.Errorf("log %q, want %q", log.String(), want)
	}
}

func TestServeAfterCloseFails(t *testing.T) {
	s := listen(t, socket(t))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.Serve(ctx, slog.New(slog.DiscardHandler), control.Actions{}); err == nil {
		t.Error("Serve = nil, want an error")
	}
}
