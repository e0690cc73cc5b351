//go:build unix

package daemon_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/gtwistd/gtwistd/daemon"
	"golang.org/x/sys/unix"
)

const nobody = 65534

func pidfileRoles() map[string]func([]string) int {
	return map[string]func([]string) int{
		// contend locks when stdin ends, says how it went, and ends when descriptor 3 does.
		"contend": func(args []string) int {
			io.Copy(io.Discard, os.Stdin)
			p, _, err := daemon.Lock(args[0])
			var running *daemon.RunningError
			switch {
			case err == nil:
				fmt.Println("won", os.Getpid())
			case errors.As(err, &running):
				fmt.Println("lost to", running.PID)
			default:
				fmt.Println(err)
			}
			io.Copy(io.Discard, os.NewFile(3, "gate"))
			if err == nil && p.Release() != nil {
				return 1
			}
			return 0
		},
		"wait": func([]string) int { io.Copy(io.Discard, os.Stdin); return 0 },
		// with a child takes the pidfile and starts a child that outlives it.
		"with a child": func(args []string) int {
			if _, _, err := daemon.Lock(args[0]); err != nil {
				return 1
			}
			exe, _ := os.Executable()
			child := exec.Command(exe)
			child.Stdin = os.Stdin
			child.Env = roleEnv("wait")
			if child.Start() != nil {
				return 1
			}
			unix.Kill(os.Getpid(), unix.SIGKILL)
			select {}
		},
		// drop takes the pidfile as root, becomes nobody and gives it up.
		"drop": func(args []string) int {
			p, _, err := daemon.Lock(args[0])
			if err == nil {
				err = becomeNobody()
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			fmt.Print(errorText(p.Release()))
			return 0
		},
		// lie holds the lock of a pidfile that names another process.
		"lie": func(args []string) int {
			err := becomeNobody()
			file, openErr := os.OpenFile(args[0], os.O_CREATE|os.O_RDWR, 0o644)
			if err = errors.Join(err, openErr); err == nil {
				_, err = file.WriteString(args[1] + "\n")
			}
			if err = errors.Join(err, unix.Flock(int(file.Fd()), unix.LOCK_EX)); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			fmt.Println("locked")
			io.Copy(io.Discard, os.Stdin)
			return 0
		},
		"jail": func(args []string) int {
			p, _, err := daemon.Lock(args[0])
			if err == nil {
				err = daemon.Confine(daemon.Confinement{Chroot: args[1]})
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			fmt.Print(errorText(p.Release()))
			return 0
		},
		"lock as nobody": func(args []string) int {
			if err := becomeNobody(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			_, note, err := daemon.Lock(args[0])
			fmt.Print(note, errorText(err))
			return 0
		},
		"probe as nobody": func(args []string) int {
			if err := becomeNobody(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			owner, err := daemon.Probe(args[0])
			fmt.Print(owner, errorText(err))
			return 0
		},
	}
}

func becomeNobody() error {
	return daemon.Confine(daemon.Confinement{Identity: &daemon.Identity{UID: nobody, GID: nobody, Groups: []int{nobody}}})
}

func lock(t *testing.T, path string) (*daemon.Pidfile, string) {
	t.Helper()
	p, note, err := daemon.Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Release() })
	return p, note
}

func onlyFile(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 || entries[0].Name() != filepath.Base(path) {
		t.Errorf("the directory holds %v, %v, want %s alone", entries, err, filepath.Base(path))
	}
}

func TestPidfile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gtwistd.pid")
	p, note := lock(t, path)
	if note != "" {
		t.Errorf("note = %q", note)
	}
	onlyFile(t, path)
	if content, err := os.ReadFile(path); err != nil || string(content) != itoa(os.Getpid())+"\n" {
		t.Errorf("content = %q, %v", content, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o644 {
		t.Errorf("mode = %v, %v", info.Mode(), err)
	}
	if owner, err := daemon.Probe(path); err != nil || owner != (daemon.Owner{PID: os.Getpid(), Running: true}) {
		t.Errorf("Probe = %v, %v", owner, err)
	}
	_, _, err := daemon.Lock(path)
	var running *daemon.RunningError
	if !errors.As(err, &running) || running.PID != os.Getpid() || !strings.HasSuffix(err.Error(), fmt.Sprintf("gtwistd.pid: already running, pid %d", os.Getpid())) {
		t.Errorf("second Lock = %v", err)
	}
	for range 2 {
		if err := p.Release(); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Release: %v", err)
	}
	if owner, err := daemon.Probe(path); err != nil || owner != (daemon.Owner{}) {
		t.Errorf("Probe after Release = %v, %v", owner, err)
	}
}

func TestNoPidfile(t *testing.T) {
	p, note, err := daemon.Lock("")
	if p != nil || note != "" || err != nil || p.Release() != nil {
		t.Errorf("Lock(\"\") = %v, %q, %v", p, note, err)
	}
}

// endedPID returns the pid of a process that is over; a zombie until the end of the test if reap is false.
func endedPID(t *testing.T, reap bool) int {
	t.Helper()
	cmd := command(t, "wait")
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if reap {
		cmd.Wait()
		return cmd.Process.Pid
	}
	t.Cleanup(func() { cmd.Wait() })
	// The end of its last descriptor is the end of the process, but for the moment in which it becomes a zombie.
	io.Copy(io.Discard, stdout)
	for {
		stat, err := os.ReadFile("/proc/" + itoa(cmd.Process.Pid) + "/stat")
		if err != nil {
			t.Skipf("cannot tell a zombie here: %v", err)
		}
		if strings.Contains(string(stat), ") Z ") {
			break
		}
	}
	return cmd.Process.Pid
}

func TestStalePidfile(t *testing.T) {
	living := command(t, "wait")
	stdin, err := living.StdinPipe()
	if err == nil {
		err = living.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer living.Wait()
	defer stdin.Close()
	ended, zombie := itoa(endedPID(t, true)), itoa(endedPID(t, false))
	const long = "12345678901234567890"

	tests := []struct{ name, content, note string }{
		{"not running", ended + "\n", "removing stale pidfile %s: pid " + ended + " is not running"},
		{"white space", " \n" + ended + " \r\n", "removing stale pidfile %s: pid " + ended + " is not running"},
		{"zombie", zombie, "removing stale pidfile %s: pid " + zombie + " is a zombie"},
		{"reused", itoa(living.Process.Pid), "removing stale pidfile %s: pid " + itoa(living.Process.Pid) + " is another process, daemon.test"},
		{"own pid", itoa(os.Getpid()), "removing stale pidfile %s: pid " + itoa(os.Getpid()) + " is this process now"},
		{"empty", "", "replacing empty pidfile %s"},
		{"blank", " \n", "replacing empty pidfile %s"},
		{"garbage", "hello\x00\n", `removing stale pidfile %s: "hello\x00" is not a process id`},
		{"zero", "0\n", "removing stale pidfile %s: 0 is not a process id"},
		{"negative", "-1\n", "removing stale pidfile %s: -1 is not a process id"},
		{"20 digits", long, "removing stale pidfile %s: " + long + " is not a process id"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "gtwistd.pid")
			if err := os.WriteFile(path, []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if owner, err := daemon.Probe(path); err != nil || owner.Running {
				t.Errorf("Probe = %v, %v", owner, err)
			}
			_, note := lock(t, path)
			if want := fmt.Sprintf(test.note, path); note != want {
				t.Errorf("note = %q, want %q", note, want)
			}
			onlyFile(t, path)
			if owner, err := daemon.Probe(path); err != nil || owner != (daemon.Owner{PID: os.Getpid(), Running: true}) {
				t.Errorf("Probe = %v, %v", owner, err)
			}
		})
	}
}

func TestRefusedPidfile(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	prepare := []error{
		os.Mkdir(at("directory"), 0o700),
		os.Symlink(at("elsewhere"), at("link")),
		unix.Mkfifo(at("fifo"), 0o600),
		os.WriteFile(at("site.toml"), []byte(strings.Repeat("12 ", 30)), 0o600),
	}
	if err := errors.Join(prepare...); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, path, reason string }{
		{"directory", at("directory"), "it is a directory, not a regular file"},
		{"symbolic link", at("link"), "it is a symbolic link, not a regular file"},
		{"named pipe", at("fifo"), "it is a named pipe, not a regular file"},
		{"device", os.DevNull, "it is a device, not a regular file"},
		{"somebody's data", at("site.toml"), "it holds something else than a process id"},
		{"missing directory", at("absent/x.pid"), "directory " + at("absent") + " does not exist"},
		{"file as directory", at("site.toml/x.pid"), at("site.toml") + " is not a directory"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := daemon.Lock(test.path)
			if want := "pidfile " + test.path + ": " + test.reason; errorText(err) != want {
				t.Errorf("Lock = %v, want %q", err, want)
			}
			if owner, _ := daemon.Probe(test.path); owner.Running {
				t.Errorf("Probe = %v", owner)
			}
		})
	}
	if _, err := os.Lstat(at("elsewhere")); !errors.Is(err, os.ErrNotExist) {
		t.Error("the symbolic link was followed")
	}
}

func TestPidfileOfAnotherUser(t *testing.T) {
	needRoot(t)
	closed, sticky, open := openDir(t, 0o755), openDir(t, os.ModeSticky|0o777), openDir(t, 0o777)
	ended := itoa(endedPID(t, true)) + "\n"
	at := func(dir, name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(ended), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	live := filepath.Join(closed, "live.pid")
	lock(t, live)
	tests := []struct{ name, role, path, said string }{
		{"unreadable", "lock as nobody", at(open, "0600.pid", 0o600), "pidfile %s: permission denied (it belongs to root, mode 0600)"},
		{"stale", "lock as nobody", at(open, "0644.pid", 0o644), "removing stale pidfile %s: pid " + ended[:len(ended)-1] + " is not running"},
		{"stale in a sticky directory", "lock as nobody", at(sticky, "0644.pid", 0o644), "pidfile %s: stale, but cannot be replaced: operation not permitted"},
		{"directory not writable", "lock as nobody", filepath.Join(closed, "new.pid"), "pidfile %s: directory " + closed + ": permission denied"},
		{"running", "lock as nobody", live, "pidfile %s: already running, pid " + itoa(os.Getpid())},
		{"probe of running", "probe as nobody", live, "{" + itoa(os.Getpid()) + " true }"},
		{"probe of stale", "probe as nobody", at(open, "probe.pid", 0o644), "{" + ended[:len(ended)-1] + " false }"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := test.said
			if strings.Contains(want, "%s") {
				want = fmt.Sprintf(want, test.path)
			}
			if said := play(t, test.role, test.path); said != want {
				t.Errorf("said %q, want %q", said, want)
			}
		})
	}
}

// TestLyingPidfile: whoever holds the lock of a file of his own cannot make root signal another process.
func TestLyingPidfile(t *testing.T) {
	needRoot(t)
	if runtime.GOOS != "linux" {
		t.Skip("needs Linux's /proc/locks")
	}
	path := filepath.Join(openDir(t, 0o777), "gtwistd.pid")
	cmd := command(t, "lie", path, itoa(os.Getpid()))
	stdin, err := cmd.StdinPipe()
	stdout, outErr := cmd.StdoutPipe()
	if err = errors.Join(err, outErr); err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "locked\n" {
		t.Fatalf("the liar said %q, %v", line, err)
	}
	note := fmt.Sprintf("pid %d holds the lock, but the file says %d", cmd.Process.Pid, os.Getpid())
	if owner, err := daemon.Probe(path); err != nil || owner != (daemon.Owner{Running: true, Note: note}) {
		t.Errorf("Probe = %+v, %v, want the note %q", owner, err, note)
	}
	_, _, err = daemon.Lock(path)
	if want := "pidfile " + path + ": already running, its pid is not known: " + note; errorText(err) != want {
		t.Errorf("Lock = %v, want %s", err, want)
	}
	// The same file, told truly.
	if err := os.WriteFile(path, []byte(itoa(cmd.Process.Pid)+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if owner, err := daemon.Probe(path); err != nil || owner != (daemon.Owner{PID: cmd.Process.Pid, Running: true}) {
		t.Errorf("Probe = %+v, %v, want pid %d", owner, err, cmd.Process.Pid)
	}
	stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestRemoveTemporary(t *testing.T) {
	const pid = 4711
	name := strings.Repeat("x", 120) + ".pid"
	dir := t.TempDir()
	path := filepath.Join(dir, name)
	prefix := "." + name[:100]
	theirs := []string{prefix + ".4711.12x", prefix + ".4711.", prefix + ".47.123", prefix + ".47110.123", "." + name + ".4711.1", name}
	ours := []string{prefix + ".4711.123", prefix + ".4711.1"}
	for _, name := range append(ours, theirs...) {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	theirs = append(theirs, prefix+".4711.2", prefix+".4711.3")
	err := errors.Join(os.Symlink(name, filepath.Join(dir, prefix+".4711.2")), os.Mkdir(filepath.Join(dir, prefix+".4711.3"), 0o700))
	if os.Geteuid() == 0 {
		other := filepath.Join(dir, prefix+".4711.4")
		theirs = append(theirs, filepath.Base(other))
		err = errors.Join(err, os.WriteFile(other, nil, 0o600), os.Chown(other, nobody, nobody))
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(daemon.RemoveTemporary(path, pid), daemon.RemoveTemporary(path, 0), daemon.RemoveTemporary("", pid)); err != nil {
		t.Error(err)
	}
	var left []string
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	slices.Sort(theirs)
	if !slices.Equal(left, theirs) {
		t.Errorf("left: %q, want %q", left, theirs)
	}
	if err := daemon.RemoveTemporary(filepath.Join(dir, "absent", "x"), pid); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing directory: %v", err)
	}
}

// TestTemporaryName: what Lock prepares has a name that RemoveTemporary knows.
func TestTemporaryName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gtwistd.pid")
	pattern := regexp.MustCompile(`^\.gtwistd\.pid\.` + itoa(os.Getpid()) + `\.\d+$`)
	seen := make(chan string)
	go func() {
		for {
			entries, _ := os.ReadDir(filepath.Dir(path))
			for _, e := range entries {
				if e.Name() != filepath.Base(path) {
					seen <- e.Name()
					return
				}
			}
		}
	}()
	for {
		select {
		case name := <-seen:
			if !pattern.MatchString(name) {
				t.Errorf("the temporary file is %q", name)
			}
			return
		default:
			p, _, err := daemon.Lock(path)
			if err != nil {
				t.Fatal(err)
			}
			p.Release()
		}
	}
}

func TestReleaseWithoutPrivileges(t *testing.T) {
	needRoot(t)
	for _, role := range []string{"drop", "jail"} {
		t.Run(role, func(t *testing.T) {
			path := filepath.Join(openDir(t, 0o755), "gtwistd.pid")
			said := play(t, role, path, openDir(t, 0o755))
			want := map[string]string{"drop": "left empty: permission denied", "jail": "left empty: out of reach"}[role]
			if said != "pidfile "+path+": "+want {
				t.Errorf("Release = %q, want %q", said, want)
			}
			if content, err := os.ReadFile(path); err != nil || len(content) > 0 {
				t.Errorf("left behind: %q, %v", content, err)
			}
			if owner, err := daemon.Probe(path); err != nil || owner != (daemon.Owner{}) {
				t.Errorf("Probe = %v, %v", owner, err)
			}
			if _, note := lock(t, path); note != "replacing empty pidfile "+path {
				t.Errorf("note = %q", note)
			}
		})
	}
}

func TestReleaseLeavesOthersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gtwistd.pid")
	p, _ := lock(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other, _ := lock(t, path)
	if err := p.Release(); err != nil {
		t.Error(err)
	}
	if content, err := os.ReadFile(path); err != nil || len(content) == 0 {
		t.Errorf("the other's pidfile: %q, %v", content, err)
	}
	if err := other.Release(); err != nil {
		t.Error(err)
	}
}

func TestLockEndsWithTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gtwistd.pid")
	cmd := command(t, "with a child", path)
	gate, hold := filePipe(t)
	cmd.Stdin = gate
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != unix.SIGKILL {
		t.Fatalf("role ended with %v", err)
	}
	if _, note := lock(t, path); note != fmt.Sprintf("removing stale pidfile %s: pid %d is not running", path, cmd.Process.Pid) {
		t.Errorf("note = %q", note)
	}
	hold.Close()
}

func TestSimultaneousStarts(t *testing.T) {
	for name, content := range map[string]string{"fresh": "none", "stale": itoa(endedPID(t, true)), "reused": itoa(os.Getpid()), "empty": ""} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "gtwistd.pid")
			if content != "none" {
				if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			contest(t, path, 20)
		})
	}
}

