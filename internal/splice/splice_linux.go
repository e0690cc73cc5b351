package splice

import (
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Pipe takes bytes between a file and a connection within the kernel (splice(2), man 2 splice). What a Read… method takes into
// it has to be taken out by the Write… methods before the next one, or goes with Close. One goroutine uses it.
type Pipe struct {
	in, out int
	held    int // bytes that are in it
}

// New makes a pipe. A user without privileges who has many already gets no large ones any more (pipe-user-pages-soft, man 7
// pipe): that is an error here, as small ones do not pay. The caller closes it.
func New() (*Pipe, error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	p := &Pipe{in: ends[1], out: ends[0]}
	if _, err := unix.FcntlInt(uintptr(p.in), unix.F_SETPIPE_SZ, Size); err != nil {
		p.Close()
		return nil, os.NewSyscallError("fcntl", err)
	}
	return p, nil
}

// Close closes both ends.
func (p *Pipe) Close() {
	_ = unix.Close(p.in)
	_ = unix.Close(p.out)
}

// ReadFile takes up to most bytes from where the file stands into the pipe, which is empty. It waits for the disk. The end of
// the file is io.EOF.
func (p *Pipe) ReadFile(f *os.File, most int) (int, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failure error
	err = raw.Control(func(fd uintptr) { p.held, failure = splice(int(fd), p.in, most) })
	switch {
	case err != nil:
		return 0, err
	case failure != nil:
		return 0, &os.PathError{Op: "read", Path: f.Name(), Err: failure}
	case p.held == 0:
		return 0, io.EOF
	}
	return p.held, nil
}

// ReadConn waits for the connection and takes up to most bytes of what has come into the pipe, which is empty. The end of the
// stream is io.EOF, as is a byte that the peer has sent as urgent: splice(2) does not go past it, but read(2) does.
func (p *Pipe) ReadConn(conn syscall.RawConn, most int) (int, error) {
	var failure error
	err := conn.Read(func(fd uintptr) bool {
		p.held, failure = splice(int(fd), p.in, most)
		if failure == unix.EAGAIN && isAtMark(int(fd)) {
			failure = nil
		}
		return failure != unix.EAGAIN
	})
	switch {
	case err != nil:
		return 0, err
	case failure != nil:
		return 0, os.NewSyscallError("splice", failure)
	case p.held == 0:
		return 0, io.EOF
	}
	return p.held, nil
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
	err = raw.Control(func(fd uintptr) { n, failure = splice(p.out, int(fd), most) })
	p.held -= n
	switch {
	case err != nil:
		return 0, err
	case failure != nil:
		return 0, &os.PathError{Op: "write", Path: f.Name(), Err: failure}
	case n == 0:
		return 0, io.ErrNoProgress
	}
	return n, nil
}

// WriteConn writes what is in the pipe, and waits for the connection. After an error, which may be that of a deadline
// (net.Conn), the rest is still there.
func (p *Pipe) WriteConn(conn syscall.RawConn) (n int, err error) {
	var failure error
	err = conn.Write(func(fd uintptr) bool {
		for p.held > 0 && failure == nil {
			var m int
			m, failure = splice(p.out, int(fd), p.held)
			n, p.held = n+m, p.held-m
		}
		if failure == unix.EAGAIN {
			failure = nil
			return false
		}
		return true
	})
	if err == nil && failure != nil {
		err = os.NewSyscallError("splice", failure)
	}
	return n, err
}

func splice(from, to, most int) (int, error) {
	for {
		n, err := unix.Splice(from, nil, to, nil, most, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		if err != unix.EINTR {
			return max(0, int(n)), err
		}
	}
}
