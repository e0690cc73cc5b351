//go:build unix

package daemon_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/daemon"
	"go.uber.org/goleak"
)

// roleVariable makes the test binary play a part instead of running tests: most of what is tested here needs processes.
const roleVariable = "DAEMON_TEST_ROLE"

func TestMain(m *testing.M) {
	if name := os.Getenv(roleVariable); name != "" {
		role, ok := roles()[name]
		if !ok {
			fmt.Fprintf(os.Stderr, "no role %q\n", name)
			os.Exit(99)
		}
		os.Exit(role(os.Args[1:]))
	}
	daemon.TakeInherited(nil) // what this process got by accident must not confuse its children
	goleak.VerifyTestMain(m)
}

func roles() map[string]func(args []string) int {
	all := map[string]func(args []string) int{}
	for _, group := range []map[string]func(args []string) int{detachRoles(), pidfileRoles(), confineRoles(), redirectRoles(), inheritRoles()} {
		for name, role := range group {
			all[name] = role
		}
	}
	return all
}

// executable is the test binary.
func executable(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// roleEnv is the environment of a process that plays a role. Race-built programs would sleep a second at their end.
func roleEnv(role string, extra ...string) []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, roleVariable+"=") && !strings.HasPrefix(e, "GORACE=") {
			env = append(env, e)
		}
	}
	return append(append(env, roleVariable+"="+role, "GORACE=atexit_sleep_ms=0"), extra...)
}

// command returns a process for a role. It is killed if it does not end in time, and so are waits for its output.
func command(t *testing.T, role string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, executable(t), args...)
	cmd.Env = roleEnv(role)
	cmd.WaitDelay = time.Second
	return cmd
}

// play runs a role to its end and returns its stdout.
func play(t *testing.T, role string, args ...string) string {
	t.Helper()
	cmd := command(t, role, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("role %s: %v\n%s%s", role, err, out, stderr.String())
	}
	return string(out)
}

// tell writes a value for the test that started this role.
func tell(w io.Writer, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(err)
	}
}

func heard[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("role said %q: %v", text, err)
	}
	return v
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

// filePipe returns a pipe whose ends are closed at the end of the test.
func filePipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// openDir returns a temporary directory that every user can reach.
func openDir(t *testing.T, mode os.FileMode) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gtwistd-daemon-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, mode); err != nil {
		t.Fatal(err)
	}
	return dir
}
