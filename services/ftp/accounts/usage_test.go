package accounts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/gtwistd/gtwistd/plugins"
)

// counter is a pool that counts its calls.
type counter struct {
	calls     atomic.Int64
	mu        sync.Mutex
	err       error
	meanwhile func() // in each call, before the work
}

func (c *counter) Do(_ context.Context, fn func() error) error {
	c.calls.Add(1)
	c.mu.Lock()
	err, meanwhile := c.err, c.meanwhile
	c.mu.Unlock()
	if err != nil {
		return err
	}
	if meanwhile != nil {
		meanwhile()
	}
	return fn()
}

func (c *counter) set(err error, meanwhile func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err, c.meanwhile = err, meanwhile
}

// fill makes files of those sizes below a new directory; a name that ends in a slash is a directory.
func fill(t testing.TB, sizes map[string]int64) string {
	t.Helper()
	root := t.TempDir()
	for name, size := range sizes {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(path, make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func member(t testing.TB, root string, pool plugins.Pool, account Account) *Session {
	t.Helper()
	account.Root = root
	b, err := Open(Options{Users: account, Pool: pool})
	if err != nil {
		t.Fatal(err)
	}
	return login(t, b, "alice")
}

func TestMeasure(t *testing.T) {
	many := map[string]int64{"deep/er/and/deeper/x": 7, "empty/": 0, ".hidden": 1, "a b": 2}
	for i := range 3 * batch {
		many[fmt.Sprintf("many/%d", i)] = 1
	}
	tests := []struct {
		name         string
		sizes        map[string]int64
		bytes, files int64
	}{
		{"nothing", nil, 0, 0},
		{"one", map[string]int64{"x": 100}, 100, 1},
		{"many", many, 3*batch + 10, 3*batch + 9},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root, pool := fill(t, tt.sizes), &counter{}
			size, files, err := measure(t.Context(), pool, root)
			if err != nil || size != tt.bytes || files != tt.files {
				t.Errorf("measure() = %d, %d, %v, want %d, %d", size, files, err, tt.bytes, tt.files)
			}
			if calls := pool.calls.Load(); calls < tt.files/batch || calls > tt.files/batch+2 {
				t.Errorf("%d calls of the pool for %d files", calls, tt.files)
			}
		})
	}
}

func TestMeasureOddities(t *testing.T) {
	root := fill(t, map[string]int64{"a/x": 10, "b/y": 20})
	outside := fill(t, map[string]int64{"z": 40})
	for link, target := range map[string]string{"file": filepath.Join(outside, "z"), "dir": outside, "loop": ".", "a/up": "..", "dangling": "none"} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Skip(err)
		}
	}
	if size, files, err := measure(t.Context(), nil, root); size != 30 || files != 9 || err != nil {
		t.Errorf("measure() with links = %d, %d, %v, want 30, 9", size, files, err)
	}
	// A directory is gone, and another one has become a link, between two batches.
	w := walk{path: root}
	defer w.close()
	top, err := os.OpenRoot(root)
	if err != nil {
		t.Fatal(err)
	}
	w.top, w.pending = top, []string{"a", "gone", "dir", "dangling", "file", "b/y"}
	for !w.done {
		if err := w.step(); err != nil {
			t.Fatal(err)
		}
	}
	if w.bytes != 10 || w.files != 2 {
		t.Errorf("walk = %d, %d, want 10, 2", w.bytes, w.files)
	}
	if os.Getuid() > 0 && runtime.GOOS != "windows" {
		if err := os.Chmod(filepath.Join(root, "a"), 0); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(filepath.Join(root, "a"), 0o755)
		if size, _, err := measure(t.Context(), nil, root); size != 20 || err != nil {
			t.Errorf("measure() with an unreadable directory = %d, %v, want 20", size, err)
		}
	}
}

