//go:build unix

package cmd

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// otherSignals mean something to the runner besides those that stop it.
var otherSignals = []os.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2}

const hangup, userSignal1 = syscall.SIGHUP, syscall.SIGUSR1

func signalName(sig os.Signal) string { return unix.SignalName(sig.(syscall.Signal)) }

func ignoreOthers() { signal.Ignore(otherSignals...) }
