//go:build unix

package logfile_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gtwistd/gtwistd/logfile"
	"golang.org/x/sys/unix"
)

func TestDevices(t *testing.T) {
	f := open(t, os.DevNull, logfile.Options{})
	write(t, f, "gone")
	if moved, err := f.Reopen(); moved || err != nil {
		t.Errorf("Reopen = %v, %v", moved, err)
	}
	if err := f.Rotate(); err != nil {
		t.Error(err)
	}
	if err := f.Chown(1, 1); err != nil {
		t.Error(err)
	}
	info, err := os.Stat(os.DevNull)
	if err != nil || info.Mode()&os.ModeCharDevice == 0 || info.Sys().(*syscall.Stat_t).Uid == 1 {
		t.Errorf("the null device is %v, %v", info, err)
	}
}

func TestPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := logfile.Open(path, logfile.Options{})
	if want := "log file: open " + path + ": no process reads from this pipe"; err == nil || err.Error() != want || !errors.Is(err, syscall.ENXIO) {
		t.Errorf("Open without a reader: %v, want %s", err, want)
	}
	reader := func() *os.File {
		r, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := reader()
	f := open(t, path, logfile.Options{})
	write(t, f, "one")
	if line, err := bufio.NewReader(r).ReadString('\n'); line != "one\n" || err != nil {
		t.Errorf("read %q, %v", line, err)
	}
	r.Close()
	for range 2 {
		if _, err := f.Write([]byte("lost\n")); err == nil {
			t.Error("a write without a reader succeeded")
		}
	}
	r = reader()
	defer r.Close()
	write(t, f, "two")
	if line, err := bufio.NewReader(r).ReadString('\n'); line != "two\n" || err != nil {
		t.Errorf("read %q, %v", line, err)
	}
}

func TestFullDevice(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no /dev/full")
	}
	f := open(t, "/dev/full", logfile.Options{})
	if _, err := f.Write([]byte("x\n")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Write = %v, want ENOSPC", err)
	}
}

// TestTornLine: what the disk had no room for does not run into the next line.
func TestTornLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	f := open(t, path, logfile.Options{})
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 8, Max: old.Max}); err != nil {
		t.Skipf("file size limit: %v", err)
	}
	n, err := f.Write([]byte("one\nabcdefgh\n"))
	if resetErr := unix.Setrlimit(unix.RLIMIT_FSIZE, &old); resetErr != nil {
		t.Fatal(resetErr)
	}
	if n != 8 || err == nil {
		t.Fatalf("Write = %d, %v, want 8 bytes and an error", n, err)
	}
	write(t, f, "two")
	wantContents(t, filepath.Dir(path), map[string]string{"x.log": "one\nabcd\ntwo\n"})
}

func TestLockedByAnother(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.log")
	f := open(t, path, logfile.Options{})
	write(t, f, "one")
	other, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := unix.Flock(int(other.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if err := f.Rotate(); err == nil || !strings.Contains(err.Error(), "held by another process") {
		t.Errorf("Rotate of a locked file = %v", err)
	}
	write(t, f, "two")
	wantContents(t, dir, map[string]string{"x.log": "one\ntwo\n"})
}

func TestTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	var commands []*exec.Cmd
	for _, name := range []string{"a", "b", "c"} {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "LOGFILE_TEST_WRITER="+filepath.Join(dir, "x.log"), "LOGFILE_TEST_NAME="+name, "GORACE=atexit_sleep_ms=0")
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		commands = append(commands, cmd)
	}
	for _, cmd := range commands {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	seen := map[string]int{}
	files := contents(t, dir)
	for _, text := range files {
		for line := range strings.Lines(text) {
			seen[line]++
		}
	}
	for _, name := range []string{"a", "b", "c"} {
		for i := range 2000 {
			if line := fmt.Sprintf("%s %d\n", name, i); seen[line] != 1 {
				t.Fatalf("%d times %q in %d files", seen[line], line, len(files))
			}
		}
	}
}

// TestPrivilegesDropped runs itself as nobody in a directory of root's.
func TestPrivilegesDropped(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to give it up")
	}
	if !again(t) {
		return
	}
	dir := publicDir(t)
	path := filepath.Join(dir, "x.log")
	c, w := newClock(t, "2036-11-20 23:00:00"), &warnings{}
	f := open(t, path, logfile.Options{Now: c.Now, Warn: w.warn})
	write(t, f, "one")
	if err := f.Chown(65534, 65534); err != nil {
		t.Fatal(err)
	}
	becomeNobody(t)
	for _, now := range []string{"2036-11-21 00:00:00", "2036-11-21 00:00:30", "2036-11-21 08:00:00", "2036-11-22 00:00:00"} {
		c.set(t, now)
		write(t, f, now)
	}
	if all := w.all(); len(all) != 1 || !strings.Contains(all[0], "permission denied") {
		t.Errorf("warnings = %q, want one", all)
	}
	if err := f.Rotate(); !errors.Is(err, os.ErrPermission) {
		t.Errorf("Rotate = %v, want a permission error", err)
	}
	b, err := os.ReadFile(path)
	if err != nil || strings.Count(string(b), "\n") != 5 {
		t.Errorf("log = %q, %v, want five lines", b, err)
	}
}

