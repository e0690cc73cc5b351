package ftp

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/gtwistd/gtwistd/internal/splice"
)

// wire is the TCP connection, each of whose calls may take as long as something moves.
type wire struct {
	*net.TCPConn
	limits  *limits
	moved   int64
	taken   int64         // of what was sent, at the last look
	since   time.Time     // when it was less, or the write began
	took    time.Duration // in calls that wait for the peer; sendfile's wait for the disk, too
	eof     bool          // the peer has sent its FIN
	fixed   bool          // the deadline is another's
	quick   bool          // sendFile's last bytes were taken quickly
	unpiped bool          // the file is none for pipes
	batch   []byte
	hold    bool // Write fills batch
}

func (w *wire) deadline() time.Time { return time.Now().Add(time.Duration(w.limits.stall)) }

// looks is how often a write that waits looks whether the client takes anything, until it is given up.
const looks = 4

// lookAt is when a write looks.
func (w *wire) lookAt() time.Time { return time.Now().Add(time.Duration(w.limits.stall) / looks) }

// count adds what a call that began then has moved, and says whether that is enough.
func (w *wire) count(began time.Time, n int64, err error) error {
	w.moved += n
	w.took += time.Since(began)
	if w.isSlow() && (n > 0 || errors.Is(err, os.ErrDeadlineExceeded)) {
		return errSlow
	}
	return err
}

// received judges a call that has read.
func (w *wire) received(began time.Time, n int64, err error) error {
	err = w.count(began, n, err)
	switch {
	case !errors.Is(err, os.ErrDeadlineExceeded) || w.fixed:
		return err
	case n > 0:
		return nil
	}
	return errStalled
}

// sent judges a call that has written. again says that its deadline has passed, and the client has taken something of late: it
// has not what is still in the system's hands, which takes some more from time to time.
func (w *wire) sent(began time.Time, n int64, err error) (again bool, _ error) {
	err = w.count(began, n, err)
	if !errors.Is(err, os.ErrDeadlineExceeded) || w.fixed {
		return false, err
	}
	if taken := w.moved - w.untaken(); taken > w.taken {
		w.taken, w.since = taken, time.Now()
	}
	if time.Since(w.since) < time.Duration(w.limits.stall) {
		return true, nil
	}
	return false, errStalled
}

// isSlow says whether the peer moves less than it has to. What the user's bandwidth takes is not its fault, nor what
// the disk does but within sendfile, where nobody can tell one from the other.
func (w *wire) isSlow() bool {
	rate := float64(w.limits.minRate)
	return rate > 0 && w.took > w.limits.grace && float64(w.moved) < w.took.Seconds()*rate
}

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	if !w.fixed {
		_ = w.TCPConn.SetReadDeadline(w.deadline())
	}
	began := time.Now()
	n, err := w.TCPConn.Read(p)
	w.eof = err == io.EOF
	return n, w.received(began, int64(n), err)
}

// Write implements net.Conn.
func (w *wire) Write(p []byte) (int, error) {
	if w.hold {
		w.batch = append(w.batch, p...)
		return len(p), nil
	}
	total, err := w.send(func() (int64, error) {
		n, err := w.TCPConn.Write(p)
		p = p[n:]
		return int64(n), err
	})
	return int(total), err
}

// send calls write, which sends what is left, until all is sent or the client takes nothing any more.
func (w *wire) send(write func() (int64, error)) (total int64, err error) {
	w.since = time.Now()
	for {
		if !w.fixed {
			_ = w.TCPConn.SetWriteDeadline(w.lookAt())
		}
		began := time.Now()
		n, err := write()
		total += n
		again, err := w.sent(began, n, err)
		if !again {
			return total, err
		}
	}
}

// fill is Read into a pipe.
func (w *wire) fill(p *splice.Pipe, most int) (int, error) {
	raw, err := w.TCPConn.SyscallConn()
	if err != nil {
		return 0, err
	}
	_ = w.TCPConn.SetReadDeadline(w.deadline())
	began := time.Now()
	n, err := p.ReadConn(raw, most)
	return n, w.received(began, int64(n), err)
}

// together lets what fn writes go to the system in one call.
func (w *wire) together(fn func() error) error {
	w.hold = true
	err := fn()
	w.hold = false
	if err == nil {
		_, err = w.Write(w.batch)
	}
	w.batch = w.batch[:0]
	return err
}

// sendChunk is how much sendFile is well called for.
func (w *wire) sendChunk() int {
	if w.quick {
		return splice.Chunk
	}
	return sendChunk
}

// sendFile sends up to most bytes of a file from where it stands, at, and fewer only at its end, without a way through this
// process where the system can: by a pipe if the client takes them quickly and there is one, else with sendfile(2).
func (w *wire) sendFile(f *os.File, at, most int64) (n int64, err error) {
	began := time.Now()
	defer func() { w.quick = splice.Quick(n, time.Since(began)) }()
	if w.quick && !w.unpiped {
		if p := splice.Get(); p != nil {
			n, err = w.sendPiped(p, f, most)
			w.unpiped = errors.Is(err, splice.ErrUnsupported)
			switch at, most = at+n, most-n; {
			case err == io.EOF:
				return n, nil
			case err != nil && !w.unpiped, most == 0:
				return n, err
			}
		}
	}
	rest, err := w.send(func() (int64, error) {
		n, err := w.TCPConn.ReadFrom(&io.LimitedReader{R: f, N: most})
		at, most = at+n, most-n
		if err != nil { // what was read, where the system cannot send a file, and not sent is read once more
			_, _ = f.Seek(at, io.SeekStart)
		}
		return n, err
	})
	return n + rest, err
}

// sendPiped puts the pipe back.
func (w *wire) sendPiped(p *splice.Pipe, f *os.File, most int64) (int64, error) {
	defer splice.Put(p)
	raw, err := w.TCPConn.SyscallConn()
	if err != nil {
		return 0, err
	}
	return w.send(func() (int64, error) {
		n, err := p.Send(raw, f, most, nil)
		most -= n
		return n, err
	})
}

// SetWriteDeadline implements net.Conn. TLS sets one in its Close, which moves like any other, and one that has passed after
// it.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
