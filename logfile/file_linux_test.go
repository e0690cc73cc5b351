package logfile_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/logfile"
	"golang.org/x/sys/unix"
)

func ptsName(master *os.File) (string, error) {
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		return "", err
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	return fmt.Sprintf("/dev/pts/%d", n), err
}

func TestTerminal(t *testing.T) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals: %v", err)
	}
	defer master.Close()
	name, err := ptsName(master)
	if err != nil {
		t.Skipf("no pseudo terminals: %v", err)
	}
	f := open(t, name, logfile.Options{})
	write(t, f, "hello")
	line, err := bufio.NewReader(master).ReadString('\n')
	if err != nil || line != "hello\r\n" {
		t.Errorf("the terminal shows %q, %v", line, err)
	}
}

// TestDiskFull fills a small file system, watches the observer, makes room and finds everything told.
func TestDiskFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to mount a small tmpfs")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("cannot mount a tmpfs: %v", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 60<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "x.log")
	var fallback lockedBuffer
	f := open(t, path, logfile.Options{})
	o := logfile.NewObserver(f, logfile.ObserverOptions{Buffer: 4096, Fallback: &fallback})
	defer o.Close()
	log := o.Logger("web")
	n := 0
	for o.Stats().Dropped < 10 {
		log.Info("a line that fills the disk", "n", n)
		n++
		if n%20 == 0 {
			_ = o.Flush(t.Context())
		}
	}
	if err := o.Flush(t.Context()); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Flush = %v, want ENOSPC", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := o.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := fallback.String(); strings.Count(s, "\n") != 1 || !strings.Contains(s, "no space left on device") {
		t.Errorf("fallback was told %q, want one line", s)
	}
	lost := o.Stats().Dropped
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("[log#warn] %d records lost: write %s: no space left on device\n", lost, path); !bytes.Contains(b, []byte(want)) {
		t.Errorf("log does not say %q", want)
	}
	for i := range n - int(lost) {
		if !bytes.Contains(b, fmt.Appendf(nil, "the disk n=%d\n", i)) {
			t.Fatalf("record %d of %d is missing, %d are counted as lost", i, n, lost)
		}
	}
}

// TestChroot runs itself and changes its root directory.
func TestChroot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, for chroot")
	}
	if !again(t) {
		return
	}
	dir, err := os.MkdirTemp("", "chroot")
	if err != nil {
		t.Fatal(err)
	}
	jail := filepath.Join(dir, "jail")
	if err := os.Mkdir(jail, 0o755); err != nil {
		t.Fatal(err)
	}
	c, w := newClock(t, "2036-11-20 23:00:00"), &warnings{}
	inside := open(t, filepath.Join(jail, "in.log"), logfile.Options{Now: c.Now, Warn: w.warn})
	outside := open(t, filepath.Join(dir, "out.log"), logfile.Options{Now: c.Now, Warn: w.warn})
	time.Local = time.UTC // zone files are out of reach
	if err := syscall.Chroot(jail); err != nil {
		t.Fatal(err)
	}
	inside.Chroot(jail)
	outside.Chroot(jail)
	for _, f := range []*logfile.File{inside, outside} {
		write(t, f, "one")
	}
	c.set(t, "2036-11-21 00:00:00")
	for _, f := range []*logfile.File{inside, outside} {
		write(t, f, "two")
	}
	wantContents(t, "/", map[string]string{"in-2036-11-20T23-59-59.999.log": "one\n", "in.log": "two\n"})
	if all := w.all(); len(all) != 1 || !strings.Contains(all[0], "outside the new root") {
		t.Errorf("warnings = %q, want one", all)
	}
	if _, err := outside.Reopen(); err == nil {
		t.Error("Reopen of a file outside succeeded")
	}
}
