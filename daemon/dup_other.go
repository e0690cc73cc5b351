//go:build unix && !linux

package daemon

import "golang.org/x/sys/unix"

// dup2 makes fd another name of old, open across exec.
func dup2(old, fd int) error { return unix.Dup2(old, fd) }

// growPipe does nothing: pipes grow by themselves or cannot.
func growPipe(int) {}

// impatient is for systems that can open a descriptor's pipe anew.
func impatient(int) (int, error) { return 0, unix.ENOTSUP }
