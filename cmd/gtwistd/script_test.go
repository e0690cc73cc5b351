//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/gtwistd/gtwistd/daemon"
)

// patience bounds every wait of a script; reaching it is a failure.
const patience = time.Minute

// until polls done and fails the script if it does not become true.
func until(ts *testscript.TestScript, what string, done func() bool) {
	for deadline := time.Now().Add(patience); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// signal NAME PIDFILE sends a signal to the process that a pidfile names.
func signalCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: signal NAME PIDFILE")
	}
	pid, err := readPid(ts.MkAbs(args[1]))
	ts.Check(err)
	ts.Check(syscall.Kill(pid, unix.SignalNum("SIG"+args[0])))
}

// gone PIDFILE waits until nobody holds the pidfile and it is away. A zombie counts as gone.
func goneCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: gone PIDFILE")
	}
	path := ts.MkAbs(args[0])
	until(ts, "gone "+args[0], func() bool {
		_, err := os.Lstat(path)
		owner, probeErr := daemon.Probe(path)
		return errors.Is(err, os.ErrNotExist) && probeErr == nil && !owner.Running
	})
}

// await FILE REGEXP waits until the content of a file matches; with ! it checks once that it does not.
func awaitCommand(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: await FILE REGEXP")
	}
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	matches := func() bool {
		data, err := os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && pattern.Match(data)
	}
	if neg {
		if matches() {
			ts.Fatalf("%s matches %q", args[0], args[1])
		}
		return
	}
	until(ts, "await "+args[0]+" "+args[1], matches)
}

// pids PIDFILE checks that the file holds digits and a newline, and that the lock on it is held by that process.
func pidsCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: pids PIDFILE")
	}
	data := ts.ReadFile(args[0])
	if !regexp.MustCompile(`^\d+\n$`).MatchString(data) {
		ts.Fatalf("%s holds %q, want digits and a newline", args[0], data)
	}
	owner, err := daemon.Probe(ts.MkAbs(args[0]))
	ts.Check(err)
	if !owner.Running || fmt.Sprintln(owner.PID) != data {
		ts.Fatalf("pidfile holds %q, its lock says %+v", data, owner)
	}
}

// dead FILE waits until the process that a file names is gone or a zombie. One whose other threads still end has its files open.
func deadCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: dead FILE")
	}
	pid, err := readPid(ts.MkAbs(args[0]))
	ts.Check(err)
	until(ts, "dead "+args[0], func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		zombie := err == nil && len(threads) <= 1 && regexp.MustCompile(`\) [ZX]`).Match(stat)
		return zombie || syscall.Kill(pid, 0) != nil
	})
}

// alive PIDFILE checks that the process still runs.
func aliveCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: alive PIDFILE")
	}
	owner, err := daemon.Probe(ts.MkAbs(args[0]))
	ts.Check(err)
	if !owner.Running {
		ts.Fatalf("%s: nobody holds it", args[0])
	}
}

// zombie PIDFILE writes the pid of a process that has ended and that nobody waits for before the end of the script.
func zombieCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: zombie PIDFILE")
	}
	child := exec.Command("true")
	ts.Check(child.Start())
	ts.Defer(func() { _ = child.Wait() })
	path := ts.MkAbs(args[0])
	ts.Check(os.WriteFile(path, fmt.Appendln(nil, child.Process.Pid), 0o644))
	until(ts, "zombie", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child.Process.Pid))
		return err == nil && regexp.MustCompile(`\) Z`).Match(stat)
	})
}

// running PIDFILE waits until the process behind a pidfile answers on its control socket that it runs.
func runningCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: running PIDFILE")
	}
	socket := strings.TrimSuffix(ts.MkAbs(args[0]), ".pid") + ".sock"
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	until(ts, "running "+args[0], func() bool {
		response, err := client.Get("http://gtwistd/v1/status")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		var status struct{ State string }
		return json.NewDecoder(response.Body).Decode(&status) == nil && status.State == "running"
	})
}
