//go:build unix

package daemon_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/daemon"
	"golang.org/x/sys/unix"
)

func itoa(n int) string { return strconv.Itoa(n) }

func inheritRoles() map[string]func([]string) int {
	return map[string]func([]string) int{
		// front takes what came with it and starts the role named by its argument, as gtwistd does.
		"front": func(args []string) int {
			inherited := daemon.TakeInherited(nil)
			exe, _ := os.Executable()
			result, err := daemon.Detach(context.Background(), daemon.Program{
				Executable: exe, Args: append([]string{exe}, args[1:]...), Env: roleEnv(args[0]),
				Stdout: os.Stdout, Stderr: os.Stderr, Inherited: inherited,
			})
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			fmt.Print(result.Text)
			return 0
		},
		// activated becomes the role named by its first argument as a service manager starts one: its own pid is in the environment.
		"activated": func(args []string) int {
			exe, _ := os.Executable()
			env := roleEnv(args[0], "LISTEN_PID="+itoa(os.Getpid()), "LISTEN_FDS="+args[1], "LISTEN_FDNAMES="+args[2])
			err := unix.Exec(exe, append([]string{exe}, args[3:]...), env)
			fmt.Fprintln(os.Stderr, err)
			return 1
		},
		// narrowed becomes the role named by its first argument with descriptors below, just below and beyond its limit.
		"narrowed": func(args []string) int {
			null, err := os.Open(args[1])
			if err != nil {
				return 1
			}
			for _, fd := range []int{40, 63, 200} {
				_, dupErr := unix.FcntlInt(null.Fd(), unix.F_DUPFD, fd)
				err = errors.Join(err, dupErr)
			}
			if err = errors.Join(err, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 64, Max: 64})); err == nil {
				exe, _ := os.Executable()
				err = unix.Exec(exe, append([]string{exe}, args[2:]...), roleEnv(args[0]))
			}
			fmt.Fprintln(os.Stderr, err)
			return 1
		},
		// heard of tells on descriptor 3, once the process that started it is gone.
		"orphan": func([]string) int {
			first := os.Getppid()
			parent := daemon.Detached(os.Getenv)
			inherited := daemon.TakeInherited(parent)
			out, ok := inherited.File(3)
			if !ok || parent.Ready("ready\n") != nil {
				return 1
			}
			awaitOtherParent(first)
			tell(out, gather())
			return 0
		},
		// abandoned is a copy whose parent is killed before the copy could look who it is.
		"abandoned": func([]string) int {
			first := os.Getppid()
			unix.Kill(first, unix.SIGKILL)
			awaitOtherParent(first)
			parent := daemon.Detached(os.Getenv)
			out, ok := daemon.TakeInherited(parent).File(3)
			if !ok {
				return 1
			}
			err := parent.Ready("nobody hears this")
			tell(out, []bool{parent != nil, errors.Is(err, unix.EPIPE)})
			return 0
		},
		"named": func([]string) int {
			parent := daemon.Detached(os.Getenv)
			inherited := daemon.TakeInherited(parent)
			var text strings.Builder
			tell(&text, describe(inherited))
			if parent == nil {
				fmt.Print(text.String())
			}
			if parent.Ready(text.String()) != nil {
				return 1
			}
			return 0
		},
		"detached output": func([]string) int {
			parent := daemon.Detached(os.Getenv)
			gate, ok := daemon.TakeInherited(parent).File(3)
			r, err := daemon.Redirect(func([]byte) {}, func([]byte) {})
			if !ok || err != nil || parent.Ready("ready\n") != nil || r.ReleaseOriginal() != nil {
				return 1
			}
			io.Copy(io.Discard, gate)
			r.Close()
			return 0
		},
	}
}

// TestDescriptorsBeyondTheLimit: they stay behind, and the rest is handed on.
func TestDescriptorsBeyondTheLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "content")
	if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := heard[inheritance](t, play(t, "narrowed", "front", path, "named"))
	if want := map[int]string{40: "content"}; !reflect.DeepEqual(d.Content, want) {
		t.Errorf("handed on: %v, want %v", d.Content, want)
	}
}

func awaitOtherParent(first int) {
	for os.Getppid() == first {
		time.Sleep(time.Millisecond)
	}
}

type inheritance struct {
	Systemd             []daemon.NamedFD
	Error               string
	Content             map[int]string
	Before, Leaked      []int
	OwnDescriptor, Rest bool
	Environment         []string
}

