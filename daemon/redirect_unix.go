//go:build unix

package daemon

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Redirection is the state of a process whose descriptors 1 and 2 lead to callbacks.
type Redirection struct {
	null    *os.File
	streams [2]*stream
	mu      sync.Mutex
	closed  bool
}

// stream is one redirected descriptor.
type stream struct {
	fd    int      // 1 or 2
	saved *os.File // what fd was before
	pipe  *os.File // read end, used by the reader alone but for its deadline
	done  chan struct{}

	stderr, oldStderr *os.File // os.Stderr during the redirection and before; nil if it was left alone
}

// Redirect makes descriptors 1 and 2 pipes, so that everything written there, by this process in whatever way and by
// its children, arrives line by line at stdout and stderr. A callback runs in a goroutine of its own, and may use the
// line only until it returns; while it runs, writers wait once the pipe is full. Empty lines are left out, lines beyond
// 64 KiB come in pieces. Call it once at a time, and Close it.
//
// When Go's runtime prints a crash trace no goroutine runs any more, so it does not arrive here: use
// debug.SetCrashOutput too. So that a long trace cannot keep a crashed process from ending, writes to descriptor 2 by number
// do not wait on Linux, while those through os.Stderr, which is replaced until Close, and by children do.
func Redirect(stdout, stderr func(line []byte)) (*Redirection, error) {
	r := &Redirection{}
	var err error
	if r.null, err = os.OpenFile(os.DevNull, os.O_WRONLY, 0); err != nil {
		return nil, fmt.Errorf("redirect: %w", err)
	}
	for i, fn := range []func([]byte){stdout, stderr} {
		if r.streams[i], err = redirect(i+1, fn); err != nil {
			return nil, errors.Join(fmt.Errorf("redirect descriptor %d: %w", i+1, err), r.Close())
		}
	}
	return r, nil
}

func redirect(fd int, fn func([]byte)) (*stream, error) {
	saved, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, firstInherited)
	if err != nil {
		return nil, err
	}
	s := &stream{fd: fd, saved: os.NewFile(uintptr(saved), fmt.Sprintf("original descriptor %d", fd)), done: make(chan struct{})}
	read, write, err := blockingPipe()
	if err != nil {
		s.saved.Close()
		return nil, err
	}
	growPipe(write)
	err = s.attach(write)
	if err == nil {
		err = unix.SetNonblock(read, true)
	}
	s.pipe = os.NewFile(uintptr(read), fmt.Sprintf("descriptor %d", fd))
	if err != nil {
		_ = s.detach()
		s.pipe.Close()
		return nil, err
	}
	go func() {
		defer close(s.done)
		deliver(&pipeReader{file: s.pipe, fd: read, rest: 2 * maxPipe}, fn)
	}()
	return s, nil
}

// attach makes write, which it takes over, the end of the pipe that the stream's descriptor leads to.
func (s *stream) attach(write int) error {
	if s.fd == 2 {
		if other, err := impatient(write); err == nil {
			s.stderr, s.oldStderr = os.NewFile(uintptr(write), "/dev/stderr"), os.Stderr
			os.Stderr = s.stderr
			write = other
		}
	}
	err := dup2(write, s.fd)
	_ = unix.Close(write)
	return err
}

// detach undoes attach.
func (s *stream) detach() error {
	if s.stderr != nil {
		if os.Stderr == s.stderr {
			os.Stderr = s.oldStderr
		}
		s.stderr.Close()
	}
	err := dup2(int(s.saved.Fd()), s.fd)
	s.saved.Close()
	return err
}

// blockingPipe is not os.Pipe because that one's write end does not block: children and raw writers would meet EAGAIN.
func blockingPipe() (read, write int, err error) {
	var fds [2]int
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := unix.Pipe(fds[:]); err != nil {
		return 0, 0, err
	}
	unix.CloseOnExec(fds[0])
	unix.CloseOnExec(fds[1])
	return fds[0], fds[1], nil
}

// pipeReader reads file until its end or its deadline, and then what already is in the pipe, at most about rest bytes: a
// child that writes on without pause must not keep us for ever.
type pipeReader struct {
	file *os.File
	fd   int
	rest int
}

func (r *pipeReader) Read(p []byte) (int, error) {
	n, err := r.file.Read(p)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	n, err = unix.Read(r.fd, p)
	if err != nil || n <= 0 || r.rest <= 0 {
		return max(n, 0), io.EOF
	}
	r.rest -= n
	return n, nil
}

// Original returns what descriptors 1 and 2 were before. The files belong to the Redirection and end with Close.
func (r *Redirection) Original() (stdout, stderr *os.File) {
	return r.streams[0].saved, r.streams[1].saved
}

// ReleaseOriginal lets go of what descriptors 1 and 2 were before, and puts the null device in its place. A detached
// process calls it when it is ready: whoever reads the output of the program that started it would wait for the end.
func (r *Redirection) ReleaseOriginal() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	var errs []error
	for _, s := range r.streams {
		fd := int(s.saved.Fd())
		if err := dup2(int(r.null.Fd()), fd); err != nil {
			errs = append(errs, fmt.Errorf("release descriptor %d: %w", s.fd, err))
			continue
		}
		unix.CloseOnExec(fd)
	}
	return errors.Join(errs...)
}

// Close makes descriptors 1 and 2 what they were, or the null device after ReleaseOriginal, and returns when all that was
// written to the pipes is delivered, an unterminated last line too. It waits half a second for children that still
// hold a pipe; their later output is lost. A second Close does nothing.
func (r *Redirection) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	var errs []error
	for _, s := range r.streams {
		if s != nil {
			errs = append(errs, s.restore())
		}
	}
	for _, s := range r.streams {
		if s != nil {
			<-s.done
			s.pipe.Close()
		}
	}
	r.null.Close()
	return errors.Join(errs...)
}

func (s *stream) restore() error {
	err := s.detach()
	if deadline := s.pipe.SetReadDeadline(time.Now().Add(linger)); err == nil {
		err = deadline
	}
	if err != nil {
		return fmt.Errorf("restore descriptor %d: %w", s.fd, err)
	}
	return nil
}
