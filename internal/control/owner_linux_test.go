package control_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gtwistd/gtwistd/internal/control"
)

// ownedDir is a directory below one that everybody can search.
func ownedDir(t *testing.T, uid int, mode os.FileMode) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root to give files away")
	}
	parent := socketDir(t)
	dir := filepath.Join(parent, "d")
	err := errors.Join(os.Chmod(parent, 0o755), os.Mkdir(dir, 0o700), os.Chown(dir, uid, uid), os.Chmod(dir, mode))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func ownerOf(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Sys().(*syscall.Stat_t).Uid)
}

func TestSocketIsGivenToItsOwner(t *testing.T) {
	for _, tt := range []struct {
		name string
		uid  int // of the directory
		mode os.FileMode
		want int
		log  string
	}{
		{"root's directory", 0, 0o755, nobody, ""},
		{"open to all, sticky", 0, 0o777 | os.ModeSticky, nobody, ""},
		{"open to all", 0, 0o777, nobody, ""},
		{"the owner's directory", nobody, 0o700, nobody, ""},
		{"somebody else's directory", nobody - 1, 0o755, 0, "user 65534: permission denied"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(ownedDir(t, tt.uid, tt.mode), "gtwistd.sock")
			s, err := control.Listen(path, &control.Owner{UID: nobody, GID: nobody}, []int{0})
			if err != nil {
				t.Fatal(err)
			}
			if got := ownerOf(t, path); got != tt.want {
				t.Errorf("the socket is user %d's, want %d's", got, tt.want)
			}
			onlyFile(t, path)
			var log bytes.Buffer
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := s.Serve(ctx, slog.New(slog.NewTextHandler(&log, nil)), control.Actions{}); err != nil {
				t.Error(err)
			}
			if got := log.String(); !strings.Contains(got, tt.log) || (tt.log == "") != (got == "") {
				t.Errorf("log %q, want %q", got, tt.log)
			}
			made := filepath.Join(filepath.Dir(path), "after")
			if err := os.WriteFile(made, nil, 0o600); err != nil || ownerOf(t, made) != 0 {
				t.Errorf("after Listen a file is made for user %d, %v, want 0", ownerOf(t, made), err)
			}
		})
	}
}

// The owner of the directory puts links to a file of root's in the place of whatever appears there.
func TestOwnerCannotRedirectTheGift(t *testing.T) {
	for _, tt := range []struct {
		name string
		link func(old, name string) error
	}{{"symbolic links", os.Symlink}, {"hard links", os.Link}} {
		t.Run(tt.name, func(t *testing.T) {
			dir := ownedDir(t, nobody, 0o700)
			victim := filepath.Join(filepath.Dir(dir), "victim")
			if err := os.WriteFile(victim, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			stop := make(chan struct{})
			var attacker sync.WaitGroup
			defer attacker.Wait()
			defer close(stop)
			attacker.Go(func() { swapForever(stop, dir, func(name string) { _ = tt.link(victim, name) }) })
			for range 300 {
				s, err := control.Listen(filepath.Join(dir, "gtwistd.sock"), &control.Owner{UID: nobody, GID: nobody}, nil)
				if err == nil {
					_ = s.Close()
				}
				if got := ownerOf(t, victim); got != 0 {
					t.Fatalf("the file of root's is user %d's now", got)
				}
			}
		})
	}
}

func swapForever(stop <-chan struct{}, dir string, put func(name string)) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			name := filepath.Join(dir, e.Name())
			_ = unix.Unlink(name)
			put(name)
		}
	}
}