func describe(in *daemon.Inherited) inheritance {
	var d inheritance
	var err error
	d.Systemd, err = in.Systemd()
	d.Error = errorText(err)
	d.Content = map[int]string{}
	d.Leaked = gather().Descriptors
	for fd := 3; fd < 64; fd++ {
		f, ok := in.File(fd)
		if !ok {
			continue
		}
		d.Before = append(d.Before, fd)
		content := make([]byte, 100)
		n, _ := f.ReadAt(content, 0)
		d.Content[fd] = string(content[:n])
		defer f.Close()
	}
	own, _ := os.Open(os.DevNull)
	defer own.Close()
	_, d.OwnDescriptor = in.File(int(own.Fd()))
	in.CloseRest()
	for _, fd := range d.Before {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
			d.Rest = true
		}
	}
	for _, e := range os.Environ() {
		if strings.HasPrefix(e, "LISTEN_") {
			d.Environment = append(d.Environment, e)
		}
	}
	return d
}

// withFiles gives the command files at descriptors 3, 4 and 9, each holding its number.
func withFiles(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	for i := 3; i <= 9; i++ {
		if i > 4 && i < 9 {
			cmd.ExtraFiles = append(cmd.ExtraFiles, nil)
			continue
		}
		f, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		fmt.Fprintf(f, "file %d", i)
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
}

func TestInheritedDetached(t *testing.T) {
	files := map[int]string{3: "file 3", 4: "file 4", 9: "file 9"}
	named := []daemon.NamedFD{{Name: "web", FD: 3}, {Name: "unknown", FD: 4}}
	tests := []struct {
		name    string
		role    string
		args    []string
		systemd []daemon.NamedFD
		err     string
	}{
		{"in front, no service manager", "named", nil, nil, ""},
		{"in front, service manager", "activated", []string{"named", "2", "web"}, named, ""},
		{"detached, no service manager", "front", []string{"named"}, nil, ""},
		{"detached, service manager", "activated", []string{"front", "2", "web", "named"}, named, ""},
		{"not open", "activated", []string{"named", "3", "web"}, nil, "LISTEN_FDS=3: descriptor 5 is not open"},
		{"not a number", "activated", []string{"named", "two", ""}, nil, `LISTEN_FDS="two": not a number of descriptors`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cmd := command(t, test.role, test.args...)
			withFiles(t, cmd)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v: %s", err, stderr.String())
			}
			d := heard[inheritance](t, string(out))
			if !reflect.DeepEqual(d.Content, files) {
				t.Errorf("content = %v, want %v", d.Content, files)
			}
			if len(d.Systemd)+len(test.systemd) > 0 && !reflect.DeepEqual(d.Systemd, test.systemd) || d.Error != test.err {
				t.Errorf("Systemd = %v, %q, want %v, %q", d.Systemd, d.Error, test.systemd, test.err)
			}
			if d.OwnDescriptor || d.Rest || len(d.Leaked) > 0 || len(d.Environment) > 0 {
				t.Errorf("own descriptor %v, still open %v, leaked %v, environment %v", d.OwnDescriptor, d.Rest, d.Leaked, d.Environment)
			}
		})
	}
}

func TestForeignListenPID(t *testing.T) {
	cmd := command(t, "named")
	cmd.Env = append(cmd.Env, "LISTEN_PID="+itoa(os.Getpid()), "LISTEN_FDS=1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if d := heard[inheritance](t, string(out)); len(d.Systemd) > 0 || d.Error != "" || len(d.Environment) > 0 {
		t.Errorf("took descriptors of another process: %+v", d)
	}
}

func TestOrphan(t *testing.T) {
	for _, role := range []string{"orphan", "abandoned"} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			r, w := filePipe(t)
			cmd := command(t, "front", role)
			cmd.ExtraFiles = []*os.File{w}
			out, err := cmd.CombinedOutput()
			w.Close()
			said, readErr := io.ReadAll(r)
			if readErr != nil {
				t.Fatal(readErr)
			}
			if role == "abandoned" {
				if got := heard[[]bool](t, string(said)); !got[0] || !got[1] {
					t.Errorf("known as detached: %v, Ready fails with EPIPE: %v", got[0], got[1])
				}
				return
			}
			if err != nil || string(out) != "ready\n" {
				t.Fatalf("front: %v, %q", err, out)
			}
			if f := heard[facts](t, string(said)); f.Parent == cmd.Process.Pid || f.Session != f.PID || f.TTY == "" {
				t.Errorf("parent %d, session %d of %d, tty %q", f.Parent, f.Session, f.PID, f.TTY)
			}
		})
	}
}

// Whoever reads the output of the program must not wait for the daemon's end: `url=$(gtwistd web)`.
func TestReleaseOriginal(t *testing.T) {
	gate, hold := filePipe(t)
	cmd := command(t, "front", "detached output")
	cmd.ExtraFiles = []*os.File{gate}
	out, err := cmd.CombinedOutput()
	hold.Close()
	if err != nil || string(out) != "ready\n" {
		t.Errorf("front: %v, %q", err, out)
	}
}
