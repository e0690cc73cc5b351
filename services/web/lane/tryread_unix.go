//go:build unix

package lane

import (
	"io"
	"syscall"
)

const canTryRead = true

// tryRead reads what there is on a socket that does not block. False means that there is nothing yet.
func (c *conn) tryRead(fd uintptr) bool {
	buf := c.lane.buffers.Get().(*[]byte)
	n, err := syscall.Read(int(fd), *buf)
	for err == syscall.EINTR {
		n, err = syscall.Read(int(fd), *buf)
	}
	if n > 0 {
		c.buf, c.r, c.w, c.readErr = buf, 0, n, nil
		return true
	}
	c.lane.buffers.Put(buf)
	switch {
	case err == syscall.EAGAIN:
		return false
	case err == nil:
		err = io.EOF
	}
	c.readErr = err
	return true
}
