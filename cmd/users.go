package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"

	"github.com/gtwistd/gtwistd/internal/pool"
	"github.com/gtwistd/gtwistd/internal/terms"
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
	users, err := terms.Users(&r.secrets, path, servicePool{r.hashing}.Do)
	if err != nil || r.opts.chroot == "" {
		return users, err
	}
	return jailed{users}, nil
}

// jailed are users whose file is read anew after --chroot.
type jailed struct{ plugins.Users }

// Reload implements plugins.Users.
func (j jailed) Reload(ctx context.Context) error {
	err := j.Users.Reload(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w (after --chroot it must exist inside, too)", err)
	}
	return err
}
