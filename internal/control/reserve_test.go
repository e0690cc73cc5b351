//go:build linux || darwin || freebsd

package control_test

import (
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gtwistd/gtwistd/internal/control"
)

// exhaust leaves the process without a free descriptor until free is called.
func exhaust(t *testing.T) (free func()) {
	t.Helper()
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	low := before
	low.Cur = 64
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	var held []int
	for {
		fd, err := unix.FcntlInt(os.Stdin.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			break
		}
		held = append(held, fd)
	}
	return func() {
		for _, fd := range held {
			_ = unix.Close(fd)
		}
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &before)
	}
}

// rawClient is a socket that needs no further descriptor.
type rawClient int

func (c rawClient) Read(p []byte) (int, error) {
	n, err := unix.Read(int(c), p)
	switch {
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

func (c rawClient) ask(path, request string) (string, error) {
	if err := unix.Connect(int(c), &unix.SockaddrUnix{Name: path}); err != nil {
		return "", err
	}
	if _, err := unix.Write(int(c), []byte(request+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(c)
	return string(answer), err
}

func TestNoDescriptorLeft(t *testing.T) {
	path := socket(t)
	serve(t, listen(t, path), control.Actions{})
	if _, err := control.Dial(path).Status(t.Context()); err != nil { // it serves
		t.Fatal(err)
	}
	var clients []rawClient
	for range 5 {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		patience := syscall.Timeval{Sec: 20}
		if err := syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &patience); err != nil {
			t.Fatal(err)
		}
		clients = append(clients, rawClient(fd))
	}
	defer exhaust(t)()
	for i, c := range clients {
		if answer, err := c.ask(path, "GET /v1/status"); err != nil || !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
			t.Fatalf("request %d: %q, %v, want 200", i, answer, err)
		}
	}
}
