package logfile_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/logfile"
)

func TestTail(t *testing.T) {
	block := strings.Repeat("x", 64<<10)
	for _, tt := range []struct {
		name, text string
		n          int
		want       string
	}{
		{"empty file", "", 3, ""},
		{"last two", "a\nb\nc\n", 2, "b\nc\n"},
		{"exactly as many", "a\nb\n", 2, "a\nb\n"},
		{"more than there are", "a\nb\n", 9, "a\nb\n"},
		{"none", "a\nb\n", 0, ""},
		{"all", "a\nb\n", -1, "a\nb\n"},
		{"unterminated", "a\nb\nc", 2, "b\nc"},
		{"empty lines are records", "a\n\n\nb\n", 3, "\n\nb\n"},
		{"only newlines", "\n\n\n", 2, "\n\n"},
		{"continuation lines", "a\n\ta1\n\ta2\nb\n\tb1\nc\n", 2, "b\n\tb1\nc\n"},
		{"ends with a continuation", "a\nb\n\tb1\n\tb2\n", 1, "b\n\tb1\n\tb2\n"},
		{"begins with a continuation", "\ta1\nb\n", 2, "\ta1\nb\n"},
		{"longer than a block", "a\nb" + block + block + "\nc\n", 2, "b" + block + block + "\nc\n"},
		{"a newline ends a block", "a\n" + block[:len(block)-1] + "\n", 1, block[:len(block)-1] + "\n"},
		{"a block begins after a newline", "a\nb\n" + block, 2, "b\n" + block},
		{"a block begins with a continuation", "a\nb\n\t" + block[1:], 1, "b\n\t" + block[1:]},
		{"a block begins with a newline", "a\nb\n" + block[1:], 2, "b\n" + block[1:]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			writeFile(t, path, tt.text)
			var got bytes.Buffer
			if err := logfile.Tail(t.Context(), &got, path, tt.n, false); err != nil {
				t.Fatal(err)
			}
			if got.String() != tt.want {
				t.Errorf("Tail wrote %d bytes %.20q, want %d bytes %.20q", got.Len(), got.String(), len(tt.want), tt.want)
			}
		})
	}
}

// Every number of records of a file with all lengths of lines around the size of a block.
func TestTailAgainstSplitting(t *testing.T) {
	var records []string
	for i := range 40 {
		r := fmt.Sprintf("%d %s\n", i, strings.Repeat("y", i*389))
		for j := range i % 3 {
			r += "\t" + strings.Repeat("z", j*571) + "\n"
		}
		records = append(records, r)
	}
	path := filepath.Join(t.TempDir(), "log")
	writeFile(t, path, strings.Join(records, ""))
	for n := range records {
		var got bytes.Buffer
		if err := logfile.Tail(t.Context(), &got, path, n, false); err != nil {
			t.Fatal(err)
		}
		if want := strings.Join(records[len(records)-n:], ""); got.String() != want {
			t.Errorf("the last %d: %d bytes %.20q, want %d bytes %.20q", n, got.Len(), got.String(), len(want), want)
		}
	}
}

func TestTailErrors(t *testing.T) {
	dir := t.TempDir()
	if err := logfile.Tail(t.Context(), io.Discard, filepath.Join(dir, "missing"), 1, true); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v, want fs.ErrNotExist", err)
	}
	if err := logfile.Tail(t.Context(), io.Discard, dir, 1, true); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("directory: %v", err)
	}
	path := filepath.Join(dir, "log")
	writeFile(t, path, "a\n")
	if err := logfile.Tail(t.Context(), brokenPipe{}, path, 1, true); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("broken pipe: %v, want %v", err, io.ErrClosedPipe)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestFollow(t *testing.T) {
	type env struct {
		path   string
		expect func(string)
	}
	for _, tt := range []struct {
		name string
		do   func(*testing.T, env)
	}{
		{"growth", func(t *testing.T, e env) {
			writeFile(t, e.path, "2\n3 half")
			e.expect("2\n3 half")
			writeFile(t, e.path, " whole\n")
			e.expect(" whole\n")
		}},
		{"rotation", func(t *testing.T, e env) {
			writeFile(t, e.path, "last\n")
			rename(t, e.path, e.path+".old")
			writeFile(t, e.path+".old", "very last\n")
			writeFile(t, e.path, "new\n")
			e.expect("last\nvery last\nnew\n")
			rename(t, e.path, e.path+".old")
			writeFile(t, e.path, "newer\n")
			e.expect("newer\n")
		}},
		{"a while without a file", func(t *testing.T, e env) {
			rename(t, e.path, e.path+".old")
			writeFile(t, e.path+".old", "still\n")
			e.expect("still\n")
			writeFile(t, e.path, "new\n")
			e.expect("new\n")
		}},
		{"removed and made again", func(t *testing.T, e env) {
			if err := os.Remove(e.path); err != nil {
				t.Fatal(err)
			}
			writeFile(t, e.path, "new\n")
			e.expect("new\n")
		}},
		{"truncation", func(t *testing.T, e env) {
			writeFile(t, e.path, "2\n")
			e.expect("2\n")
			if err := os.Truncate(e.path, 0); err != nil {
				t.Fatal(err)
			}
			writeFile(t, e.path, "n\n")
			e.expect("n\n")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "log")
			writeFile(t, path, "0\n1\n")
			ctx, cancel := context.WithCancel(t.Context())
			r, w := io.Pipe()
			done := make(chan error, 1)
			go func() { done <- logfile.Tail(ctx, w, path, 1, true) }()
			expect := func(want string) {
				t.Helper()
				got := make([]byte, len(want))
				if _, err := io.ReadFull(r, got); err != nil || string(got) != want {
					t.Fatalf("followed %q, %v, want %q", got, err, want)
				}
			}
			expect("1\n")
			tt.do(t, env{path, expect})
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Tail = %v after the end of its context, want nil", err)
			}
		})
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}
