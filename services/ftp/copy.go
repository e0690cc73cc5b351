package ftp

import (
	"cmp"
	"errors"
	"io"
	"math"
	"os"
	"sync"

	"github.com/gtwistd/gtwistd/internal/cork"
	"github.com/gtwistd/gtwistd/internal/splice"
)

// send sends the rest of a file, which had left bytes from where it stands, at, when it was opened: a chunk at a time, so that a
// deadline can move, and in clear not through this process.
func (d *dataConn) send(f *os.File, at, left int64) (int64, error) {
	if err := d.start(); err != nil {
		return 0, err
	}
	if d.secure != nil {
		return d.encrypt(f, at, left)
	}
	if raw, err := d.wire.SyscallConn(); err == nil && left > segment { // else nothing can be sent either
		cork.In(raw) // until the end of the connection
	}
	var total int64
	for {
		chunk := int64(d.chunk(false, d.wire.sendChunk()))
		n, err := d.wire.sendFile(f, at+total, chunk)
		total += n
		d.count(false, n)
		// A limit that came meanwhile is for what is sent from now on.
		if waitErr := d.wait(false, int64(d.chunk(false, int(n)))); err == nil {
			err = waitErr
		}
		switch {
		case err != nil:
			return total, d.fail(err)
		case n < chunk:
			return total, d.ended(f, at, total, left)
		}
	}
}

// ended says whether a file was sent whole: it may have grown, but not become shorter than it was, even if as much was sent: what
// the system has taken of a file and not sent yet when the file is cut off comes as zeros.
func (d *dataConn) ended(f *os.File, at, sent, left int64) error {
	info, err := f.Stat()
	if sent < left || err == nil && info.Size() < at+left {
		return d.fail(errShorter)
	}
	return nil
}

var errShorter = &refusal{451, "the file has become shorter meanwhile"}

// encrypt sends the rest of a file under TLS. The records of a buffer go to the system at once.
func (d *dataConn) encrypt(f *os.File, at, left int64) (int64, error) {
	buf := d.session.srv.buffers.get()
	defer d.session.srv.buffers.put(buf)
	var total int64
	for {
		n, readErr := f.Read((*buf)[:d.chunk(false, copyBuffer)])
		if n > 0 {
			if err := d.wire.together(func() error {
				_, err := d.secure.Write((*buf)[:n])
				return err
			}); err != nil {
				return total, d.fail(err)
			}
			total += int64(n)
			if err := d.account(false, int64(n)); err != nil {
				return total, err
			}
		}
		switch {
		case readErr == io.EOF:
			return total, d.ended(f, at, total, left)
		case readErr != nil:
			return total, d.fail(readErr)
		}
	}
}

// receive writes all that comes to u, and what does not come in clear, or is small, through this process.
func (d *dataConn) receive(u *upload) (int64, error) {
	if d.secure != nil || u.appends {
		total, _, err := d.receiveHere(u, math.MaxInt64)
		return total, err
	}
	total, ended, err := d.receiveHere(u, copyBuffer)
	if ended || err != nil {
		return total, err
	}
	var n int64
	if p, pipeErr := splice.New(splice.Step); pipeErr == nil {
		n, err = d.receiveBy(p, u)
		total += n
	}
	if err == nil { // there may be more for read(2)
		n, _, err = d.receiveHere(u, math.MaxInt64)
		total += n
	}
	return total, err
}

// receiveHere writes what comes to u in large pieces, until the end or there were most bytes.
func (d *dataConn) receiveHere(u *upload, most int64) (total int64, ended bool, err error) {
	buf := d.session.srv.buffers.get()
	defer d.session.srv.buffers.put(buf)
	for total < most {
		b := (*buf)[:d.chunk(true, copyBuffer)]
		n, err := d.fillUp(b)
		if n > 0 {
			written, writeErr := u.Write(b[:n])
			total += int64(written)
			if err := cmp.Or(writeErr, d.account(true, int64(written))); err != nil {
				return total, false, err
			}
		}
		switch {
		case err == io.EOF:
			return total, true, nil
		case err != nil:
			return total, false, err
		}
	}
	return total, false, nil
}

// receiveBy writes what comes to u until the end or an urgent byte, by a pipe that it closes.
func (d *dataConn) receiveBy(p *splice.Pipe, u *upload) (total int64, err error) {
	defer p.Close()
	for {
		n, err := d.wire.fill(p, d.chunk(true, splice.Step))
		if err == io.EOF || errors.Is(err, splice.ErrUnsupported) {
			return total, nil
		}
		if err != nil {
			return total, d.fail(err)
		}
		written, err := u.store(n, func(most int) (int, error) { return p.WriteFile(u.file, most) })
		total += int64(written)
		if err := cmp.Or(err, d.account(true, int64(written))); err != nil {
			return total, err
		}
	}
}

// fillUp reads until half of b is full, but not for what comes in small pieces, or until an error, which io.EOF is too.
func (d *dataConn) fillUp(b []byte) (n int, err error) {
	const small = 4 << 10
	for {
		got, err := d.read(b[n:])
		n += got
		if err != nil || got < small || n >= len(b)/2 {
			return n, err
		}
	}
}

// buffers lends memory for copies.
type buffers struct{ pool sync.Pool }

func (b *buffers) get() *[]byte {
	if buf, ok := b.pool.Get().(*[]byte); ok {
		return buf
	}
	buf := make([]byte, copyBuffer)
	return &buf
}

func (b *buffers) put(buf *[]byte) { b.pool.Put(buf) }
