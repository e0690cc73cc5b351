package lane

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/gtwistd/gtwistd/internal/cork"
	"github.com/gtwistd/gtwistd/internal/splice"
)

// dateLine is the Date header of one second, which all answers of it share.
type dateLine struct {
	unix int64
	text string
}

func (l *Lane) dateAt(now time.Time) string {
	if d := l.date.Load(); d != nil && d.unix == now.Unix() {
		return d.text
	}
	d := &dateLine{now.Unix(), "Date: " + now.UTC().Format(http.TimeFormat) + "\r\n"}
	l.date.Store(d)
	return d.text
}

// answer answers the request at the start of the buffer, which is size bytes long, if it can be done from memory. With an
// error, which can also mean that all is well and it was the last one, the connection is to be closed.
func (c *conn) answer(size int) (done bool, err error) {
	c.state.Store(answering)
	defer func() {
		if c.failed(recover()) {
			c.state.Store(ended)
			done, err = false, errEnded
		}
	}()
	begin := c.lane.now()
	a, ok := c.lane.config.Answer(&c.request)
	if !ok {
		if c.state.Load() == ended {
			err = errEnded // net/http was shut down meanwhile
		}
		return false, err
	}
	last := c.request.last || c.lane.stopping.Load()
	sent, err := c.write(&a, begin, last)
	if c.lane.config.Record != nil {
		end := begin
		if c.lane.config.Timed {
			end = c.lane.now()
		}
		c.lane.config.Record(&c.request, a.Status, sent, end, end.Sub(begin))
		c.at = end.UnixNano()
	}
	c.r += size
	switch {
	case err != nil:
		c.state.Store(ended)
		return false, err
	case last, !c.state.CompareAndSwap(answering, waiting):
		return false, errEnded
	}
	return true, nil
}

// outgoing is what an answer is put together in.
type outgoing struct {
	buf    []byte // with answerSize
	parts  [2][]byte
	chunks net.Buffers // of parts
}

// write returns how much of the body was sent.
func (c *conn) write(a *Answer, now time.Time, last bool) (sent int64, err error) {
	body := a.Body
	if c.request.Head {
		body = nil
	}
	out := c.lane.answers.Get().(*outgoing)
	b := append(out.buf[:0], a.Head...)
	b = append(b, c.lane.dateAt(now)...)
	if c.tls != nil {
		b = append(b, c.lane.config.TLSHeader...)
	}
	if last {
		b = append(b, "Connection: close\r\n"...)
	}
	b = append(b, "\r\n"...)
	head := len(b)
	c.begin(int64(head + len(body)))
	var n int64
	if len(b)+len(body) <= answerSize {
		b = append(b, body...)
		var written int
		written, err = c.Conn.Write(b)
		n = int64(written)
	} else {
		out.parts = [2][]byte{b, body}
		out.chunks = out.parts[:]
		n, err = out.chunks.WriteTo(c.Conn)
		out.parts = [2][]byte{}
	}
	c.end(err)
	c.lane.answers.Put(out)
	return max(0, n-int64(head)-c.lost()), err
}

// maxForeign is how much the access log is told of what is no HTTP.
const maxForeign = 64

// reject tells the client why its request is not taken, and ends the connection.
func (c *conn) reject(status int, reason string) error {
	reason += "\n"
	text := strconv.Itoa(status) + " " + http.StatusText(status)
	head := "HTTP/1.1 " + text + "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: " +
		strconv.Itoa(len(reason)) + "\r\n" + c.lane.dateAt(c.lane.now()) + "\r\n"
	n := farewell(c.Conn, head+reason)
	if c.lane.config.Record != nil {
		c.request = c.newRequest()
		line, _, _ := bytes.Cut((*c.buf)[c.r:c.w], []byte("\n"))
		if status == http.StatusBadRequest {
			line = line[:min(len(line), maxForeign)]
		}
		c.request.parseLine(bytes.TrimSuffix(line, []byte("\r")))
		c.lane.config.Record(&c.request, status, int64(max(0, n-len(head))), c.lane.now(), 0)
	}
	return errEnded
}

// farewell writes the last that a client gets, and reads what it still sends for as long as is fair: else the system would
// reset the connection, and take the answer with it. It returns how much was written.
func farewell(nc net.Conn, text string) (n int) {
	_ = nc.SetDeadline(time.Now().Add(freshTimeout))
	n, err := io.WriteString(nc, text)
	w, ok := nc.(interface{ CloseWrite() error })
	if err == nil && ok && w.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, nc, 1<<20)
	}
	return n
}

const (
	// fileChunk is how much of a file goes to the system at a time.
	fileChunk = 1 << 20
	// slowChunk is that as long as it is not known how fast the client is.
	slowChunk = 128 << 10
)

// begin says that n bytes are going to be written, until end is called.
func (c *conn) begin(n int64) {
	c.writing.Add(1)
	c.allow(n)
}

func (c *conn) end(err error) {
	c.writing.Add(-1)
	if err != nil && err != io.EOF { // which is that of a file
		c.broken.Store(true)
	}
}

// allow gives the client its time for n bytes, if nobody watches it.
func (c *conn) allow(n int64) {
	config := &c.lane.config
	if config.MinRate <= 0 || c.handler.Load() || c.paced.Load() {
		return
	}
	need := config.Stall + timeFor(n, config.MinRate)
	now := c.lane.now()
	// To set a deadline costs as much as a tenth of a short answer: one that takes or gives half of what is granted will do.
	if by := c.writeBy.Load(); by != 0 && (time.Duration(by-now.UnixNano())-need).Abs() <= config.Stall/2 {
		return
	}
	by := now.Add(need)
	c.writeBy.Store(by.UnixNano())
	_ = c.Conn.SetWriteDeadline(by) // a connection that is closed needs none
}

