package splice

import (
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Pipe takes bytes between a file and a connection within the kernel (splice(2), man 2 splice). What a Read… method takes into
// it has to be taken out by the Write… methods before the next one, or goes with Close. One goroutine uses it.
type Pipe struct{ parts [parts]part }

// parts are the pipes that are one here: Linux gives a user without privileges none larger than 1 MiB (pipe-max-size, man 7
// pipe). Each time that a client has taken all there was, it sleeps, and to wake it up costs as much as 64 KiB do.
const parts = 2

type part struct {
	in, out int
	held    int // bytes that are in it
}

// New makes a pipe. A user without privileges who has many already gets no large ones any more (pipe-user-pages-soft, man 7
// pipe): that is an error here, as small ones do not pay. The caller closes it.
func New() (*Pipe, error) {
	p := &Pipe{}
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
	if _, err := unix.FcntlInt(uintptr(q.in), unix.F_SETPIPE_SZ, Size/parts); err != nil {
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

// ReadFile takes up to most bytes from where the file stands into the pipe, which is empty. It waits for the disk. The end of
// the file is io.EOF.
func (p *Pipe) ReadFile(f *os.File, most int) (n int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failure error
	err = raw.Control(func(fd uintptr) { n, failure = p.fill(int(fd), most) })
	switch {
	case err != nil:
		return 0, err
	case n > 0:
		return n, nil
	case failure != nil:
		return 0, &os.PathError{Op: "read", Path: f.Name(), Err: failure}
	}
	return 0, io.EOF
}

// ReadConn waits for the connection and takes up to most bytes of what has come into the pipe, which is empty. The end of the
// stream is io.EOF, as is a byte that the peer has sent as urgent: splice(2) does not go past it, but read(2) does.
func (p *Pipe) ReadConn(conn syscall.RawConn, most int) (n int, err error) {
	var failure error
	err = conn.Read(func(fd uintptr) bool {
		n, failure = p.fill(int(fd), most)
		if failure == unix.EAGAIN && isAtMark(int(fd)) {
			failure = nil
		}
		return n > 0 || failure != unix.EAGAIN
	})
	switch {
	case err != nil:
		return 0, err
	case n > 0:
		return n, nil
	case failure != nil:
		return 0, os.NewSyscallError("splice", failure)
	}
	return 0, io.EOF
}

// fill takes what there is into the pipe. An error comes after n bytes.
func (p *Pipe) fill(from, most int) (n int, err error) {
	for i := range p.parts {
		q := &p.parts[i]
		q.held, err = splice(syscall.Syscall6, from, q.in, min(most-n, Size/parts))
		n += q.held
		if q.held < Size/parts || n == most {
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

// WriteConn writes what is in the pipe, and waits for the connection. After an error, which may be that of a deadline
// (net.Conn), the rest is still there.
func (p *Pipe) WriteConn(conn syscall.RawConn) (n int, err error) {
	var failure error
	err = conn.Write(func(fd uintptr) bool {
		var m int
		m, failure = p.drain(syscall.RawSyscall6, int(fd), Size) // nothing here waits, and the runtime need not see to it
		n += m
		return failure != unix.EAGAIN
	})
	if err == nil && failure != nil {
		err = os.NewSyscallError("splice", failure)
	}
	return n, err
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
