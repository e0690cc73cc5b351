package ftp

import (
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// wire is the TCP connection, each of whose calls may take as long as something moves.
type wire struct {
	*net.TCPConn
	limits *limits
	moved  int64
	took   time.Duration // in calls that wait for the peer; sendfile's wait for the disk, too
	eof    bool          // the peer has sent its FIN
	fixed  bool          // the deadline is another's
	batch  []byte
	hold   bool // Write fills batch
}

func (w *wire) deadline() time.Time { return time.Now().Add(time.Duration(w.limits.stall)) }

// progress judges what a call that began then has moved. again says that the deadline has passed and that it moved something.
func (w *wire) progress(began time.Time, n int64, err error) (again bool, _ error) {
	w.moved += n
	w.took += time.Since(began)
	if w.isSlow() && (n > 0 || errors.Is(err, os.ErrDeadlineExceeded)) {
		return false, errSlow
	}
	switch {
	case !errors.Is(err, os.ErrDeadlineExceeded) || w.fixed:
		return false, err
	case n > 0:
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
	_, err = w.progress(began, int64(n), err)
	return n, err
}

// Write implements net.Conn.
func (w *wire) Write(p []byte) (int, error) {
	if w.hold {
		w.batch = append(w.batch, p...)
		return len(p), nil
	}
	total := 0
	for {
		if !w.fixed {
			_ = w.TCPConn.SetWriteDeadline(w.deadline())
		}
		began := time.Now()
		n, err := w.TCPConn.Write(p[total:])
		total += n
		again, err := w.progress(began, int64(n), err)
		if !again {
			return total, err
		}
	}
}

// fill is Read into a pipe.
func (w *wire) fill(p *pipe, most int) (int, error) {
	raw, err := w.TCPConn.SyscallConn()
	if err != nil {
		return 0, err
	}
	_ = w.TCPConn.SetReadDeadline(w.deadline())
	began := time.Now()
	n, err := p.fill(raw, most)
	w.eof = err == io.EOF
	_, err = w.progress(began, int64(n), err)
	return n, err
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

// sendFile sends from a file without a way through this process, where the system can.
func (w *wire) sendFile(part *io.LimitedReader) (int64, error) {
	var total int64
	for {
		_ = w.TCPConn.SetWriteDeadline(w.deadline())
		before, began := part.N, time.Now()
		n, err := w.TCPConn.ReadFrom(part)
		part.N = before - n
		total += n
		again, err := w.progress(began, n, err)
		if !again {
			return total, err
		}
	}
}

// SetWriteDeadline implements net.Conn. TLS sets one in its Close, which moves like any other, and one that has passed after
// it.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
