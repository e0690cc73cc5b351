//go:build unix

package endpoint_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/gtwistd/gtwistd/internal/endpoint"
)

func TestUnixMode(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	for _, tt := range []struct {
		option string
		want   os.FileMode
	}{{"", 0o660}, {":mode=666", 0o666}, {":mode=600", 0o600}, {":mode=0", 0}} {
		path := filepath.Join(t.TempDir(), "s")
		l := listen(t, newSet(t, endpoint.Options{}), "x", "unix:"+path+tt.option)
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != tt.want {
			t.Errorf("mode%s: %v, %v, want %v", tt.option, info.Mode(), err, tt.want)
		}
		l.Close()
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket file is still there: %v", err)
		}
	}
}

// stale leaves a socket file that nobody listens on.
func stale(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "s")
	old, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	old.SetUnlinkOnClose(false)
	old.Close()
	return path
}

func TestUnixStaleIsReplaced(t *testing.T) {
	path := stale(t)
	pair(t, listen(t, newSet(t, endpoint.Options{}), "x", "unix:"+path))
}

func TestUnixLiveIsNotStolen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	first := listen(t, newSet(t, endpoint.Options{}), "x", "unix:"+path)
	_, err := newSet(t, endpoint.Options{}).Listen(t.Context(), "y", "unix:"+path)
	if !errors.Is(err, syscall.EADDRINUSE) || hint(err) != "a running process listens there" {
		t.Errorf("second Listen = %v, hint %q", err, hint(err))
	}
	if c, err := first.Accept(); err == nil { // the probe
		c.Close()
	}
	pair(t, first)
}

func TestUnixOneWinner(t *testing.T) {
	path := stale(t)
	var wg sync.WaitGroup
	won := make(chan net.Listener, 20)
	for range cap(won) {
		s := newSet(t, endpoint.Options{})
		wg.Go(func() {
			if l, err := s.Listen(t.Context(), "x", "unix:"+path); err == nil {
				won <- l
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Errorf("%d of %d listen on the same path", len(won), cap(won))
	}
}

// The race that the lock prevents is too short to be provoked; that it is waited for can be seen.
func TestUnixDirectoryIsLocked(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = newSet(t, endpoint.Options{Dir: dir.Name()}).Listen(ctx, "x", "unix:s")
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "is locked by another process") {
		t.Errorf("Listen = %v", err)
	}
	// Anybody who can read the directory can hold the lock, for ever.
	pair(t, listen(t, newSet(t, endpoint.Options{Dir: dir.Name()}), "x", "unix:s"))
}

func TestUnixForeignFileStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l := listen(t, newSet(t, endpoint.Options{}), "x", "unix:"+path)
	if err := os.Rename(path, path+".moved"); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	l.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the socket of somebody else was removed: %v", err)
	}
}

// inherit plays the part of a service manager: the descriptors are duplicates, as the set closes what it gets.
func inherit(t *testing.T, names ...any) endpoint.Inherited {
	t.Helper()
	files := map[string]*os.File{}
	for i := 0; i < len(names); i += 2 {
		f, err := names[i+1].(interface{ File() (*os.File, error) }).File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		files[fmt.Sprint(names[i])] = f
	}
	find := func(name string) (*os.File, error) {
		f := files[name]
		if f == nil {
			return nil, fmt.Errorf("no socket %s was passed", name)
		}
		fd, err := syscall.Dup(int(f.Fd()))
		return os.NewFile(uintptr(fd), name), err
	}
	return endpoint.Inherited{
		File:    func(fd int) (*os.File, error) { return find(fmt.Sprint("fd", fd)) },
		ByIndex: func(n int) (*os.File, error) { return find(fmt.Sprint("index", n)) },
		ByName:  find,
	}
}

type plainFile string

func (p plainFile) File() (*os.File, error) { return os.Open(string(p)) }

func TestInherited(t *testing.T) {
	tcp, _ := net.Listen("tcp", "127.0.0.1:0")
	defer tcp.Close()
	path := filepath.Join(t.TempDir(), "s")
	local, _ := net.Listen("unix", path)
	defer local.Close()
	udp, _ := net.ListenPacket("udp", "127.0.0.1:0")
	defer udp.Close()
	conn, _ := net.Dial("tcp", tcp.Addr().String())
	defer conn.Close()
	s := newSet(t, endpoint.Options{Inherited: inherit(t, "index0", tcp, "web", tcp, "fd3", tcp, "local", local, "dns", udp, "fd4", conn, "fd5", plainFile(os.DevNull))})

	for _, spec := range []string{"systemd:domain=INET:index=0", "systemd:name=web", "fd:3", "systemd:domain=UNIX:name=local", "haproxy:fd:3"} {
		l := listen(t, s, "web", spec)
		if strings.HasPrefix(spec, "haproxy") {
			proxyPair(t, l, "PROXY UNKNOWN\r\n")
		} else {
			pair(t, l)
		}
		l.Close()
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("an inherited socket file was removed: %v", err)
	}
	if p, err := s.ListenPacket(t.Context(), "dns", "systemd:name=dns"); err != nil || p.LocalAddr().String() != udp.LocalAddr().String() {
		t.Errorf("ListenPacket = %v, %v", p, err)
	}
	for _, tt := range []struct{ spec, want string }{
		{"systemd:name=nothing", "listen systemd:name=nothing: no socket nothing was passed"},
		{"systemd:domain=INET6:index=0", "domain INET6: the socket is INET (127.0.0.1:"},
		{"fd:4", "listen fd:4: the socket does not listen"},
		{"fd:5", "listen fd:5: the descriptor is not a socket"},
		{"systemd:name=dns", "listen systemd:name=dns: the socket does not listen"},
	} {
		if _, err := s.Listen(t.Context(), "x", tt.spec); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Listen(%q) = %v, want %q", tt.spec, err, tt.want)
		}
	}
	if _, err := s.ListenPacket(t.Context(), "x", "fd:3"); err == nil || !strings.Contains(err.Error(), "not a datagram socket") {
		t.Errorf("ListenPacket on a stream = %v", err)
	}
}
