//go:build unix && !linux

package daemon

import "golang.org/x/sys/unix"

// dup2 makes fd another name of old, open across exec.
func dup2(old, fd int) error { return unix.Dup2(old, fd) }

// growPipe does nothing: pipes grow by themselves or cannot.
func growPipe(int) {}
