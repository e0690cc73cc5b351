package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// asUser is the command `as UID COMMAND ARGUMENTS`: it becomes that user, and the group of the same number, first.
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

// terminal is the command `terminal COMMAND ARGUMENTS`: it runs the command on a terminal of its own and writes what the
// terminal shows to stdout.
func terminal() {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	exitOn(err)
	exitOn(unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	exitOn(err)
	slave, err := os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)
	exitOn(err)
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		io.Copy(os.Stdout, master) // ends with EIO when nobody has the terminal any more
	}()
	run(os.Args[1:], func(c *exec.Cmd) {
		c.Stdin, c.Stdout, c.Stderr = slave, slave, slave
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	}, func() {
		slave.Close()
		select {
		case <-shown:
		case <-time.After(300 * time.Millisecond): // something still runs there; the terminal is closed in its face
		}
	})
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
