package logfile_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/logfile"
)

// clock is a clock that a test sets.
type clock struct{ now atomic.Pointer[time.Time] }

func newClock(t *testing.T, s string) *clock {
	t.Helper()
	c := &clock{}
	c.set(t, s)
	return c
}

func (c *clock) set(t *testing.T, s string) {
	t.Helper()
	now, err := time.ParseInLocation(time.DateTime, s, time.FixedZone("test", 3600))
	if err != nil {
		t.Fatal(err)
	}
	c.now.Store(&now)
}

func (c *clock) Now() time.Time { return *c.now.Load() }

// warnings collects what a file warns of.
type warnings struct {
	mu   sync.Mutex
	list []string
}

func (w *warnings) warn(msg string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, fmt.Sprint(append([]any{msg}, args...)...))
}

func (w *warnings) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.list)
}

func open(t *testing.T, path string, o logfile.Options) *logfile.File {
	t.Helper()
	f, err := logfile.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func write(t *testing.T, f *logfile.File, line string) {
	t.Helper()
	if _, err := f.Write([]byte(line + "\n")); err != nil {
		t.Fatal(err)
	}
}

// contents returns name=text for every file in dir.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		m[e.Name()] = string(b)
	}
	return m
}

func wantContents(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	got := contents(t, dir)
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s = %q, want %q", name, got[name], want[name])
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("unexpected file %s = %q", name, got[name])
		}
	}
}

func TestDays(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.log")
	c := newClock(t, "2036-11-20 23:59:59")
	f := open(t, path, logfile.Options{Now: c.Now})
	if f.Path() != path {
		t.Errorf("Path = %q, want %q", f.Path(), path)
	}
	write(t, f, "20th")
	c.set(t, "2036-11-21 00:00:00")
	write(t, f, "21st")
	c.set(t, "2036-11-20 23:58:00") // set back: the later day stays
	write(t, f, "set back")
	c.set(t, "2036-11-21 00:00:01")
	write(t, f, "21st again")
	c.set(t, "2036-11-25 08:00:00") // idle for days
	write(t, f, "25th")
	wantContents(t, dir, map[string]string{
		"x-2036-11-20T23-59-59.999.log": "20th\n",
		"x-2036-11-21T23-59-59.999.log": "21st\nset back\n21st again\n",
		"x.log":                         "25th\n",
	})
}