// Write implements net.Conn for the http.Server.
func (c *conn) Write(p []byte) (int, error) {
	c.settle()
	c.begin(int64(len(p)))
	n, err := c.Conn.Write(p)
	c.end(err)
	if c.lane.config.Record != nil && c.begun.CompareAndSwap(false, true) {
		c.recordRefusal(p[:n])
	}
	return n, err
}

// recordRefusal records what the http.Server has answered to a request that it gave to no handler: a status line, a short
// header and a line of text, in one piece.
func (c *conn) recordRefusal(answer []byte) {
	version, rest, _ := bytes.Cut(answer, []byte(" "))
	code, _, _ := bytes.Cut(rest, []byte(" "))
	status, ok := decimal(code)
	_, body, whole := bytes.Cut(answer, []byte("\r\n\r\n"))
	if !ok || !whole || status < 400 || !bytes.HasPrefix(version, []byte("HTTP/1.")) {
		return
	}
	r := c.newRequest()
	r.parseLine(c.line)
	c.lane.config.Record(&r, int(status), int64(len(body)), c.lane.now(), 0)
}

// firstLine returns what there is of the first line of a head, up to what is worth keeping of it.
func firstLine(b []byte) []byte {
	line, _, _ := bytes.Cut(b[:min(len(b), maxLine)], []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r"))
}

// maxLine is how many bytes of the first line of a request are in the record of its refusal.
const maxLine = 1 << 10

// onDisk is a file that is read through something that bounds how many calls may wait for the disk.
type onDisk interface {
	Disk() (f *os.File, do func(func() error) error)
}

// ReadFrom is what the http.Server calls to send a file.
func (c *conn) ReadFrom(src io.Reader) (sum int64, err error) {
	c.settle()
	limited, ok := src.(*io.LimitedReader)
	if !ok || c.raw == nil {
		return c.copyFrom(src)
	}
	file, ok := limited.R.(onDisk)
	if !ok {
		return c.copyFrom(src)
	}
	if limited.N > slowChunk { // for less it does not pay
		cork.In(c.raw)
		defer cork.Out(c.raw)
	}
	f, do := file.Disk()
	quick, piped := false, true
	for chunk := int64(slowChunk); limited.N > 0; {
		began := time.Now()
		n, err := c.sendChunk(f, do, min(chunk, limited.N), quick)
		sum, limited.N = sum+n, limited.N-n
		if errors.Is(err, splice.ErrUnsupported) {
			piped, err = false, nil
		}
		quick = piped && chunk >= fileChunk && splice.Quick(n, time.Since(began))
		if chunk = min(fileChunk, 2*chunk); quick && c.paced.Load() {
			chunk = splice.Chunk // others have their time for each chunk
		}
		switch {
		case err == io.EOF:
			return sum, nil
		case err != nil:
			return sum, err
		}
	}
	return sum, nil
}

// sendChunk sends size bytes of a file, or fewer with an error, io.EOF at its end: by a pipe if the client takes them
// quickly and there is one.
func (c *conn) sendChunk(f *os.File, do func(func() error) error, size int64, quick bool) (sum int64, err error) {
	c.begin(size)
	defer func() { c.end(err) }()
	if quick {
		sum, err = c.sendPiped(f, do, size)
	}
	for sum < size && err == nil {
		var n int64
		n, err = c.sendFile(f, do, size-sum)
		sum += n
	}
	return sum, err
}

// sendPiped sends what it can, if there is a pipe.
func (c *conn) sendPiped(f *os.File, do func(func() error) error, most int64) (int64, error) {
	p := splice.Get()
	if p == nil {
		return 0, nil
	}
	defer splice.Put(p)
	return p.Send(c.raw, f, most, do)
}

const (
	readBlock = 32 << 10
	// gathered are eight records of TLS, each 16 KiB and at most 256 bytes that TLS 1.3 adds (RFC 8446 section 5.2).
	gathered = 8 * (16<<10 + 256)
)

// gatherer is a connection below TLS that can make one write of many.
type gatherer interface {
	Gather(buf []byte)
	Release() error
}

// copyFrom sends through a buffer, as TLS needs it. Of a file several records are sent at once: each by itself costs more to
// send than to encrypt. What comes from elsewhere may not come soon, and nothing waits for it.
func (c *conn) copyFrom(src io.Reader) (sum int64, err error) {
	block := c.lane.blocks.Get().(*[]byte)
	defer c.lane.blocks.Put(block)
	buf, most := (*block)[:readBlock], int64(readBlock)
	if g, ok := c.below().(gatherer); ok && isFile(src) {
		g.Gather((*block)[readBlock:])
		most = gathered
		defer func() {
			c.begin(most)
			releaseErr := g.Release()
			c.end(releaseErr)
			if err == nil {
				err = releaseErr
			}
		}()
	}
	for {
		n, readErr := src.Read(buf)
		if n > 0 {
			var written int
			c.begin(most)
			written, err = c.Conn.Write(buf[:n])
			c.end(err)
			sum += int64(written)
		}
		switch {
		case err != nil:
			return sum, err
		case readErr == io.EOF:
			return sum, nil
		case readErr != nil:
			return sum, readErr
		}
	}
}

// below is the connection that TLS writes to, or nil without TLS.
func (c *conn) below() net.Conn {
	if c.tls == nil {
		return nil
	}
	return c.tls.NetConn()
}

func isFile(src io.Reader) bool {
	if l, ok := src.(*io.LimitedReader); ok {
		src = l.R
	}
	_, ok := src.(onDisk)
	return ok
}

// SetWriteDeadline implements net.Conn for the http.Server and handlers, whose deadline goes before the least rate.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.handler.Store(!t.IsZero())
	c.writeBy.Store(0)
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}
