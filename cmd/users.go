package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"

	"github.com/gtwistd/gtwistd/internal/htpasswd"
	"github.com/gtwistd/gtwistd/internal/pool"
	"github.com/gtwistd/gtwistd/internal/secrets"
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
	r.secrets.Add(path)
	return &userFile{File: file, path: path, secrets: &r.secrets, chrooted: r.opts.chroot != ""}, nil
}

// userFile is a password file that nobody hands out.
type userFile struct {
	*htpasswd.File
	path     string
	secrets  *secrets.List
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
	u.secrets.Add(u.path)
	return nil
}
