//go:build unix

package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// statusTick is how often Detach looks whether the copy still lives although the status pipe is silent: a process
	// that the copy started before Detached was called could hold the pipe open.
	statusTick = 250 * time.Millisecond
	// farewell is how long a copy may take to end by itself after SIGTERM, or after it closed the pipe without a word.
	farewell = 2 * time.Second
)

// Detach starts the program in a session of its own and in the current directory, and returns when this copy has called
// Ready or Fail, or has died. The copy's descriptor 0 is the pipe that it answers on, claimed by Detached.
//
// What the copy gave to Fail is returned as a *StartError; so is a death without a word, with the exit status or signal.
// If ctx ends first the copy gets SIGTERM, after two seconds SIGKILL, and the error wraps the cause of ctx. After an
// error the copy is gone, and Result says what its pid was, for whoever cleans up after it; after success it is left alone.
func Detach(ctx context.Context, program Program) (Result, error) {
	status, answer, err := os.Pipe()
	if err != nil {
		return Result{}, fmt.Errorf("detach: %w", err)
	}
	defer status.Close()

	pid, _, err := syscall.StartProcess(program.Executable, program.Args, &syscall.ProcAttr{
		Env:   program.environment(os.Getpid()),
		Files: program.descriptors(answer),
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	runtime.KeepAlive(program)
	answer.Close()
	if err != nil {
		return Result{}, fmt.Errorf("detach: start %s: %w", program.Executable, err)
	}
	c := &startedCopy{pid: pid, status: status}
	result, err := c.await(ctx)
	result.PID = pid
	return result, err
}

func (p Program) environment(pid int) []string {
	env := make([]string, 0, len(p.Env)+4)
	for _, e := range p.Env {
		if !strings.HasPrefix(e, marker+"=") {
			env = append(env, e)
		}
	}
	env = append(env, marker+"="+strconv.Itoa(pid))
	return append(env, p.Inherited.environment(pid)...)
}

// descriptors names every descriptor of the copy. The inherited ones are listed too, not just left open: to start a
// process Go moves its own descriptors to numbers beyond the table, and would overwrite one that is not in it.
func (p Program) descriptors(stdin *os.File) []uintptr {
	inherited := p.Inherited.numbers()
	limit := tableLimit()
	inherited = slices.DeleteFunc(inherited, func(fd int) bool { return fd >= limit })
	last := 2
	for _, fd := range inherited {
		last = max(last, fd)
	}
	table := make([]uintptr, last+1)
	for i := range table {
		table[i] = ^uintptr(0)
	}
	for i, f := range []*os.File{stdin, p.Stdout, p.Stderr} {
		if f != nil {
			table[i] = f.Fd()
		}
	}
	for _, fd := range inherited {
		table[fd] = uintptr(fd)
	}
	return table
}

// tableLimit returns how long the table of descriptors may be. What was opened before the limit of the process was lowered can
// be used and not be handed on, since dup(2) to its number fails; Go needs a few numbers beyond the table for itself. Nobody
// means a number of many thousands to be handed on, and each number below it costs a system call.
func tableLimit() int {
	const spare = 4
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > scanLimit+spare {
		return scanLimit
	}
	return int(limit.Cur) - spare
}

// startedCopy is the copy of this program as its parent sees it.
type startedCopy struct {
	pid    int
	status *os.File
}

func (c *startedCopy) await(ctx context.Context) (Result, error) {
	wake := context.AfterFunc(ctx, func() { _ = c.status.SetReadDeadline(time.Unix(1, 0)) })
	defer wake()

	var said []byte
	var exit unix.WaitStatus
	exited := false
	chunk := make([]byte, 16<<10)
	for {
		if err := c.status.SetReadDeadline(time.Now().Add(statusTick)); err != nil {
			return Result{}, errors.Join(fmt.Errorf("detach: %w", err), c.end())
		}
		if ctx.Err() != nil {
			return Result{}, errors.Join(fmt.Errorf("start abandoned: %w", context.Cause(ctx)), c.end())
		}
		n, err := c.status.Read(chunk)
		said = append(said, chunk[:n]...)
		if m, ok := decodeMessage(said); ok {
			return c.answered(m)
		}
		silent := errors.Is(err, os.ErrDeadlineExceeded)
		switch {
		case err == nil:
		case silent && exited:
			return Result{}, died(exit)
		case silent:
			// One more look at the pipe: the last words may have come between the look and the death.
			exit, exited = c.exited()
		case exited:
			return Result{}, died(exit)
		default:
			return Result{}, c.autopsy()
		}
	}
}

func (c *startedCopy) answered(m message) (Result, error) {
	if m.Ready {
		return m.result()
	}
	if _, gone := c.goneWithin(farewell); !gone {
		c.kill()
	}
	return m.result()
}

// autopsy says what happened to a copy that closed the pipe without a word.
func (c *startedCopy) autopsy() error {
	exit, gone := c.goneWithin(farewell)
	if gone {
		return died(exit)
	}
	c.kill()
	return &StartError{Code: 1, Reason: "the detached process closed its status pipe before it was ready, and was killed"}
}

// end asks the copy to go and, if it does not, makes it go.
func (c *startedCopy) end() error {
	if err := unix.Kill(c.pid, unix.SIGTERM); err != nil {
		return fmt.Errorf("signal pid %d: %w", c.pid, err)
	}
	if _, gone := c.goneWithin(farewell); !gone {
		c.kill()
	}
	return nil
}

func (c *startedCopy) kill() {
	_ = unix.Kill(c.pid, unix.SIGKILL)
	for {
		if _, err := unix.Wait4(c.pid, nil, 0, nil); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// exited reports whether the copy has ended. It has a result only once, for then the process is forgotten.
func (c *startedCopy) exited() (unix.WaitStatus, bool) {
	var exit unix.WaitStatus
	pid, err := unix.Wait4(c.pid, &exit, unix.WNOHANG, nil)
	return exit, err == nil && pid == c.pid
}

func (c *startedCopy) goneWithin(d time.Duration) (unix.WaitStatus, bool) {
	for end := time.Now().Add(d); ; time.Sleep(2 * time.Millisecond) {
		if exit, ok := c.exited(); ok {
			return exit, true
		}
		if time.Now().After(end) {
			return 0, false
		}
	}
}

func died(exit unix.WaitStatus) error {
	e := &StartError{Code: 1, Suggestion: "start it in front to see more: -n"}
	switch {
	case exit.Signaled():
		e.Reason = "the detached process died before it was ready: killed by " + signalName(exit.Signal())
		if exit.Signal() == unix.SIGKILL {
			e.Suggestion = "perhaps the system was out of memory"
		}
	default:
		e.Reason = fmt.Sprintf("the detached process died before it was ready: exit status %d", exit.ExitStatus())
	}
	return e
}

func signalName(s syscall.Signal) string {
	if name := unix.SignalName(s); name != "" {
		return name
	}
	return fmt.Sprintf("signal %d", int(s))
}
