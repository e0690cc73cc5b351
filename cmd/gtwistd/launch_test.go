//go:build unix

package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// asUser is the command `asuser UID COMMAND ARGUMENTS`: it becomes that user, and the group of the same number, first.
// (Plain "as" would hide the assembler from a Go command that a test runs.)
func asUser() {
	id, err := strconv.Atoi(os.Args[1])
	exitOn(err)
	path, err := exec.LookPath(os.Args[2])
	exitOn(err)
	exitOn(errors.Join(syscall.Setgroups(nil), syscall.Setgid(id), syscall.Setuid(id)))
	exitOn(syscall.Exec(path, os.Args[2:], os.Environ()))
}

// activate is the command `activate SOCKET,SOCKET… COMMAND ARGUMENTS`: it runs the command with these sockets as a service
// manager does (sd_listen_fds(3)). A socket is NETWORK:ADDRESS.
func activate() {
	names := flag.String("names", "", "the value of LISTEN_FDNAMES")
	flag.Parse()
	var files []*os.File
	for _, s := range strings.Split(flag.Arg(0), ",") {
		network, address, _ := strings.Cut(s, ":")
		f, err := bound(network, address)
		exitOn(err)
		files = append(files, f)
	}
	// LISTEN_PID is known only after the fork, and a shell can say it.
	run(append([]string{"sh", "-c", `LISTEN_PID=$$; export LISTEN_PID; exec "$@"`, "sh"}, flag.Args()[1:]...), func(c *exec.Cmd) {
		c.ExtraFiles = files
		c.Env = append(os.Environ(), fmt.Sprint("LISTEN_FDS=", len(files)))
		if *names != "" {
			c.Env = append(c.Env, "LISTEN_FDNAMES="+*names)
		}
	})
}

func bound(network, address string) (*os.File, error) {
	if network == "udp" {
		c, err := net.ListenPacket(network, address)
		if err != nil {
			return nil, err
		}
		return c.(*net.UDPConn).File()
	}
	l, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	if u, ok := l.(*net.UnixListener); ok {
		return u.File()
	}
	return l.(*net.TCPListener).File()
}

// run runs a command and ends with its exit code.
func run(args []string, prepare func(*exec.Cmd), afterwards ...func()) {
	c := exec.Command(args[0], args[1:]...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	prepare(c)
	err := c.Run()
	for _, f := range afterwards {
		f()
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		os.Exit(exit.ExitCode())
	}
	exitOn(err)
}