// TestDirectoryOfRoot says that whoever cannot rotate hears of it at the start. It runs itself as nobody.
func TestDirectoryOfRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to give it up")
	}
	if !again(t) {
		return
	}
	dir := publicDir(t)
	own := filepath.Join(dir, "own")
	if err := errors.Join(os.Mkdir(own, 0o755), os.Chown(own, 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	w := &warnings{}
	file, theirs := open(t, filepath.Join(dir, "x.log"), logfile.Options{Warn: w.warn}), open(t, filepath.Join(own, "y.log"), logfile.Options{Warn: w.warn})
	if err := errors.Join(file.Chown(65534, 65534), theirs.Chown(65534, 65534)); err != nil {
		t.Fatal(err)
	}
	becomeNobody(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	file.Run(ctx)
	theirs.Run(ctx)
	if all := w.all(); len(all) != 1 || !strings.Contains(all[0], "will not be rotated") || !strings.Contains(all[0], "x.log") {
		t.Errorf("warnings = %q, want one", all)
	}
}

func TestNewFileHasTheOwnerOfTheOld(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to change an owner")
	}
	path := filepath.Join(t.TempDir(), "x.log")
	f := open(t, path, logfile.Options{})
	if err := f.Chown(65534, 65533); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o604); err != nil {
		t.Fatal(err)
	}
	write(t, f, "one")
	if err := f.Rotate(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st := info.Sys().(*syscall.Stat_t); st.Uid != 65534 || st.Gid != 65533 || info.Mode() != 0o604 {
		t.Errorf("the new file has owner %d:%d and mode %v", st.Uid, st.Gid, info.Mode())
	}
}

// TestUnsearchableDirectory: a user who cannot even look at the path keeps writing.
func TestUnsearchableDirectory(t *testing.T) {
	if os.Geteuid() == 0 && !again(t) {
		return
	}
	dir, err := os.MkdirTemp("", "log")
	if err != nil {
		t.Fatal(err)
	}
	w := &warnings{}
	f := open(t, filepath.Join(dir, "x.log"), logfile.Options{Warn: w.warn})
	if err := os.Chmod(dir, 0); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		becomeNobody(t)
	} else {
		defer os.RemoveAll(dir)
		defer os.Chmod(dir, 0o700)
	}
	write(t, f, "one")
	write(t, f, "two")
	if all := w.all(); len(all) != 1 || !strings.Contains(all[0], "permission denied") {
		t.Errorf("warnings = %q, want one", all)
	}
}

// again runs the calling test once more in a process of its own, where it may change what belongs to the process, and reports
// whether this is that process.
func again(t *testing.T) bool {
	t.Helper()
	if os.Getenv("LOGFILE_TEST_AGAIN") != "" {
		t.Cleanup(func() { // the test binary could not write its coverage any more, and os.Exit refuses
			if !t.Failed() {
				syscall.Exit(0)
			}
		})
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "LOGFILE_TEST_AGAIN=1", "GORACE=atexit_sleep_ms=0", "TMPDIR="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// becomeNobody gives up root for good. What the process leaves behind is its parent's to remove.
func becomeNobody(t *testing.T) {
	t.Helper()
	if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(65534), syscall.Setuid(65534)); err != nil {
		t.Fatal(err)
	}
}

// publicDir returns a directory of root's that everybody can search, in a directory that this process does not remove: it
// will not be allowed to.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "public")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{dir, os.TempDir(), filepath.Dir(os.TempDir())} { // again made the last two
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestNoDescriptorLeft: a rotation that cannot open the new file puts the old one back.
func TestNoDescriptorLeft(t *testing.T) {
	dir := t.TempDir()
	c, w := newClock(t, "2036-11-20 23:00:00"), &warnings{}
	f := open(t, filepath.Join(dir, "x.log"), logfile.Options{Now: c.Now, Warn: w.warn})
	write(t, f, "one")
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	c.set(t, "2036-11-21 00:00:00")
	_, err := f.Write([]byte("two\n"))
	if resetErr := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); resetErr != nil {
		t.Fatal(resetErr)
	}
	if all := w.all(); err != nil || len(all) != 1 || !strings.Contains(all[0], "too many open files") {
		t.Errorf("Write = %v, warnings = %q, want one", err, all)
	}
	wantContents(t, dir, map[string]string{"x.log": "one\ntwo\n"})
	c.set(t, "2036-11-21 00:01:00")
	write(t, f, "three")
	wantContents(t, dir, map[string]string{"x-2036-11-20T23-59-59.999.log": "one\ntwo\n", "x.log": "three\n"})
}
