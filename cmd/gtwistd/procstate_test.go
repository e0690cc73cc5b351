//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

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
	root, err := os.Readlink(proc + "root")
	ts.Check(err)
	rights := rightsOf(ts, proc+"status")
	fmt.Fprint(ts.Stdout(), rights)
	fmt.Fprintf(ts.Stdout(), "own session: %v\nterminal: %s\ndirectory: %s\nroot: %s\nchild of the caller: %v\n",
		fields[3] == fmt.Sprint(pid), fields[4], directory, root, fields[1] == fmt.Sprint(os.Getpid()))

	threads, err := filepath.Glob(proc + "task/*/status")
	ts.Check(err)
	for _, thread := range threads {
		if other := rightsOf(ts, thread); other != "" && other != rights {
			ts.Fatalf("%s:\n%swhile the process has\n%s", thread, other, rights)
		}
	}
}

// rightsOf returns nothing for a thread that has ended.
func rightsOf(ts *testscript.TestScript, status string) string {
	data, err := os.ReadFile(status)
	if err != nil {
		return ""
	}
	var b strings.Builder
	for line := range strings.Lines(string(data)) {
		switch name, _, _ := strings.Cut(line, ":"); name {
		case "Umask", "Uid", "Gid", "Groups", "CapEff":
			fmt.Fprintln(&b, strings.Join(strings.Fields(line), " "))
		}
	}
	return b.String()
}
