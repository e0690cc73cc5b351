package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"github.com/gtwistd/gtwistd/internal/htpasswd"
	"github.com/gtwistd/gtwistd/internal/pool"
	"github.com/gtwistd/gtwistd/plugins"
)

// newHashing returns the pool in which passwords are hashed. Half of the processors at most work for those who guess, and
// those who wait there do not keep file calls from their slots. A queue is as long as people's patience: a good hash takes
// a fifth of a second.
func newHashing() *pool.Pool {
	const queue = 32 // for each slot
	slots := max(runtime.GOMAXPROCS(0)/2, 1)
	return pool.New(slots, slots*queue)
}

// users is the Users function of all environments.
func (r *runner) users(path string) (plugins.Users, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	file, err := htpasswd.Open(path, servicePool{r.hashing}.Do)
	if err != nil {
		return nil, err
	}
	r.passwords.add(path)
	return &userFile{File: file, path: path, files: &r.passwords, chrooted: r.opts.chroot != ""}, nil
}

// userFile is a password file that nobody hands out.
type userFile struct {
	*htpasswd.File
	path     string
	files    *passwordFiles
	chrooted bool
}

// Reload also follows a link that leads elsewhere now.
func (u *userFile) Reload(ctx context.Context) error {
	err := u.File.Reload(ctx)
	switch {
	case u.chrooted && errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w (after --chroot it must exist inside, too)", err)
	case err != nil:
		return err
	}
	u.files.add(u.path)
	return nil
}

// passwordFiles are the files that users were read from, by their absolute paths, with symbolic links resolved and without.
type passwordFiles struct {
	mu    sync.Mutex
	paths []string
}

func (p *passwordFiles) add(path string) {
	paths := []string{path}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		paths = append(paths, real)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, path := range paths {
		if !slices.Contains(p.paths, path) {
			p.paths = append(p.paths, path)
		}
	}
}

func (p *passwordFiles) own(path string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.paths, path)
}
