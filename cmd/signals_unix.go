//go:build unix

package cmd

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

var handledSignals = []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2}

const hangup, userSignal1 = syscall.SIGHUP, syscall.SIGUSR1

func signalName(sig os.Signal) string { return unix.SignalName(sig.(syscall.Signal)) }
