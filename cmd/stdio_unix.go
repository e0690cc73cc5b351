//go:build unix

package cmd

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// controllingTerminal is the terminal that the program was started from; nil means that it does not matter: there is
// none, or whoever started the program has SIGHUP ignored (nohup).
type controllingTerminal struct{}

func findTerminal() *controllingTerminal {
	if signal.Ignored(syscall.SIGHUP) || !hasTerminal() {
		return nil
	}
	return &controllingTerminal{}
}

// gone reports whether the terminal has been closed, which SIGHUP then means.
func (t *controllingTerminal) gone() bool { return t != nil && !hasTerminal() }

func hasTerminal() bool {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err == nil
}

// noFollow keeps root from being led to another file by a link in a directory of others.
const noFollow = unix.O_NOFOLLOW

// duplicate returns another descriptor for f, which stays what it is when f's own is redirected.
func duplicate(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("duplicate %s: %w", f.Name(), err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}
