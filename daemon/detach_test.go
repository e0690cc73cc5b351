//go:build unix

package daemon_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/daemon"
	"golang.org/x/sys/unix"
)

type facts struct {
	PID, Parent, Session int
	Stdin                string
	StdinReads           int
	TTY, Mark, Dir       string
	Args                 []string
	Descriptors          []int
	Ready                string
}

func gather() facts {
	f := facts{PID: os.Getpid(), Parent: os.Getppid(), Mark: os.Getenv("GTWISTD_DETACHED"), Args: os.Args}
	f.Session, _ = unix.Getsid(0)
	f.Stdin, _ = os.Readlink("/proc/self/fd/0")
	f.StdinReads, _ = os.Stdin.Read(make([]byte, 1))
	f.Dir, _ = os.Getwd()
	tty, err := os.Open("/dev/tty")
	if err == nil {
		tty.Close()
	}
	f.TTY = errorText(err)
	for fd := 3; fd < 64; fd++ {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			f.Descriptors = append(f.Descriptors, fd)
		}
	}
	return f
}

func detachRoles() map[string]func([]string) int {
	return map[string]func([]string) int{
		"ready": func([]string) int {
			parent := daemon.Detached(os.Getenv)
			var text strings.Builder
			tell(&text, gather())
			if err := parent.Ready(text.String()); err != nil {
				return 1
			}
			if err := parent.Ready("twice"); !errors.Is(err, os.ErrClosed) || parent.Fail(daemon.StartError{}) {
				return 1
			}
			return 42
		},
		"fail": func(args []string) int {
			parent := daemon.Detached(os.Getenv)
			parent.Fail(daemon.StartError{Code: 2, Reason: longReason(), Suggestion: "caf\xe9"})
			return 1
		},
		"panic":  func([]string) int { daemon.Detached(os.Getenv); panic("boom") },
		"exit 0": func([]string) int { daemon.Detached(os.Getenv); return 0 },
		"exit 7": func([]string) int { daemon.Detached(os.Getenv); return 7 },
		"die": func([]string) int {
			daemon.Detached(os.Getenv)
			unix.Kill(os.Getpid(), unix.SIGKILL)
			select {}
		},
		"half a message": func([]string) int { unix.Write(0, []byte(`{"Ready":tr`)); return 3 },
		"mute": func([]string) int {
			signal.Ignore(syscall.SIGTERM)
			unix.Close(0)
			time.Sleep(time.Minute)
			return 0
		},
		"heir": func([]string) int { // leaves the status pipe to a child that outlives it
			exe, _ := os.Executable()
			child := exec.Command(exe)
			child.Stdin = os.Stdin
			child.Env = append(os.Environ(), roleVariable+"=sleep")
			if child.Start() != nil {
				return 1
			}
			return 5
		},
		"sleep": func([]string) int { time.Sleep(3 * time.Second); return 0 },
		"stubborn": func([]string) int {
			daemon.Detached(os.Getenv)
			signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
			os.Stdout.WriteString("started\n")
			time.Sleep(time.Minute)
			return 0
		},
		"polite": func(args []string) int {
			daemon.Detached(os.Getenv)
			terminate := make(chan os.Signal, 1)
			signal.Notify(terminate, syscall.SIGTERM)
			os.Stdout.WriteString("started\n")
			<-terminate
			os.Remove(args[0])
			return 0
		},
		"mark": func([]string) int { // is not a detached copy, whatever the environment says
			if daemon.Detached(os.Getenv) != nil || os.Getenv("GTWISTD_DETACHED") != "" {
				return 1
			}
			return 0
		},
	}
}

func longReason() string { return strings.Repeat("a path \xff\n", 30000) }

func program(t *testing.T, role string, args ...string) daemon.Program {
	exe := executable(t)
	return daemon.Program{
		Executable: exe, Args: append([]string{"gtwistd-test"}, args...), Env: roleEnv(role, "GTWISTD_DETACHED=1"),
		Stdout: os.Stdout, Stderr: os.Stderr,
	}
}