func TestDiscard(t *testing.T) {
	for _, tt := range []struct {
		name          string
		before, other string // what was there, and what somebody else appends
		want          map[string]string
	}{
		{"ours alone", "", "", nil},
		{"written to by another", "", "other\n", map[string]string{"x.log": "ours\nother\n"}},
		{"there before", "old\n", "", map[string]string{"x.log": "old\nours\n"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "x.log")
			if tt.before != "" {
				if err := os.WriteFile(path, []byte(tt.before), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			f := open(t, path, logfile.Options{})
			write(t, f, "ours")
			if tt.other != "" {
				write(t, open(t, path, logfile.Options{}), "other")
			}
			if err := f.Discard(); err != nil {
				t.Error(err)
			}
			wantContents(t, dir, tt.want)
		})
	}
}

func TestRestartCatchesUp(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.log")
	if err := os.WriteFile(path, []byte("old\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	c := newClock(t, "2036-11-25 08:00:00")
	last := c.Now().AddDate(0, 0, -3)
	if err := os.Chtimes(path, last, last); err != nil {
		t.Fatal(err)
	}
	taken := filepath.Join(dir, "x-2036-11-22T23-59-59.999.log.gz")
	if err := os.WriteFile(taken, []byte("taken"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := open(t, path, logfile.Options{Now: c.Now})
	write(t, f, "new")
	wantContents(t, dir, map[string]string{
		"x-2036-11-22T23-59-59.998.log":    "old\n",
		"x-2036-11-22T23-59-59.999.log.gz": "taken",
		"x.log":                            "new\n",
	})
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode of the new file = %v, %v, want that of the old one", info.Mode(), err)
	}
}

func TestSizeAndManualRotation(t *testing.T) {
	dir := t.TempDir()
	c := newClock(t, "2036-11-20 12:00:00")
	var opened []string
	f := open(t, filepath.Join(dir, "x"), logfile.Options{Now: c.Now, RotateSize: 10, Mode: 0o644, OnOpen: func(f *os.File) {
		opened = append(opened, filepath.Base(f.Name()))
	}})
	write(t, f, "12345")
	write(t, f, "6789")
	write(t, f, "abcdefghijklm") // larger than the limit by itself
	c.set(t, "2036-11-20 12:00:02")
	write(t, f, "last")
	c.set(t, "2036-11-20 12:00:03")
	for range 3 { // the second and third find an empty file
		if err := f.Rotate(); err != nil {
			t.Fatal(err)
		}
	}
	write(t, f, "live")
	wantContents(t, dir, map[string]string{
		"x-2036-11-20T12-00-00.000": "12345\n", "x-2036-11-20T11-59-59.999": "6789\n",
		"x-2036-11-20T12-00-02.000": "abcdefghijklm\n", "x-2036-11-20T12-00-03.000": "last\n", "x": "live\n",
	})
	if len(opened) != 5 {
		t.Errorf("OnOpen was called %d times, want 5", len(opened))
	}
}

func TestWritersAcrossMidnight(t *testing.T) {
	dir := t.TempDir()
	c := newClock(t, "2036-11-20 23:59:59")
	f := open(t, filepath.Join(dir, "x.log"), logfile.Options{Now: c.Now})
	var wg sync.WaitGroup
	half := make(chan struct{}, 8)
	for w := range 8 {
		wg.Go(func() {
			for i := range 200 {
				if i == 100 {
					half <- struct{}{}
				}
				fmt.Fprintf(f, "%d %d\n", w, i)
			}
		})
	}
	for range 4 {
		<-half
	}
	c.set(t, "2036-11-21 00:00:00")
	wg.Wait()
	all := contents(t, dir)
	if len(all) != 2 {
		t.Errorf("%d files, want 2: one rotation", len(all))
	}
	if n := strings.Count(all["x.log"]+all["x-2036-11-20T23-59-59.999.log"], "\n"); n != 1600 {
		t.Errorf("%d lines, want 1600", n)
	}
}

func TestMovedAway(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.log")
	f := open(t, path, logfile.Options{})
	write(t, f, "one")
	if moved, err := f.Reopen(); moved || err != nil {
		t.Errorf("Reopen of a file in place = %v, %v", moved, err)
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if moved, err := f.Reopen(); !moved || err != nil {
		t.Errorf("Reopen of a moved file = %v, %v", moved, err)
	}
	write(t, f, "two")
	if err := os.Rename(path, path+".2"); err != nil {
		t.Fatal(err)
	}
	write(t, f, "three") // without a word the next write finds out
	wantContents(t, dir, map[string]string{"x.log.1": "one\n", "x.log.2": "two\n", "x.log": "three\n"})
}

func TestTwoFilesOnOnePath(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.log")
	c := newClock(t, "2036-11-20 23:59:59")
	a := open(t, path, logfile.Options{Now: c.Now})
	b := open(t, path, logfile.Options{Now: c.Now})
	write(t, a, "a1")
	write(t, b, "b1")
	write(t, a, "a2")
	c.set(t, "2036-11-21 00:00:00")
	write(t, a, "a3")
	if err := os.Chtimes(path, c.Now(), c.Now()); err != nil { // as if the file had been written by this clock
		t.Fatal(err)
	}
	write(t, b, "b2")
	wantContents(t, dir, map[string]string{"x-2036-11-20T23-59-59.999.log": "a1\nb1\na2\n", "x.log": "a3\nb2\n"})
}

func TestSymbolicLink(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	link := filepath.Join(dir, "x.log")
	if err := os.Symlink(filepath.Join(other, "real.log"), link); err != nil {
		t.Fatal(err)
	}
	f := open(t, link, logfile.Options{})
	write(t, f, "one")
	if err := f.Rotate(); err != nil {
		t.Fatal(err)
	}
	write(t, f, "two")
	if got := len(contents(t, other)); got != 2 {
		t.Errorf("%d files where the link leads, want 2", got)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link was replaced: %v, %v", info, err)
	}
}

func TestDirectoryGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	path := filepath.Join(dir, "x.log")
	if _, err := logfile.Open(path, logfile.Options{}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Open in a missing directory: %v", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f := open(t, path, logfile.Options{})
	write(t, f, "one")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("lost\n")); err == nil {
		t.Error("a write to a deleted file went unnoticed")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, f, "two")
	wantContents(t, dir, map[string]string{"x.log": "two\n"})
}

func TestClosed(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "x.log"), logfile.Options{})
	for range 2 {
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Write([]byte("x\n")); err == nil {
		t.Error("Write after Close succeeded")
	}
	if err := f.Rotate(); err == nil {
		t.Error("Rotate after Close succeeded")
	}
	f.Run(canceled(t))
}
