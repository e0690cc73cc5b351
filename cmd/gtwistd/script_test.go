package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/gtwistd/gtwistd/daemon"
)

// patience bounds every wait of a script; reaching it is a failure.
const patience = 20 * time.Second

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

// procstate PIDFILE prints what a daemon has to have changed about itself, as /proc of Linux shows it.
func procstateCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: procstate PIDFILE")
	}
	pid, err := readPid(ts.MkAbs(args[0]))
	ts.Check(err)
	proc := fmt.Sprintf("/proc/%d/", pid)
	stat, err := os.ReadFile(proc + "stat")
	ts.Check(err)
	// proc(5): after "pid (name)" come state, ppid, pgrp, session, tty_nr.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	directory, err := os.Readlink(proc + "cwd")
	ts.Check(err)
	status, err := os.ReadFile(proc + "status")
	ts.Check(err)
	for _, line := range strings.Split(string(status), "\n") {
		if strings.HasPrefix(line, "Umask:") || strings.HasPrefix(line, "Uid:") || strings.HasPrefix(line, "Groups:") {
			fmt.Fprintln(ts.Stdout(), strings.Join(strings.Fields(line), " "))
		}
	}
	fmt.Fprintf(ts.Stdout(), "own session: %v\nterminal: %s\ndirectory: %s\nchild of the caller: %v\n",
		fields[3] == fmt.Sprint(pid), fields[4], directory, fields[1] == fmt.Sprint(os.Getpid()))
}

// httpClient is the command `http URL`: it writes the body to stdout and the status line to stderr. With -retry it waits for a listener. With -slow FILE it
// reads the first bytes, creates FILE and goes on once that is removed again.
func httpClient() {
	slow := flag.String("slow", "", "create FILE after the first bytes, go on when it is removed")
	retry := flag.Bool("retry", false, "try again until there is a listener")
	flag.Parse()
	response, err := http.Get(flag.Arg(0))
	for end := time.Now().Add(patience); *retry && err != nil && time.Now().Before(end); response, err = http.Get(flag.Arg(0)) {
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer response.Body.Close()
	fmt.Fprintln(os.Stderr, response.Proto, response.Status)
	if *slow != "" {
		io.CopyN(io.Discard, response.Body, 1000)
		holdFile(*slow)
		n, err := io.Copy(io.Discard, response.Body)
		fmt.Println(n+1000, "bytes, error:", err)
		return
	}
	if _, err := io.Copy(os.Stdout, response.Body); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// holdFile creates path and waits until somebody removes it.
func holdFile(path string) {
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		panic(err)
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if _, err := os.Lstat(path); err != nil {
			return
		}
	}
}

// sendClient is the command `send NETWORK:ADDRESS TEXT`: it sends a line and prints what comes back.
func sendClient() {
	network, address, _ := strings.Cut(os.Args[1], ":")
	c, err := net.Dial(network, address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintln(c, os.Args[2])
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
		io.Copy(os.Stdout, c)
		return
	}
	answer := make([]byte, 64<<10)
	n, err := c.Read(answer)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Stdout.Write(answer[:n])
}
