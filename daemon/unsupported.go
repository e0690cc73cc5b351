//go:build !unix

package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
)

func unsupported(what, hint string) error {
	return failuref(errors.ErrUnsupported, hint, "%s is not supported on %s", what, runtime.GOOS)
}

// Detach is not supported on this system.
func Detach(context.Context, Program) (Result, error) {
	return Result{}, unsupported("detaching", "stay in front: -n")
}

// Parent is the process that waits for this one to become ready; on this system there never is one.
type Parent struct{}

// Detached returns nil: on this system no process is detached.
func Detached(func(string) string) *Parent { return nil }

// Ready does nothing.
func (p *Parent) Ready(string) error { return nil }

// Fail reports that no parent was told.
func (p *Parent) Fail(StartError) bool { return false }

// TakeInherited returns an empty set.
func TakeInherited(*Parent) *Inherited { return &Inherited{} }

// File reports false.
func (in *Inherited) File(int) (*os.File, bool) { return nil, false }

// CloseRest does nothing.
func (in *Inherited) CloseRest() {}

// Confine changes the working directory, which is all that this system supports.
func Confine(c Confinement) error {
	switch {
	case c.Chroot != "":
		return unsupported("chroot", "")
	case c.Umask != nil:
		return unsupported("umask", "")
	case c.Identity != nil:
		return unsupported("changing the user", "")
	case c.Dir != "":
		if err := os.Chdir(c.Dir); err != nil {
			return fmt.Errorf("rundir %s: %w", c.Dir, plain(err))
		}
	}
	return nil
}

// LookupIdentity returns nil for no user and no group; anything else is not supported on this system.
func LookupIdentity(uid, gid string) (*Identity, error) {
	if uid == "" && gid == "" {
		return nil, nil
	}
	return nil, unsupported("changing the user", "")
}

// Redirection is the state of a process whose stdout and stderr lead to callbacks; on this system there is none.
type Redirection struct{}

// Redirect is not supported on this system.
func Redirect(stdout, stderr func(line []byte)) (*Redirection, error) {
	return nil, unsupported("redirecting stdout and stderr", "")
}

// Original returns stdout and stderr of the process.
func (r *Redirection) Original() (stdout, stderr *os.File) { return os.Stdout, os.Stderr }

// ReleaseOriginal does nothing.
func (r *Redirection) ReleaseOriginal() error { return nil }

// Close does nothing.
func (r *Redirection) Close() error { return nil }
