package contest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// outsideVariable names the network namespace that a program came from which measures in one of its own.
const outsideVariable = "GTWISTD_BENCH_OUTSIDE"

// network is what Debian has, whatever this machine's administrator has chosen. A congestion control that paces, as BBR does,
// sets a timer for each 64 KiB on the loopback interface: the figures would be those of timers.
var network = map[string]string{
	"tcp_congestion_control": "cubic",
	"tcp_rmem":               "4096 131072 6291456",
	"tcp_wmem":               "4096 16384 4194304",
}

// alone has the program run once more in a network namespace (man 7 network_namespaces) with nothing but a loopback interface,
// set up like Debian's, and says whether that was done. It takes root.
func alone(ctx context.Context) (done bool, err error) {
	if os.Getenv(outsideVariable) != "" {
		return false, settle(ctx)
	}
	if os.Geteuid() != 0 {
		return false, say()
	}
	self, err := os.Executable()
	if err != nil {
		return false, err
	}
	cmd := exec.CommandContext(ctx, self, os.Args[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=/proc/%d/ns/net", outsideVariable, os.Getpid()))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGTERM}
	runtime.LockOSThread() // or the death of a thread would be taken for that of the process
	err = cmd.Run()
	if errors.Is(err, syscall.EPERM) {
		return false, say()
	}
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		os.Exit(failed.ExitCode()) // it has said why
	}
	return true, err
}

func say() error {
	_, err := fmt.Fprintln(os.Stderr, "bench: without root's rights the figures are for the network settings of this machine, not for Debian's")
	return err
}

// settle makes the network what it shall be.
func settle(ctx context.Context) error {
	if out, err := exec.CommandContext(ctx, "ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("ip link set lo up: %w %s (Debian package iproute2)", err, strings.TrimSpace(string(out)))
	}
	for name, value := range network {
		if err := os.WriteFile(filepath.Join("/proc/sys/net/ipv4", name), []byte(value), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Outside is a command that sees the network of the machine.
func Outside(ctx context.Context, name string, args ...string) *exec.Cmd {
	if namespace := os.Getenv(outsideVariable); namespace != "" {
		return exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + namespace, name}, args...)...)
	}
	return exec.CommandContext(ctx, name, args...)
}
