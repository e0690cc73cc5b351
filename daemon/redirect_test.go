//go:build unix

package daemon_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/daemon"
	"golang.org/x/sys/unix"
)

type captured struct {
	Out, Err       []string
	Blocking       bool
	Original, Fail string
}

// capture redirects, runs fn, ends the redirection and tells on descriptor 3 what arrived.
func capture(fn func(r *daemon.Redirection, gate *os.File)) int {
	var c captured
	inherited := daemon.TakeInherited(nil)
	report, _ := inherited.File(3)
	gate, _ := inherited.File(4)
	r, err := daemon.Redirect(
		func(line []byte) { c.Out = append(c.Out, string(line)) },
		func(line []byte) { c.Err = append(c.Err, string(line)) })
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	flags, _ := unix.FcntlInt(1, unix.F_GETFL, 0)
	c.Blocking = flags&unix.O_NONBLOCK == 0
	fn(r, gate)
	c.Fail = errorText(r.Close()) + errorText(r.Close())
	fmt.Println("stdout is back")
	fmt.Fprintln(os.Stderr, "stderr is back")
	inherited.CloseRest()
	tell(report, c)
	return 0
}

func child(role string, stdin io.Reader) *exec.Cmd {
	exe, _ := os.Executable()
	cmd := exec.Command(exe)
	cmd.Env = roleEnv(role)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, os.Stdout, os.Stderr
	return cmd
}

const (
	burst   = 30000 // lines
	crashed = 6000  // goroutines, more than whose traces a pipe can hold
)

func redirectRoles() map[string]func([]string) int {
	return map[string]func([]string) int{
		"speak": func([]string) int {
			for fd := range 3 {
				if flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); flags&unix.O_NONBLOCK != 0 {
					fmt.Println("descriptor", fd, "does not block")
				}
			}
			os.Stdout.WriteString("child says hello\n")
			os.Stderr.WriteString("child complains\n")
			return 0
		},
		"hang on": func([]string) int {
			os.Stdout.WriteString("early\n")
			io.Copy(io.Discard, os.Stdin)
			return 0
		},
		"capture": func([]string) int {
			return capture(func(r *daemon.Redirection, gate *os.File) {
				fmt.Print("print\r\n\n\n")
				unix.Write(1, []byte("raw\n"))
				unix.Write(2, []byte("raw error\n"))
				if child("speak", nil).Run() != nil {
					panic("no child")
				}
				out, _ := r.Original()
				out.WriteString("to the original\n")
				fmt.Print("not ended")
				fmt.Fprint(os.Stderr, "not ended either")
			})
		},
		"capture a burst": func([]string) int {
			return capture(func(r *daemon.Redirection, gate *os.File) {
				for i := range burst {
					fmt.Println("line", i)
				}
				fmt.Fprintln(os.Stderr, strings.Repeat("x", 3<<20)+"end")
			})
		},
		"capture beside a child": func([]string) int {
			return capture(func(r *daemon.Redirection, gate *os.File) {
				cmd := child("hang on", gate)
				if cmd.Start() != nil {
					panic("no child")
				}
				fmt.Print("mine")
				r.ReleaseOriginal()
			})
		},
		// crash ends in a panic whose trace is far larger than a pipe usually is.
		"crash": func(args []string) int {
			f, err := os.Create(args[0])
			if err != nil || debug.SetCrashOutput(f, debug.CrashOptions{}) != nil {
				return 1
			}
			if _, err := daemon.Redirect(func([]byte) {}, func([]byte) {}); err != nil {
				return 1
			}
			debug.SetTraceback("all")
			for range crashed {
				go func() { select {} }()
			}
			panic("boom")
		},
	}
}

// redirected plays a role and returns what it captured, and its own stdout and stderr.
func redirected(t *testing.T, role string) (c captured, stdout, stderr string) {
	t.Helper()
	r, w := filePipe(t)
	gate, hold := filePipe(t)
	cmd := command(t, role)
	cmd.ExtraFiles = []*os.File{w, gate}
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	report := make(chan string)
	go func() {
		said, _ := io.ReadAll(r)
		report <- string(said)
	}()
	failed := cmd.Run()
	w.Close()
	said := <-report
	hold.Close()
	if failed != nil {
		t.Fatalf("role %s: %v\n%s%s", role, failed, out.String(), err.String())
	}
	return heard[captured](t, said), out.String(), err.String()
}

func TestRedirect(t *testing.T) {
	c, stdout, stderr := redirected(t, "capture")
	if want := []string{"print", "raw", "child says hello", "not ended"}; !reflect.DeepEqual(c.Out, want) {
		t.Errorf("stdout brought %q, want %q", c.Out, want)
	}
	if want := []string{"raw error", "child complains", "not ended either"}; !reflect.DeepEqual(c.Err, want) {
		t.Errorf("stderr brought %q, want %q", c.Err, want)
	}
	if !c.Blocking || c.Fail != "" {
		t.Errorf("blocking %v, error %q", c.Blocking, c.Fail)
	}
	if stdout != "to the original\nstdout is back\n" || stderr != "stderr is back\n" {
		t.Errorf("restored: %q, %q", stdout, stderr)
	}
}

func TestRedirectBurst(t *testing.T) {
	c, _, _ := redirected(t, "capture a burst")
	if len(c.Out) != burst {
		t.Fatalf("%d lines, want %d", len(c.Out), burst)
	}
	for i, line := range c.Out {
		if line != fmt.Sprint("line ", i) {
			t.Fatalf("line %d is %q", i, line)
		}
	}
	if joined := strings.Join(c.Err, ""); joined != strings.Repeat("x", 3<<20)+"end" || len(c.Err) != 49 || len(c.Err[0]) != 64<<10 {
		t.Errorf("a long line came in %d pieces, %d bytes", len(c.Err), len(joined))
	}
}

// The child holds the pipes until this test ends: Close must not wait for it.
func TestRedirectBesideChild(t *testing.T) {
	c, stdout, _ := redirected(t, "capture beside a child")
	if got := strings.Join(c.Out, ""); got != "mineearly" && got != "earlymine" && got != "mine" || stdout != "" {
		t.Errorf("captured %q; the released original got %q", c.Out, stdout)
	}
}

func TestCrashEnds(t *testing.T) {
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := command(t, "crash", trace)
	err := cmd.Run()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 2 {
		t.Errorf("crash ended with %v", err)
	}
	text, err := os.ReadFile(trace)
	if err != nil || !bytes.HasPrefix(text, []byte("panic: boom")) || bytes.Count(text, []byte("\ngoroutine ")) < crashed {
		t.Errorf("trace of %d bytes, %d goroutines: %v", len(text), bytes.Count(text, []byte("\ngoroutine ")), err)
	}
}
