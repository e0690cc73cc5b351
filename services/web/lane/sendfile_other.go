//go:build !linux

package lane

import (
	"io"
	"net"
	"os"
)

// sendFile leaves the work to package net, which knows how this system does it.
func (c *conn) sendFile(f *os.File, _ func(func() error) error, n int64) (sent int64, err error) {
	to, ok := c.Conn.(io.ReaderFrom)
	if !ok {
		return 0, net.ErrClosed // see canSend
	}
	if sent, err = to.ReadFrom(&io.LimitedReader{R: f, N: n}); sent == 0 && err == nil {
		err = io.EOF
	}
	return sent, err
}
