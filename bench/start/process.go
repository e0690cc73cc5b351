package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The server runs on one core and the load on the other.
const (
	serverCore = "0"
	loadCore   = "1"
)

// patience is how long a process may take to start or to end.
const patience = 20 * time.Second

// pinned is a command on one core.
func pinned(ctx context.Context, core, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "taskset", append([]string{"-c", core, name}, args...)...)
}

// quiet gives the command real files for what it prints. The peer, run as root with the null device for a log, renames
// that device away; a pipe would be one more process to schedule.
func (b *bench) quiet(cmd *exec.Cmd) error {
	out, err := os.OpenFile(filepath.Join(b.dir, "output"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Dir = b.dir
	return nil
}

// running is a server in front. Its stop must be called.
type running struct {
	cmd  *exec.Cmd
	addr string
}

// serve starts a server in front that listens on addr. It does not wait until it does.
func (b *bench) serve(cmd *exec.Cmd, addr string) (*running, error) {
	if err := b.quiet(cmd); err != nil {
		return nil, err
	}
	defer cmd.Stdout.(*os.File).Close()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &running{cmd, addr}, nil
}

// stop ends the server and waits for it.
func (r *running) stop() {
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(patience, func() { _ = r.cmd.Process.Kill() })
	defer kill.Stop()
	_ = r.cmd.Wait()
}

// freeAddr is an address on which nobody listens.
func freeAddr() (addr, port string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	defer listener.Close()
	addr = listener.Addr().String()
	_, port, err = net.SplitHostPort(addr)
	return addr, port, err
}

// firstByte asks for the file again and again, until the first byte of an answer is there.
func firstByte(ctx context.Context, addr string) error {
	deadline := time.Now().Add(patience)
	for ctx.Err() == nil && time.Now().Before(deadline) {
		if conn, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			_, _ = io.WriteString(conn, "GET /small.txt HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
			_, err = conn.Read(make([]byte, 1))
			conn.Close()
			if err == nil {
				return nil
			}
		}
		time.Sleep(200 * time.Microsecond)
	}
	return errors.Join(ctx.Err(), fmt.Errorf("nobody answers on %s", addr))
}

// readPID is the number in a pidfile.
func readPID(pidfile string) (int, error) {
	data, err := os.ReadFile(pidfile)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(data)))
}

// stopDetached ends a process that is not our child and waits until it is gone. Nobody may have collected it yet, so a
// zombie counts as gone.
func stopDetached(pid int) error {
	process, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	if err := process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return nil
		}
	}
	return fmt.Errorf("process %d does not end", pid)
}

// residentKiB is a process's VmRSS (man 5 proc).
func residentKiB(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if words := strings.Fields(line); len(words) >= 2 && words[0] == "VmRSS:" {
			return strconv.ParseInt(words[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("process %d has no VmRSS", pid)
}

// busy is the processor time that a process has used (man 5 proc, utime and stime). The kernel counts it in hundredths of
// a second for all of its own platforms.
func busy(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	words := strings.Fields(after)
	if len(words) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat: %d fields", pid, len(words))
	}
	user, err := strconv.ParseInt(words[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(words[12], 10, 64)
	return time.Duration(user+system) * (time.Second / 100), err
}
