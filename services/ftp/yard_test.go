package ftp

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Yard is a directory that is served, between others that are not.
type Yard struct {
	Around, Root, truth string // truth is root without links
	outside             []string
}

// Treasure is what the files outside hold.
const Treasure = "what nobody gets"

// NewYard makes one that has links out of the root of every kind.
func NewYard(t testing.TB) *Yard {
	t.Helper()
	y := &Yard{Around: t.TempDir()}
	y.Root = filepath.Join(y.Around, "root")
	if err := os.MkdirAll(filepath.Join(y.Around, "dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"secret", "dir/x", "a"} {
		if err := os.WriteFile(filepath.Join(y.Around, name), []byte(Treasure), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	y.Fill(t)
	truth, err := filepath.EvalSymlinks(y.Root)
	if err != nil {
		t.Fatal(err)
	}
	y.truth, y.outside = truth, y.Look(t)
	return y
}

// Fill makes the root as it was in the beginning.
func (y *Yard) Fill(t testing.TB) {
	t.Helper()
	left, _ := os.ReadDir(y.Root)
	for _, d := range left {
		if err := os.RemoveAll(filepath.Join(y.Root, d.Name())); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(y.Root, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "sub/b"} {
		if err := os.WriteFile(filepath.Join(y.Root, name), []byte("inside"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"out": "../secret", "outdir": "../dir", "up": "..", "abs": y.Around, "in": "a", "indir": "sub", "sub/over": "../../dir/x", "loop": "loop"} {
		if err := os.Symlink(target, filepath.Join(y.Root, link)); err != nil {
			t.Skip(err)
		}
	}
}

// Look describes all that is not below the root, but for the root itself.
func (y *Yard) Look(t testing.TB) (list []string) {
	t.Helper()
	err := filepath.WalkDir(y.Around, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name == y.Root:
			return fs.SkipDir
		case name == y.Around:
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		line := strings.Join([]string{name, info.Mode().String(), info.ModTime().String()}, " ")
		if info.Mode().IsRegular() {
			content, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			line += " " + string(content)
		}
		list = append(list, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
