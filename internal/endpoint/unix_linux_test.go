package endpoint_test

import (
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/gtwistd/gtwistd/internal/endpoint"
)

// Whoever can write to the directory puts links to another file in the place of the socket, whose mode is about to change.
func TestUnixModeIsNotRedirected(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	for _, tt := range []struct {
		name string
		link func(old, name string) error
	}{{"symbolic links", os.Symlink}, {"hard links", os.Link}} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			victim, path := filepath.Join(t.TempDir(), "victim"), filepath.Join(dir, "s")
			if err := os.WriteFile(victim, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			stop := make(chan struct{})
			var attacker sync.WaitGroup
			defer attacker.Wait()
			defer close(stop)
			attacker.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if os.Remove(path) == nil {
						_ = tt.link(victim, path)
					}
				}
			})
			s := newSet(t, endpoint.Options{})
			for range 1000 {
				os.Remove(path)
				if l, err := s.Listen(t.Context(), "x", "unix:"+path+":mode=666"); err == nil {
					l.Close()
				}
				if info, err := os.Stat(victim); err != nil || info.Mode() != 0o600 {
					t.Fatalf("the other file has mode %v, %v, want 0600", info.Mode(), err)
				}
			}
		})
	}
}