func contest(t *testing.T, path string, starts int) {
	gun, fire := filePipe(t)
	gate, hold := filePipe(t)
	r, w := filePipe(t)
	var all []*exec.Cmd
	for range starts {
		cmd := command(t, "contend", path)
		cmd.Stdin, cmd.Stdout, cmd.ExtraFiles = gun, w, []*os.File{gate}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		all = append(all, cmd)
	}
	w.Close()
	fire.Close()
	said := map[string]int{}
	lines := bufio.NewScanner(r)
	for range starts {
		if !lines.Scan() {
			t.Fatalf("only %v: %v", said, lines.Err())
		}
		said[lines.Text()]++
	}
	owner, err := daemon.Probe(path)
	if err != nil || said[fmt.Sprintf("won %d", owner.PID)] != 1 || !owner.Running {
		t.Errorf("owner %v, %v; said %v", owner, err, said)
	}
	for text, times := range said {
		if strings.HasPrefix(text, "lost to") {
			times = 0
		}
		if times != 0 && text != fmt.Sprintf("won %d", owner.PID) {
			t.Errorf("%d times %q", times, text)
		}
	}
	onlyFile(t, path)
	hold.Close()
	for _, cmd := range all {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) > 0 {
		t.Errorf("left behind: %v", entries)
	}
}

// One start follows a stop at once, again and again, beside probes: never two owners, and never a failure other than
// "already running".
func TestLockAndReleaseChurn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gtwistd.pid")
	var owners, wins atomic.Int32
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 100 {
				p, _, err := daemon.Lock(path)
				var running *daemon.RunningError
				if errors.As(err, &running) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				wins.Add(1)
				if owners.Add(1) != 1 {
					t.Error("two owners")
				}
				owners.Add(-1)
				if err := p.Release(); err != nil {
					t.Error(err)
				}
			}
		})
		group.Go(func() {
			for range 100 {
				if _, err := daemon.Probe(path); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if wins.Load() == 0 {
		t.Error("nobody ever won")
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) > 0 {
		t.Errorf("left behind: %v", entries)
	}
}
