package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

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
