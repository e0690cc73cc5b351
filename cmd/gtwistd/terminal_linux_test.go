package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is the command `terminal COMMAND ARGUMENTS`: it runs the command on a terminal of its own and writes what the
// terminal shows to stdout. With -type A,B it types A and Enter at the first prompt that ends in a colon, and B at the second.
func terminal() {
	text := flag.String("type", "", "type `ANSWERS` to prompts, separated by commas")
	flag.Parse()
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
		io.Copy(&typist{master, strings.Split(*text, ",")}, master) // ends with EIO when nobody has the terminal any more
	}()
	run(flag.Args(), func(c *exec.Cmd) {
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

// typist passes on what the terminal shows, and answers prompts.
type typist struct {
	keys    io.Writer
	answers []string
}

func (t *typist) Write(p []byte) (int, error) {
	if len(t.answers) > 0 && bytes.HasSuffix(p, []byte(": ")) {
		io.WriteString(t.keys, t.answers[0]+"\r")
		t.answers = t.answers[1:]
	}
	return os.Stdout.Write(p)
}
