package cmd

import (
	"os"
	"syscall"
)

// otherSignals: Windows itself sends only those that stop.
var otherSignals = []os.Signal{syscall.SIGHUP}

// The process cannot be sent these; the control socket is the only way.
const hangup, userSignal1 = syscall.SIGHUP, syscall.Signal(0)

func signalName(sig os.Signal) string {
	if sig == os.Interrupt {
		return "SIGINT"
	}
	return "SIGTERM"
}

func ignoreOthers() {}
