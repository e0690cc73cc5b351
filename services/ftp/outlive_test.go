package ftp

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	ftpserver "github.com/fclairamb/ftpserverlib"

	"github.com/gtwistd/gtwistd/internal/part"
	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp/accounts"
)

// halting is a pool that stops within the call before which there were so many others.
type halting struct {
	plugins.Pool
	before       int
	inside, goOn chan struct{}
}

// Do implements plugins.Pool.
func (p *halting) Do(ctx context.Context, fn func() error) error {
	return p.Pool.Do(ctx, func() error {
		if p.before--; p.before == -1 {
			close(p.inside)
			<-p.goOn
		}
		return fn()
	})
}

// atRoot is what the library tells of a client.
type atRoot struct{ ftpserver.ClientContext }

// Path implements ftpserver.ClientContext.
func (atRoot) Path() string { return "/" }

// TestUsedWithinCalls says that a session is in use while its goroutine works in the pool, so that Serve waits for that, and that
// nothing is done for a session that has ended.
func TestUsedWithinCalls(t *testing.T) {
	tests := []struct {
		name   string
		before int
		do     func(*testing.T, *files) error
	}{
		{"a listing is rendered", 0, func(t *testing.T, f *files) error {
			folder, err := openFolder(f.user.root, ".")
			if err != nil {
				t.Error(err)
				return err
			}
			l := &listing{files: f, folder: folder, rel: ".", end: true}
			return (&dataConn{session: f.session}).list(l)
		}},
		{"a part is swept", 1, func(_ *testing.T, f *files) error {
			_, err := f.ReadDir("/")
			return err
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := plugintest.Env(t, "ftp")
			pool := &halting{Pool: env.Pool, before: tt.before, inside: make(chan struct{}), goOn: make(chan struct{})}
			env.Pool = pool
			f := filesOf(t, newServer(env, newOptions()))
			old := time.Now().Add(-30 * 24 * time.Hour)
			left := filepath.Join(f.user.path, part.Name("old"))
			if err := errors.Join(os.WriteFile(left, []byte("x"), 0o600), os.Chtimes(left, old, old)); err != nil {
				t.Fatal(err)
			}
			c := f.session
			before := c.refs.Load()
			var working sync.WaitGroup
			working.Go(func() {
				if err := tt.do(t, f); err != nil {
					t.Error(err)
				}
			})
			<-pool.inside
			if got := c.refs.Load(); got != before+1 {
				t.Errorf("%d references within the pool, want %d", got, before+1)
			}
			close(pool.goOn)
			working.Wait()
			if got := c.refs.Load(); got != before {
				t.Errorf("%d references in the end, want %d", got, before)
			}
			c.disconnected()
			if err := tt.do(t, f); !errors.Is(err, net.ErrClosed) {
				t.Errorf("after the end: %v", err)
			}
		})
	}
}

// filesOf is what somebody who may do anything sees of a directory.
func filesOf(t *testing.T, s *server) *files {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s.dir = dir
	if s.book, err = accounts.Open(accounts.Options{Anonymous: accounts.Account{Root: dir, Permissions: accounts.All}, Pool: s.env.Pool}); err != nil {
		t.Fatal(err)
	}
	local, client := net.Pipe()
	c := newSession(s, local)
	c.context, c.verb = atRoot{}, "STAT"
	account, err := s.book.LoginAnonymous(c.remote.Addr())
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _, _ = client.Close(), local.Close(), root.Close()
		account.Close()
	})
	return &files{session: c, user: &user{root: root, path: dir, account: account}}
}

// TestCameMeanwhile opens a file in place that was not there a moment ago.
func TestCameMeanwhile(t *testing.T) {
	f := filesOf(t, newServer(plugintest.Env(t, "ftp"), newOptions()))
	if err := os.WriteFile(filepath.Join(f.user.path, "f"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	u := &upload{files: f, rel: "f"}
	if err := u.openInPlace(true, 0); err != nil {
		t.Fatal(err)
	}
	defer u.discard()
	if !u.existed {
		t.Error("the file counts as new: another right is asked for")
	}
}

// TestLockless is about file systems without locks.
func TestLockless(t *testing.T) {
	for err, want := range map[error]bool{
		nil:                    false,
		part.ErrLocked:         false,
		syscall.EIO:            false,
		errors.ErrUnsupported:  true,
		syscall.ENOLCK:         true,
		error(syscall.ENOTSUP): true,
	} {
		if got := isLockless(os.NewSyscallError("flock", err)); got != want {
			t.Errorf("isLockless(%v) = %v", err, got)
		}
	}
}

// TestAbandoned says when a transfer that has not begun never will.
func TestAbandoned(t *testing.T) {
	tests := []struct {
		name string
		do   func(*session, *transfer)
		want error
	}{
		{"not", func(*session, *transfer) {}, nil},
		{"aborted", func(c *session, _ *transfer) { c.abort("ABOR") }, errAborted},
		{"the port is closed", func(c *session, _ *transfer) { c.data.cancel() }, errNobody},
		{"the session ends", func(c *session, _ *transfer) { c.cancel(errStop) }, errStop},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := filesOf(t, newServer(plugintest.Env(t, "ftp"), newOptions())).session
			c.data = &dataListener{}
			c.data.ctx, c.data.cancel = context.WithCancel(t.Context())
			c.beginTransfer("STOR", "f")
			tt.do(c, c.current())
			if err := c.abandoned(c.current()); !errors.Is(err, tt.want) {
				t.Errorf("abandoned() = %v, want %v", err, tt.want)
			}
		})
	}
}

// TestLookedAtLate lets the watchdog come when somebody reads again what the client has sent before it went.
func TestLookedAtLate(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := newSession(newServer(plugintest.Env(t, "ftp"), newOptions()), conn)
	_ = client.Close()
	if !hungUp(conn, time.Minute) {
		t.Skip("nobody can tell here that a client has gone")
	}
	c.watch()
	c.unwatch()
	c.look()
	if c.ctx.Err() != nil {
		t.Error("the session ends, and QUIT is not read")
	}
	c.watch()
	c.look()
	if c.ctx.Err() == nil {
		t.Error("the session goes on without its client")
	}
	c.unwatch()
}

// TestManyShortLines has more lines waiting than the queue takes: together they are no long line.
func TestManyShortLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		local, client := net.Pipe()
		defer local.Close()
		defer client.Close()
		c := newSession(newServer(plugintest.Env(t, "ftp"), newOptions()), local)
		c.queue = append([]string{"PWD"}, strings.Split(strings.Repeat("NOOP\n", maxQueue-1), "\n")[:maxQueue-1]...)
		c.in = bytes.Repeat([]byte("NOOP\r\n"), maxLine)
		c.beginTransfer("RETR", "f")
		type result struct {
			line string
			err  error
		}
		got := make(chan result, 1)
		go func() {
			line, err := c.nextLine()
			got <- result{line, err}
		}()
		go func() { _, _ = client.Read(make([]byte, 100)) }() // what is said of a long line
		synctest.Wait()
		c.mu.Lock()
		if c.transfer != nil {
			c.endTransfer(c.transfer)
		}
		c.mu.Unlock()
		if r := <-got; r.line != "PWD" || r.err != nil {
			t.Errorf("nextLine() = %q, %v", r.line, r.err)
		}
	})
}