func TestDetachReady(t *testing.T) {
	result, err := daemon.Detach(t.Context(), program(t, "ready", "an argument"))
	if err != nil {
		t.Fatal(err)
	}
	var exit unix.WaitStatus
	if _, err := unix.Wait4(result.PID, &exit, 0, nil); err != nil || exit.ExitStatus() != 42 {
		t.Errorf("the copy was disturbed after Ready: %v, exit status %d", err, exit.ExitStatus())
	}
	f := heard[facts](t, result.Text)
	dir, _ := os.Getwd()
	if f.PID != result.PID || f.Parent != os.Getpid() || f.Session != f.PID {
		t.Errorf("pid %d (result %d), parent %d, session %d", f.PID, result.PID, f.Parent, f.Session)
	}
	if f.StdinReads != 0 || (f.Stdin != "" && f.Stdin != os.DevNull) {
		t.Errorf("stdin is %q, %d bytes", f.Stdin, f.StdinReads)
	}
	if f.TTY == "" || f.Mark != "" || f.Dir != dir || len(f.Descriptors) > 0 {
		t.Errorf("tty %q, mark %q, directory %q, descriptors %v", f.TTY, f.Mark, f.Dir, f.Descriptors)
	}
	if want := "gtwistd-test an argument"; strings.Join(f.Args, " ") != want {
		t.Errorf("args = %q, want %q", f.Args, want)
	}
}

func TestDetachFailure(t *testing.T) {
	tests := []struct {
		role, reason string
	}{
		{"panic", "the detached process died before it was ready: exit status 2"},
		{"exit 0", "the detached process died before it was ready: exit status 0"},
		{"exit 7", "the detached process died before it was ready: exit status 7"},
		{"die", "the detached process died before it was ready: killed by SIGKILL"},
		{"half a message", "the detached process died before it was ready: exit status 3"},
		{"heir", "the detached process died before it was ready: exit status 5"},
		{"mute", "the detached process closed its status pipe before it was ready, and was killed"},
	}
	for _, test := range tests {
		t.Run(test.role, func(t *testing.T) {
			t.Parallel()
			p := program(t, test.role)
			null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer null.Close()
			p.Stderr = null
			result, err := daemon.Detach(t.Context(), p)
			if err := unix.Kill(result.PID, 0); result.PID <= 0 || !errors.Is(err, unix.ESRCH) {
				t.Errorf("pid %d is still there: %v", result.PID, err)
			}
			var start *daemon.StartError
			if !errors.As(err, &start) || start.Reason != test.reason || start.ExitCode() != 1 {
				t.Errorf("Detach = %v, want %q with code 1", err, test.reason)
			}
		})
	}
}

func TestDetachWholeError(t *testing.T) {
	_, err := daemon.Detach(t.Context(), program(t, "fail"))
	var start *daemon.StartError
	if !errors.As(err, &start) {
		t.Fatalf("Detach = %v", err)
	}
	if start.Error() != longReason() || start.Hint() != "caf\xe9" || start.ExitCode() != 2 {
		t.Errorf("got %d bytes, hint %q, code %d, want %d bytes", len(start.Reason), start.Hint(), start.Code, len(longReason()))
	}
}

func TestDetachNoExecutable(t *testing.T) {
	p := program(t, "ready")
	p.Executable = filepath.Join(t.TempDir(), "absent")
	if _, err := daemon.Detach(t.Context(), p); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Detach = %v, want %v", err, os.ErrNotExist)
	}
}

func TestDetachInterrupted(t *testing.T) {
	left := filepath.Join(t.TempDir(), "left")
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"stubborn", "polite"} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			started, stdout := filePipe(t)
			p := program(t, role, left)
			p.Stdout = stdout
			ctx, cancel := context.WithCancelCause(t.Context())
			interrupted := errors.New("interrupted")
			failed := make(chan error)
			go func() {
				_, err := daemon.Detach(ctx, p)
				failed <- err
			}()
			if _, err := bufio.NewReader(started).ReadString('\n'); err != nil {
				t.Error(err)
			}
			cancel(interrupted)
			if err := <-failed; !errors.Is(err, interrupted) {
				t.Errorf("Detach = %v, want %v", err, interrupted)
			}
			stdout.Close()
			// The copy held the pipe until its end.
			if rest, err := io.ReadAll(started); err != nil || len(rest) > 0 {
				t.Errorf("after the end: %q, %v", rest, err)
			}
		})
	}
	t.Cleanup(func() {
		if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
			t.Error("the polite copy had no time to clean up")
		}
	})
}

func TestDetachedNeedsAPipe(t *testing.T) {
	cmd := command(t, "mark")
	cmd.Env = append(cmd.Env, "GTWISTD_DETACHED="+itoa(os.Getpid()))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("stdin is the null device: %v, %s", err, out)
	}
	// A pipe whose reader waits, but another pid: a mark from somewhere else.
	_, w := filePipe(t)
	cmd = command(t, "mark")
	cmd.Stdin = w
	cmd.Env = append(cmd.Env, "GTWISTD_DETACHED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("stdin is a pipe: %v, %s", err, out)
	}
}

func TestNilParent(t *testing.T) {
	var p *daemon.Parent
	if err := p.Ready("x"); err != nil || p.Fail(daemon.StartError{}) {
		t.Errorf("a nil parent heard something: %v", err)
	}
}
