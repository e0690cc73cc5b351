package ftp

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	jlaffaye "github.com/jlaffaye/ftp"
	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp/accounts"
)

// everywhere are the same rights for all paths: to read, and perhaps to write.
type everywhere struct{ write bool }

func (everywhere) MayList(string) bool                   { return true }
func (everywhere) MayStat(string) bool                   { return true }
func (everywhere) MayDownload(string) bool               { return true }
func (e everywhere) MayUpload(string, bool) bool         { return e.write }
func (e everywhere) MaySetTime(string) bool              { return e.write }
func (e everywhere) MayDelete(string) bool               { return e.write }
func (e everywhere) MayMkdir(string) bool                { return e.write }
func (e everywhere) MayRename(string, string, bool) bool { return e.write }

// account is a user with a quota, of which one test has one session.
type account struct {
	everywhere
	left, waited, removed atomic.Int64
	gone                  atomic.Bool
}

func (a *account) MayDelete(name string) bool { return !strings.HasPrefix(name, "/kept/") }

func (a *account) MayList(dir string) bool { return dir != "/unseen" }

func (a *account) MayUpload(name string, exists bool) bool {
	return !exists || !strings.HasPrefix(name, "/kept/")
}

func (a *account) Wait(_ context.Context, _ bool, n int) error {
	a.waited.Add(int64(n))
	return nil
}

func (a *account) Chunk(_ bool, most int) int { return min(most, 16<<10) }

func (a *account) Begin(context.Context, int64) (reservation, error) { return &room{account: a}, nil }

func (a *account) Mkdir(context.Context) error {
	if a.left.Load() <= 0 {
		return accounts.ErrQuota
	}
	return nil
}

func (a *account) Room(context.Context) (int64, error) { return max(a.left.Load(), 0), nil }

func (a *account) Removed(size int64) {
	a.left.Add(size)
	a.removed.Add(1)
}

type room struct {
	*account
	taken int64
}

func (r *room) Reserve(offset, n int64) (int64, error) {
	more := min(max(offset+n-r.taken, 0), r.left.Load())
	if n > 0 && r.taken+more <= offset {
		return 0, accounts.ErrQuota
	}
	r.left.Add(-more)
	r.taken += more
	return min(n, r.taken-offset), nil
}

func (r *room) Close(size int64) { r.left.Add(r.taken - max(size, 0)) }

func TestAccount(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"kept", "unseen"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	host := plugintest.NewHost(t, "ftp")
	options, fs := newOptions(), pflag.NewFlagSet("ftp", pflag.ContinueOnError)
	options.Flags(fs)
	if err := fs.Parse([]string{"--listen", "127.0.0.1:0", "--root", dir}); err != nil {
		t.Fatal(err)
	}
	service, err := options.Make(t.Context(), host.Env)
	if err != nil {
		t.Fatal(err)
	}
	s := service.(*server)
	a := &account{everywhere: everywhere{write: true}}
	a.left.Store(100)
	s.gate = func(context.Context, attempt) (*user, error) {
		return &user{name: "alice", root: s.roots.main.root, path: s.roots.path(), rights: a, pace: a, storage: a, leave: func() { a.gone.Store(true) }}, nil
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	c, err := jlaffaye.Dial(host.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Login("alice", "x"); err != nil {
		t.Fatal(err)
	}
	use(t, c, a, dir)
	_ = c.Quit()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if !a.gone.Load() {
		t.Error("nobody was told that the session ended")
	}
}

func use(t *testing.T, c *jlaffaye.ServerConn, a *account, dir string) {
	t.Helper()
	store := func(name string, size int, want string) {
		t.Helper()
		err := c.Stor(name, strings.NewReader(strings.Repeat("x", size)))
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("Stor(%q, %d bytes) = %v, want %q", name, size, err, want)
		}
	}
	store("a", 60, "")
	store("b", 60, "552")
	if _, err := os.Stat(filepath.Join(dir, "b")); err == nil {
		t.Error("a file beyond the quota has its name")
	}
	for name, want := range map[string]string{"b": "", "a": ""} { // b is a part, which SIZE would find
		if err := c.Delete(name); err != nil {
			t.Errorf("Delete(%q) = %v, want %q", name, err, want)
		}
	}
	if left := a.left.Load(); left != 100 {
		t.Errorf("%d bytes are left, want 100", left)
	}
	store("a", 40, "")
	store("a", 50, "")
	if left := a.left.Load(); left != 50 {
		t.Errorf("%d bytes are left, want 50", left)
	}
	r, err := c.Retr("a")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); len(got) != 50 || err != nil {
		t.Errorf("Retr = %d bytes, %v", len(got), err)
	}
	_ = r.Close()
	if waited := a.waited.Load(); waited < 50+40+50+60 {
		t.Errorf("Wait was asked for %d bytes", waited)
	}
	store("kept/f", 10, "")
	store("kept/f", 10, "550")
	if err := c.Delete("kept/f"); err == nil {
		t.Error("Delete of what must stay")
	}
	if list, err := c.List("/unseen"); err == nil {
		t.Errorf("List = %v", list)
	}
	store("rest", 40, "")
	if err := c.MakeDir("d"); err == nil || !strings.HasPrefix(err.Error(), "552") {
		t.Errorf("MakeDir = %v, want 552", err)
	}
}
