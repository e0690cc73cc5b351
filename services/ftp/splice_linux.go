package ftp

import (
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// pipe takes what comes over a connection to a file within the kernel (splice(2)), which saves two copies, and a third of the
// processor time. One goroutine uses it.
type pipe struct{ in, out int }

// newPipe makes a pipe that holds size bytes, or fewer if this user has too many already (man 7 pipe).
func newPipe(size int) (*pipe, error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	p := &pipe{in: ends[1], out: ends[0]}
	_, _ = unix.FcntlInt(uintptr(p.in), unix.F_SETPIPE_SZ, size) // a smaller one works as well
	return p, nil
}

// fill waits for the connection and takes up to most bytes of what has come into the empty pipe. The end of the stream is
// io.EOF, as is a byte that the peer has sent as urgent: splice(2) does not go past it, but read(2) does.
func (p *pipe) fill(conn syscall.RawConn, most int) (n int, err error) {
	var failure error
	err = conn.Read(func(fd uintptr) bool {
		n, failure = splice(int(fd), p.in, most)
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
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// isAtMark says whether the next byte was sent as urgent (man 7 tcp).
func isAtMark(fd int) bool {
	at, err := unix.IoctlGetInt(fd, unix.SIOCATMARK)
	return err == nil && at != 0
}

// drain writes up to most bytes of what is in the pipe where the file stands, which must not be opened for appending.
func (p *pipe) drain(file *os.File, most int) (n int, err error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failure error
	err = raw.Control(func(fd uintptr) { n, failure = splice(p.out, int(fd), most) })
	switch {
	case err != nil:
		return 0, err
	case failure != nil:
		return 0, &os.PathError{Op: "write", Path: file.Name(), Err: failure}
	case n == 0:
		return 0, io.ErrNoProgress
	}
	return n, nil
}

func splice(from, to, most int) (int, error) {
	for {
		n, err := unix.Splice(from, nil, to, nil, most, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		if err != unix.EINTR {
			return max(0, int(n)), err
		}
	}
}

func (p *pipe) close() {
	_ = unix.Close(p.in)
	_ = unix.Close(p.out)
}
