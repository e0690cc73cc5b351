package ftp

import (
	"io/fs"
	"net"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
)

// inside says whether a path leads to something below the root, by the system's own reckoning.
func (y *Yard) inside(rel string) bool {
	truth, err := filepath.EvalSymlinks(filepath.Join(y.Root, filepath.FromSlash(rel)))
	return err == nil && (truth == y.truth || strings.HasPrefix(truth, y.truth+string(filepath.Separator)))
}

// visitor returns the files of a session of this server's, with all rights.
func (y *Yard) visitor(t testing.TB) *files {
	t.Helper()
	host := plugintest.NewHost(t, "ftp")
	options, fs := newOptions(), pflag.NewFlagSet("ftp", pflag.ContinueOnError)
	options.Flags(fs)
	if err := fs.Parse([]string{"--listen", "127.0.0.1:0", "--root", y.Root, "--writable"}); err != nil {
		t.Fatal(err)
	}
	service, err := options.Make(t.Context(), host.Env)
	if err != nil {
		t.Fatal(err)
	}
	s := service.(*server)
	u, err := s.login(t.Context(), attempt{name: anonymousName, password: "x"})
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	c := newSession(s, ours)
	t.Cleanup(func() {
		c.cancel(nil)
		_, _ = ours.Close(), theirs.Close()
		u.leave()
		s.close()
	})
	return &files{session: c, user: u}
}

// FuzzPath says that no name that a client gives leads out of the root, in whatever is done with it: what is outside can neither be
// read nor changed. What a name means is compared with package path, and where it leads with the system.
func FuzzPath(f *testing.F) {
	for i, name := range []string{
		"/", "/a", "/../a", "/a/../../b", "/.gtwistd-a.part", "/a\x00b", "//", "/./.", `/\..\a`, "/c:a", "/out", "/outdir/x", "/outdir/new", "/up/secret", "/up/new",
		"/abs/secret", "/in", "/indir/b", "/indir/../a", "/sub/over", "/sub/../../secret", "/loop", "/new", "/sub/new/deep", "/" + strings.Repeat("x", 300), "/up", "/sub/..", "/\xff", "/a/b",
	} {
		for op := range byte(8) {
			f.Add(name, "/new", op)
		}
		f.Add("/sub/b", name, byte(i))
	}
	y := NewYard(f)
	v := y.visitor(f)
	f.Fuzz(func(t *testing.T, name, to string, op byte) {
		if !path.IsAbs(name) || !path.IsAbs(to) {
			t.Skip("the library's are absolute")
		}
		rel, err := v.local(name)
		if want := strings.TrimPrefix(path.Clean(strings.ReplaceAll(name, "\x00", "\n")), "/"); err == nil && rel != want && (rel != "." || want != "") {
			t.Errorf("local(%q) = %q, want %q", name, rel, want)
		}
		if err == nil && !filepath.IsLocal(filepath.FromSlash(rel)) && runtime.GOOS != "windows" {
			t.Errorf("local(%q) = %q leads out", name, rel)
		}
		y.use(t, v, name, to, op)
		if now := y.Look(t); !slices.Equal(now, y.outside) {
			t.Fatalf("%q, %q, %d: what is outside is\n%s\nand was\n%s", name, to, op, strings.Join(now, "\n"), strings.Join(y.outside, "\n"))
		}
	})
}

// use does one thing with a name, as a client can.
func (y *Yard) use(t *testing.T, v *files, name, to string, op byte) {
	t.Helper()
	rel, localErr := v.local(name)
	changes := true
	var err error
	switch op % 8 {
	case 0:
		changes = false
		var info fs.FileInfo
		if info, err = v.Stat(name); err == nil && (localErr != nil || !y.inside(rel) || info.Size() == int64(len(Treasure)) && info.Mode().IsRegular()) {
			t.Errorf("Stat(%q) = %v", name, info)
		}
	case 1:
		changes = false
		handle, openErr := v.GetHandle(name, os.O_RDONLY, 0)
		if err = openErr; err != nil {
			break
		}
		content, _ := os.ReadFile(filepath.Join(y.Root, filepath.FromSlash(rel)))
		got := make([]byte, 100)
		n, _ := handle.Read(got)
		if _ = handle.Close(); !y.inside(rel) || string(got[:n]) != string(content) || strings.Contains(string(got), Treasure) {
			t.Errorf("%q holds %q", name, got[:n])
		}
	case 2, 3:
		flags := os.O_WRONLY | os.O_CREATE
		if op%8 == 3 {
			flags |= os.O_APPEND
		}
		handle, openErr := v.GetHandle(name, flags, 0)
		if err = openErr; err != nil {
			break
		}
		if _, err = handle.Write([]byte("new")); err == nil {
			err = handle.Close()
		}
		if content, readErr := os.ReadFile(filepath.Join(y.Root, filepath.FromSlash(rel))); err == nil && (readErr != nil || !strings.HasSuffix(string(content), "new")) {
			t.Errorf("%q holds %q, %v after an upload", name, content, readErr)
		}
	case 4:
		err = v.Mkdir(name, 0o777)
	case 5:
		err = v.Remove(name)
	case 6:
		err = v.RemoveDir(name)
	case 7:
		if err = v.Rename(name, to); err == nil {
			break
		}
		err = v.Chtimes(name, time.Unix(1, 0), time.Unix(1, 0))
	}
	if err == nil && localErr != nil && op%8 != 7 {
		t.Errorf("something was done with %q, which has no meaning: %v", name, localErr)
	}
	if err == nil && changes {
		y.Fill(t)
	}
}
