package secrets_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/internal/secrets"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Skip(err)
	}
}

func realDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestTrail says that a secret has all the names on the way to it, and that whatever is on the way counts as below.
func TestTrail(t *testing.T) {
	dir := realDir(t)
	write(t, filepath.Join(dir, "data/2/pw"), "x")
	write(t, filepath.Join(dir, "data/2/notes"), "x")
	link(t, "2", filepath.Join(dir, "data/now"))
	link(t, filepath.Join(dir, "data/now/pw"), filepath.Join(dir, "pw"))
	link(t, "pw", filepath.Join(dir, "users"))
	var l secrets.List
	if l.Has(dir) || l.Below("/") != "" {
		t.Error("an empty list has something")
	}
	l.Add(filepath.Join(dir, "users"))
	for name, want := range map[string]struct{ has, below bool }{
		"users": {true, true}, "pw": {true, true}, "data/2/pw": {true, true}, "data/now": {false, true}, "data/2": {false, true},
		"data": {false, true}, ".": {false, true}, "data/2/notes": {}, "data/2/p": {}, "data/20": {}, "pw/x": {}, "user": {},
	} {
		path := filepath.Join(dir, name)
		if got := l.Has(path); got != want.has {
			t.Errorf("Has(%s) = %v, want %v", name, got, want.has)
		}
		if got := l.Below(path); (got != "") != want.below {
			t.Errorf("Below(%s) = %q, want one: %v", name, got, want.below)
		}
	}
	// Links that lead elsewhere now.
	write(t, filepath.Join(dir, "data/3/pw"), "y")
	if err := os.Remove(filepath.Join(dir, "data/now")); err != nil {
		t.Fatal(err)
	}
	link(t, "3", filepath.Join(dir, "data/now"))
	l.Add(filepath.Join(dir, "users"))
	for _, name := range []string{"data/2/pw", "data/3/pw"} {
		if !l.Has(filepath.Join(dir, name)) {
			t.Errorf("Has(%s) = false", name)
		}
	}
}

func TestNothingThere(t *testing.T) {
	dir := realDir(t)
	link(t, "loop", filepath.Join(dir, "loop"))
	var l secrets.List
	l.Add(filepath.Join(dir, "not", "yet"))
	l.Add(filepath.Join(dir, "loop", "x"))
	if !l.Has(filepath.Join(dir, "not", "yet")) || l.Below(filepath.Join(dir, "not")) == "" || l.Below(filepath.Join(dir, "loop")) == "" {
		t.Error("what is not there is no secret")
	}
}

// TestIs says that a secret is known by any name, and that no other file is taken for it.
func TestIs(t *testing.T) {
	dir := realDir(t)
	path, hard, moved := filepath.Join(dir, "pw"), filepath.Join(dir, "hard"), filepath.Join(dir, "moved")
	write(t, path, "secret")
	write(t, filepath.Join(dir, "other"), "secret")
	if err := os.Link(path, hard); err != nil {
		t.Skip(err)
	}
	var l secrets.List
	l.Add(path)
	is := func(name string, want bool) {
		t.Helper()
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := l.Is(info); got != want {
			t.Errorf("Is(%s) = %v, want %v", name, got, want)
		}
	}
	is("pw", true)
	is("hard", true)
	is("other", false)
	if err := os.Rename(path, moved); err != nil {
		t.Fatal(err)
	}
	is("moved", true)
	is("hard", true)
	// As if the system had given the file's number to another one.
	if err := os.Chtimes(hard, time.Time{}, time.Unix(1e9, 0)); err != nil {
		t.Fatal(err)
	}
	is("hard", false)
}