func TestMeasureTroubles(t *testing.T) {
	root := fill(t, map[string]int64{"x": 1})
	if _, _, err := measure(t.Context(), nil, filepath.Join(root, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("measure() of nothing = %v", err)
	}
	if _, _, err := measure(t.Context(), &counter{err: plugins.ErrFull}, root); !errors.Is(err, plugins.ErrFull) {
		t.Errorf("measure() in a full pool = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := measure(ctx, nil, root); !errors.Is(err, context.Canceled) {
		t.Errorf("measure() with an ended context = %v", err)
	}
}

func TestUpload(t *testing.T) {
	s := member(t, fill(t, map[string]int64{"old": 40, "dir/": 0}), nil, Account{Quota: 100, MaxFiles: 4, MaxFileSize: 70})
	if err := s.Count(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := func(bytes, files int64) {
		t.Helper()
		if b, f := s.usage.stored(); b != bytes || f != files {
			t.Errorf("stored: %d bytes, %d files, want %d, %d", b, f, bytes, files)
		}
	}
	begin := func(size int64) *Upload {
		t.Helper()
		u, err := s.Upload(size)
		if err != nil {
			t.Fatalf("Upload(%d) = %v", size, err)
		}
		return u
	}
	reserve := func(u *Upload, offset, n, want int64, wantErr error) {
		t.Helper()
		if got, err := u.Reserve(offset, n); got != want || !errors.Is(err, wantErr) {
			t.Errorf("Reserve(%d, %d) = %d, %v, want %d, %v", offset, n, got, err, want, wantErr)
		}
	}

	first := begin(-1)
	want(40, 3)
	reserve(first, 0, 30, 30, nil)
	reserve(first, 10, 0, 0, nil)
	reserve(first, 5, 10, 10, nil) // what is there may be written again
	want(70, 3)
	second := begin(-1)
	if _, err := s.Upload(-1); !errors.Is(err, ErrQuota) {
		t.Errorf("Upload() of a file too many = %v", err)
	}
	if err := s.Mkdir(); !errors.Is(err, ErrQuota) {
		t.Errorf("Mkdir() of one too many = %v", err)
	}
	reserve(second, 40, 1, 0, ErrQuota) // the hole alone is too large
	reserve(second, 10, 40, 20, nil)    // all that is left
	reserve(second, 30, 20, 0, ErrQuota)
	reserve(second, 25, 20, 5, nil)
	reserve(first, 30, 1, 0, ErrQuota)
	if room, err := s.Room(t.Context()); room != 0 || err != nil {
		t.Errorf("Room() = %d, %v", room, err)
	}
	second.Close(-1) // it came to nothing
	second.Close(-1)
	want(70, 3)
	reserve(first, 30, 50, 30, nil)
	first.Close(25) // not all was written
	want(65, 3)

	again := begin(40) // "old" is appended to
	reserve(again, 70, 1, 0, ErrTooLarge)
	reserve(again, 40, 50, 30, nil)
	reserve(again, 70, 1, 0, ErrTooLarge)
	reserve(again, 60, 20, 10, nil)
	again.Close(70)
	want(95, 3)
	larger := begin(90) // from a time before max-file-size
	reserve(larger, 80, 20, 10, nil)
	reserve(larger, 90, 1, 0, ErrTooLarge)
	larger.Close(90)
	for _, at := range []int64{-1, math.MaxInt64, math.MaxInt64 - 1, maxSize} {
		reserve(begin(0), at, 1, 0, ErrTooLarge)
	}
	reserve(begin(0), 0, math.MaxInt64, 0, ErrTooLarge)
	reserve(begin(0), 0, -1, 0, ErrTooLarge)
	want(95, 3)

	lose := func(size int64, mode fs.FileMode) {
		t.Helper()
		if err := s.Change(func() (fs.FileInfo, error) { return &info{size: size, mode: mode}, nil }); err != nil {
			t.Error(err)
		}
	}
	lose(25, 0)            // the first file
	lose(4096, fs.ModeDir) // and the directory
	want(70, 1)
	if room, err := s.Room(t.Context()); room != 30 || err != nil {
		t.Errorf("Room() = %d, %v, want 30", room, err)
	}
	if err := s.Mkdir(); err != nil {
		t.Error(err)
	}
	s.NoDir()
	if err := s.Change(func() (fs.FileInfo, error) { return nil, fs.ErrExist }); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Change() = %v", err)
	}
	want(70, 1)
	lose(7, fs.ModeSymlink)
	want(70, 0)
	lose(1000, 0) // which somebody else had put there
	want(0, 0)
}

// info is a file of some size.
type info struct {
	fs.FileInfo
	size int64
	mode fs.FileMode
}

func (i *info) Size() int64       { return i.size }
func (i *info) Mode() fs.FileMode { return i.mode }

// TestHold says that a file that loses its name while it is written counts until it is closed, once.
func TestHold(t *testing.T) {
	root := fill(t, map[string]int64{"written": 40, "other": 10})
	s := member(t, root, nil, Account{Quota: 1000})
	if err := s.Count(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := func(bytes, files int64) {
		t.Helper()
		if b, f := s.usage.stored(); b != bytes || f != files {
			t.Errorf("stored: %d bytes, %d files, want %d, %d", b, f, bytes, files)
		}
	}
	remove := func(name string) {
		t.Helper()
		if err := s.Change(func() (fs.FileInfo, error) {
			found, err := os.Lstat(filepath.Join(root, name))
			return found, errors.Join(err, os.Remove(filepath.Join(root, name)))
		}); err != nil {
			t.Fatal(err)
		}
	}
	u, err := s.Upload(40)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(root, "written"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	now, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if !u.Hold(now) || u.Hold(now) {
		t.Error("Hold() does not hold, or twice")
	}
	if _, err := u.Reserve(40, 60); err != nil {
		t.Fatal(err)
	}
	want(110, 2)
	remove("other")
	want(100, 1)
	remove("written")
	want(100, 1)
	if err := s.usage.measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(100, 1) // although a walk finds nothing
	u.Cut(20)
	u.Cut(30)
	want(20, 1)
	if _, err := u.Reserve(20, 5); err != nil {
		t.Fatal(err)
	}
	u.Close(25)
	u.Close(25)
	want(0, 0)
}

func TestUnlimited(t *testing.T) {
	s := member(t, "/does/not/exist", &counter{err: errors.New("boom")}, Account{})
	u, err := s.Upload(-1)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := u.Reserve(1<<40, 1<<40); n != 1<<40 || err != nil {
		t.Errorf("Reserve() = %d, %v", n, err)
	}
	u.Close(1 << 41)
	if err := errors.Join(s.Wait(t.Context(), true, 1<<40), s.Wait(t.Context(), false, 1<<40)); err != nil {
		t.Errorf("Wait() = %v", err)
	}
	if room, err := s.Room(t.Context()); room != -1 || err != nil {
		t.Errorf("Room() = %d, %v, want -1", room, err)
	}
}

func TestCountTroubles(t *testing.T) {
	s := member(t, "/does/not/exist", nil, Account{Quota: 1})
	if err := s.Count(t.Context()); !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "/does") {
		t.Errorf("Count() = %v, want an error without the path", err)
	}
	if _, err := s.Room(t.Context()); err == nil {
		t.Error("Room() = nil")
	}
	full := member(t, t.TempDir(), &counter{err: plugins.ErrFull}, Account{MaxFiles: 1})
	if err := full.Count(t.Context()); !errors.Is(err, plugins.ErrFull) {
		t.Errorf("Count() = %v, want ErrFull", err)
	}
}

// TestUploadsTogether lets many uploads of two users who share a root reach for the last byte.
func TestUploadsTogether(t *testing.T) {
	const quota, stored = 1_000_000, 400_000
	pool := &counter{}
	root := fill(t, map[string]int64{"x": stored})
	b, err := Open(Options{Users: Account{Root: root, Quota: quota, MaxFiles: 30}, Pool: pool})
	if err != nil {
		t.Fatal(err)
	}
	var written, files atomic.Int64
	var work sync.WaitGroup
	for i := range 40 {
		s := login(t, b, fmt.Sprint("user", i%2))
		work.Go(func() {
			if err := s.Count(t.Context()); err != nil {
				t.Error(err)
			}
			u, err := s.Upload(-1)
			if err != nil {
				if !errors.Is(err, ErrQuota) {
					t.Error(err)
				}
				return
			}
			files.Add(1)
			var size int64
			for {
				n, err := u.Reserve(size, 1000)
				if err != nil {
					break
				}
				written.Add(n)
				size += n
			}
			u.Close(size)
		})
	}
	work.Wait()
	if written.Load() != quota-stored || files.Load() != 29 {
		t.Errorf("%d bytes in %d files were written, want %d in 29", written.Load(), files.Load(), quota-stored)
	}
	if calls := pool.calls.Load(); calls > 2 {
		t.Errorf("the files were counted in %d calls of the pool, want once", calls)
	}
}

// TestCountAnew lets somebody write past the sessions.
func TestCountAnew(t *testing.T) {
	root, pool := fill(t, map[string]int64{"x": 10}), &counter{}
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		b, err := Open(Options{Users: Account{Root: root, Quota: 100}, Pool: pool, Log: slog.New(slog.NewTextHandler(&text, nil))})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var work sync.WaitGroup
		work.Go(func() { b.Run(ctx) })
		s, err := b.Login("alice", home)
		if err != nil {
			t.Fatal(err)
		}
		want := func(want int64) {
			t.Helper()
			if room, err := s.Room(t.Context()); room != want || err != nil {
				t.Errorf("Room() = %d, %v, want %d", room, err, want)
			}
		}
		want(90)
		if err := os.WriteFile(filepath.Join(root, "y"), make([]byte, 50), 0o644); err != nil {
			t.Fatal(err)
		}
		want(90)
		sleep := func() {
			timer, stop := context.WithTimeout(t.Context(), recount)
			defer stop()
			<-timer.Done()
			synctest.Wait()
		}
		sleep()
		want(40)

		// What is written while the files are counted is not lost.
		pool.set(nil, func() { s.usage.give(-5, 0) })
		sleep()
		pool.set(nil, nil)
		if bytes, _ := s.usage.stored(); bytes <= 60 || bytes%5 != 0 {
			t.Errorf("%d bytes are stored, want some more than 60", bytes)
		}
		sleep()
		want(40)

		pool.set(plugins.ErrFull, nil)
		sleep()
		want(40)
		if !strings.Contains(text.String(), "cannot count") {
			t.Errorf("log %q, want a warning", text.String())
		}
		s.Close()
		roots := func() int {
			b.usage.mu.Lock()
			defer b.usage.mu.Unlock()
			return len(b.usage.roots)
		}
		if roots() != 1 {
			t.Error("the figures are forgotten at once")
		}
		sleep()
		if roots() != 0 {
			t.Error("the figures are never forgotten")
		}
		cancel()
		work.Wait()
	})
}

func BenchmarkMeasure(b *testing.B) {
	root := b.TempDir()
	for i := range 20_000 {
		if err := os.WriteFile(filepath.Join(root, fmt.Sprint(i)), nil, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, files, err := measure(b.Context(), nil, root); err != nil || files != 20_000 {
			b.Fatal(files, err)
		}
	}
}

func BenchmarkReserve(b *testing.B) {
	s := member(b, b.TempDir(), nil, Account{Quota: 1 << 60})
	u, err := s.Upload(-1)
	if err != nil {
		b.Fatal(err)
	}
	for offset := int64(0); b.Loop(); offset++ {
		if _, err := u.Reserve(offset, 1); err != nil {
			b.Fatal(err)
		}
	}
}
