//go:build unix

package daemon

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Parent is the process that waits for this one to become ready. A nil *Parent means that nobody does; its methods do
// nothing. Safe for concurrent use.
type Parent struct {
	pid  int
	mu   sync.Mutex
	pipe *os.File // nil once the answer is given
}

// Detached returns the process that started this one with Detach, nil if none did. Call it once, before anything else
// opens a file or starts a process: it claims descriptor 0, puts the null device there, and removes the mark from the
// environment so that no child takes it for its own.
func Detached(getenv func(string) string) *Parent {
	value := getenv(marker)
	if value == "" {
		return nil
	}
	_ = os.Unsetenv(marker)
	pid, err := strconv.Atoi(value)
	if err != nil || !isStatusPipe(0) {
		return nil
	}
	// A parent that was killed meanwhile is no longer our parent, but nobody else has a pipe without a reader as stdin.
	// Going on as a plain start would detach once more, on behalf of nobody; so Ready will find the pipe broken instead.
	if pid != unix.Getppid() && !breaks(0) {
		return nil
	}
	fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil
	}
	nullStdin()
	return &Parent{pid: pid, pipe: os.NewFile(uintptr(fd), "status pipe")}
}

// isStatusPipe reports whether fd is the write end of a pipe, which no ordinary stdin is.
func isStatusPipe(fd int) bool {
	var stat unix.Stat_t
	if unix.Fstat(fd, &stat) != nil || stat.Mode&unix.S_IFMT != unix.S_IFIFO {
		return false
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_ACCMODE == unix.O_WRONLY
}

// breaks reports whether the pipe has lost its reader, or does within a second: of a killed process with threads, the children
// may have another parent before its last thread closes its files.
func breaks(fd int) bool {
	for end := time.Now().Add(time.Second); ; time.Sleep(10 * time.Millisecond) {
		// With POLLOUT, as not every system tells of a broken pipe without it.
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		n, err := unix.Poll(poll, 0)
		if err == nil && n == 1 && poll[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0 {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// nullStdin puts the null device on descriptor 0, or where there is none the read end of a pipe nobody writes to: a
// reader finds the end of the file in both.
func nullStdin() {
	if null, err := os.Open(os.DevNull); err == nil {
		defer null.Close()
		_ = dup2(int(null.Fd()), 0)
		return
	}
	if r, w, err := os.Pipe(); err == nil {
		defer r.Close()
		defer w.Close()
		_ = dup2(int(r.Fd()), 0)
	}
}

// Ready tells the parent that this process is ready; the parent prints text and exits. It does nothing without a
// parent. Only the first answer, Ready or Fail, is heard; a later Ready returns an error that wraps os.ErrClosed. An error
// that wraps syscall.EPIPE means that the parent no longer waits.
func (p *Parent) Ready(text string) error {
	if p == nil {
		return nil
	}
	return p.answer(message{Ready: true, Text: []byte(text)})
}

// Fail tells the parent, with a message of any length, why this process will not become ready; it should exit then. It
// reports whether the parent was told: not without a parent, and not after another answer.
func (p *Parent) Fail(e StartError) bool {
	if p == nil {
		return false
	}
	return p.answer(message{Code: e.Code, Text: []byte(e.Reason), Suggestion: []byte(e.Suggestion)}) == nil
}

func (p *Parent) answer(m message) error {
	line, err := m.encode()
	if err != nil {
		return fmt.Errorf("answer to parent: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pipe == nil {
		return fmt.Errorf("answer to parent: %w", os.ErrClosed)
	}
	_, err = p.pipe.Write(line)
	p.pipe.Close()
	p.pipe = nil
	if err != nil {
		return fmt.Errorf("answer to parent: %w", err)
	}
	return nil
}
