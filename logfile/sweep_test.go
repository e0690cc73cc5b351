package logfile

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// old creates rotated files of the given sizes.
func old(t *testing.T, dir string, sizes map[string]int) {
	t.Helper()
	for name, size := range sizes {
		if err := os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte{'x'}, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestRetention(t *testing.T) {
	// In a zone far from UTC: a file's age is that of its local time.
	now := time.Date(2036, 11, 20, 0, 30, 0, 0, time.FixedZone("east", 13*3600))
	files := map[string]int{
		"x-2036-11-17T23-59-59.999.log":      100,
		"x-2036-11-18T23-59-59.999.log.gz":   100,
		"x-2036-11-19T12-00-00.000.log":      100,
		"x-2036-11-19T23-59-59.999.log.gz":   100,
		"x-y-2036-11-17T23-59-59.999.log":    100, // of x-y.log
		"x-2036-11-17T23-59-59.999.log.save": 100, // of a person
		"xy-2036-11-17T23-59-59.999.log":     100,
	}
	all := []string{"x.log"}
	for name := range files {
		all = append(all, name)
	}
	without := func(drop ...string) []string {
		list := slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(drop, s) })
		slices.Sort(list)
		return list
	}
	const first, second, third = "x-2036-11-17T23-59-59.999.log", "x-2036-11-18T23-59-59.999.log.gz", "x-2036-11-19T12-00-00.000.log"
	tests := []struct {
		name string
		o    Options
		want []string
	}{
		{"for ever", Options{}, without()},
		{"age", Options{Keep: 48 * time.Hour}, without(first)},
		{"age, shorter", Options{Keep: 24 * time.Hour}, without(first, second)},
		{"total", Options{MaxTotal: 399}, without(first)},
		{"total, exact", Options{MaxTotal: 400}, without()},
		{"both", Options{MaxTotal: 150, Keep: 48 * time.Hour}, without(first, second, third)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			old(t, dir, files)
			tt.o.Now = func() time.Time { return now }
			f, err := Open(filepath.Join(dir, "x.log"), tt.o)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			f.tick()
			if got := names(t, dir); !slices.Equal(got, tt.want) {
				t.Errorf("left are %q, want %q", got, tt.want)
			}
		})
	}
}

// TestCompress rotates, finds a partial .gz of a killed process, and waits for lumberjack.
func TestCompress(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2036, 11, 20, 12, 0, 0, 0, time.UTC)
	f, err := Open(filepath.Join(dir, "x.log"), Options{Compress: true, MaxTotal: 5000, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const killed, fresh = "x-2036-11-19T23-59-59.999.log", "x-2036-11-20T12-00-00.000.log"
	old(t, dir, map[string]int{killed: 10000, killed + ".gz": 5})
	if _, err := f.Write(bytes.Repeat([]byte("0123456789\n"), 1000)); err != nil {
		t.Fatal(err)
	}
	f.tick()
	if err := f.Rotate(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("live\n")); err != nil {
		t.Fatal(err)
	}
	for range 5 { // before they have settled nothing happens, not even for their size
		f.tick()
		if got := names(t, dir); !slices.Equal(got, []string{killed, killed + ".gz", fresh, "x.log"}) {
			t.Fatalf("at %v there are %q", now, got)
		}
		now = now.Add(time.Minute)
	}
	f.tick()
	want := []string{killed + ".gz", fresh + ".gz", "x.log"}
	for deadline := time.Now().Add(time.Minute); !slices.Equal(names(t, dir), want); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("there are %q, want %q", names(t, dir), want)
		}
	}
	f.tick() // the compressed sizes are within MaxTotal
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("there are %q, want %q", got, want)
	}
	for name, size := range map[string]int{killed: 10000, fresh: 11000} {
		if n := unpack(t, filepath.Join(dir, name+".gz")); n != size {
			t.Errorf("%s unpacks to %d bytes, want %d", name, n, size)
		}
	}
	if _, err := f.Write([]byte("on\n")); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "x.log")); err != nil || string(b) != "live\non\n" {
		t.Errorf("the live file is %q, %v", b, err)
	}
}

func unpack(t *testing.T, path string) int {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, r)
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}
