package splice

import (
	"cmp"
	"io"
	"math"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Pipe takes bytes between a file and a connection within the kernel (splice(2), man 2 splice). What is in it at the end goes with
// Close. One goroutine uses it.
type Pipe struct{ parts []part }

type part struct {
	in, out int
	held    int // bytes that are in it
}

// New makes a pipe for size bytes, a multiple of Step. A user without privileges who has many already gets no large ones any
// more (pipe-user-pages-soft, man 7 pipe): that is an error here, as small ones do not pay. The caller closes it.
func New(size int) (*Pipe, error) {
	p := &Pipe{parts: make([]part, size/Step)}
	for i := range p.parts {
		if err := p.parts[i].open(); err != nil {
			for _, opened := range p.parts[:i] {
				opened.close()
			}
			return nil, err
		}
	}
	return p, nil
}

func (q *part) open() error {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return os.NewSyscallError("pipe2", err)
	}
	q.in, q.out = ends[1], ends[0]
	if _, err := unix.FcntlInt(uintptr(q.in), unix.F_SETPIPE_SZ, Step); err != nil {
		q.close()
		return os.NewSyscallError("fcntl", err)
	}
	return nil
}

func (q *part) close() {
	_ = unix.Close(q.in)
	_ = unix.Close(q.out)
}

// Close closes it.
func (p *Pipe) Close() {
	for _, q := range p.parts {
		q.close()
	}
}

// Send sends up to most bytes from where the file stands to a connection, fewer if it had to wait for the client, which has taken
// all that was in the pipe then, or with an error: that of a deadline (net.Conn) leaves something in the pipe, which the next call
// sends first; the end of the file is io.EOF; with ErrUnsupported the file stands after what was sent. What may wait for the disk is
// called by disk, if that is not nil.
func (p *Pipe) Send(conn syscall.RawConn, f *os.File, most int64, disk func(func() error) error) (n int64, err error) {
	file, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	if disk == nil {
		disk = func(fill func() error) error { return fill() }
	}
	left := most - p.held() // that the file has to give
	var failure error
	waited := false
	controlErr := file.Control(func(from uintptr) {
		fill := func() error {
			m, err := p.fill(int(from), int(min(left, math.MaxInt)))
			left -= int64(m)
			if m > 0 {
				return nil
			}
			return cmp.Or(known(err), io.EOF)
		}
		err = conn.Write(func(to uintptr) bool {
			for failure = nil; n < most; runtime.Gosched() { // while this client takes that, there is work for another
				if p.isEmpty() {
					if waited {
						return true
					}
					if failure = disk(fill); failure != nil {
						return true
					}
				}
				var m int
				m, failure = p.drain(syscall.RawSyscall6, int(to), math.MaxInt) // the socket keeps nobody waiting
				n += int64(m)
				switch {
				case failure == unix.EAGAIN:
					waited = true
					return false
				case failure != nil:
					return true
				case !p.isEmpty():
					failure = io.ErrNoProgress
					return true
				}
			}
			return true
		})
	})
	err = cmp.Or(controlErr, err, failure)
	if errno, ok := err.(syscall.Errno); ok { //nolint:errorlint // it is bare
		err = os.NewSyscallError("splice", errno)
	}
	return n, err
}

// ReadConn waits for the connection and takes up to most bytes of what has come, and up to Step, into the pipe, for WriteFile. The
// end of the stream is io.EOF, as is a byte that the peer has sent as urgent: splice(2) does not go past it, but read(2) does.
func (p *Pipe) ReadConn(conn syscall.RawConn, most int) (n int, err error) {
	q := &p.parts[0] // one call for one error, which the system tells once
	var failure error
	err = conn.Read(func(fd uintptr) bool {
		q.held, failure = splice(syscall.Syscall6, int(fd), q.in, min(most, Step))
		if failure == unix.EAGAIN && isAtMark(int(fd)) {
			failure = nil
		}
		return failure != unix.EAGAIN
	})
	switch {
	case err != nil:
		return 0, err
	case failure != nil:
		return 0, os.NewSyscallError("splice", known(failure))
	case q.held == 0:
		return 0, io.EOF
	}
	return q.held, nil
}

// known is ErrUnsupported for what splice(2) says of files and sockets that it does not take from, and of itself where it may not
// be called.
func known(err error) error {
	switch err { //nolint:errorlint // it is
	case unix.EINVAL, unix.ENOSYS, unix.EOPNOTSUPP, unix.EPERM:
		return ErrUnsupported
	}
	return err
}

// fill takes what there is into the pipe. An error comes after n bytes.
func (p *Pipe) fill(from, most int) (n int, err error) {
	for i := range p.parts {
		q := &p.parts[i]
		q.held, err = splice(syscall.Syscall6, from, q.in, min(most-n, Step))
		n += q.held
		if q.held < Step || n == most {
			break
		}
	}
	return n, err
}

// isAtMark says whether the next byte was sent as urgent (man 7 tcp).
func isAtMark(fd int) bool {
	at, err := unix.IoctlGetInt(fd, unix.SIOCATMARK)
	return err == nil && at != 0
}

// WriteFile writes up to most bytes of what is in the pipe where the file stands, which must not be opened for appending.
func (p *Pipe) WriteFile(f *os.File, most int) (n int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failure error
	err = raw.Control(func(fd uintptr) { n, failure = p.drain(syscall.Syscall6, int(fd), most) })
	switch {
	case err != nil:
		return 0, err
	case n > 0:
		return n, nil
	case failure != nil:
		return 0, &os.PathError{Op: "write", Path: f.Name(), Err: failure}
	}
	return 0, io.ErrNoProgress
}

// drain takes up to most bytes out of the pipe, until there is an error or nothing goes.
func (p *Pipe) drain(call systemCall, to, most int) (n int, err error) {
	for i := range p.parts {
		q := &p.parts[i]
		for q.held > 0 && n < most {
			m, err := splice(call, q.out, to, min(q.held, most-n))
			if err != nil || m == 0 {
				return n, err
			}
			q.held, n = q.held-m, n+m
		}
	}
	return n, nil
}

func (p *Pipe) isEmpty() bool { return p.held() == 0 }

func (p *Pipe) held() (sum int64) {
	for _, q := range p.parts {
		sum += int64(q.held)
	}
	return sum
}

// systemCall is syscall.Syscall6, or syscall.RawSyscall6 for what is over at once.
type systemCall func(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err syscall.Errno)

func splice(call systemCall, from, to, most int) (int, error) {
	for {
		n, _, err := call(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(most), unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		switch err {
		case 0:
			return int(n), nil
		case unix.EINTR:
			continue
		}
		return 0, err
	}
}

// descriptors is how many this process may have.
func descriptors() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(min(limit.Cur, math.MaxInt32)) //nolint:gosec // see min
}
