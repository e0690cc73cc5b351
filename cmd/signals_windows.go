package cmd

import (
	"os"
	"syscall"
)

var handledSignals = []os.Signal{os.Interrupt, syscall.SIGTERM}

// The process cannot be sent these; the control socket is the only way.
const hangup, userSignal1 = syscall.SIGHUP, syscall.Signal(0)

func signalName(sig os.Signal) string {
	if sig == os.Interrupt {
		return "SIGINT"
	}
	return "SIGTERM"
}
