package main

import (
	"bufio"
	"encoding/binary"
	"net"
	"sync/atomic"
)

// records is a connection on which TLS 1.3 records arrive (RFC 8446 section 5.1). A Read ends with a record, so that nothing of
// the next one is taken by who wants no more. What is read is added up.
type records struct {
	net.Conn
	in       *bufio.Reader
	received *atomic.Int64
	left     int // of the record that has begun
}

const (
	headerLen = 5
	alertLen  = 2 + 1 + 16 // the alert, its type and what authenticates them
)

// next looks at the header of the record that comes, if none has begun.
func (r *records) next() error {
	if r.left > 0 {
		return nil
	}
	header, err := r.in.Peek(headerLen)
	if err == nil {
		r.left = headerLen + int(binary.BigEndian.Uint16(header[3:]))
	}
	return err
}

// Read implements net.Conn.
func (r *records) Read(p []byte) (int, error) {
	if err := r.next(); err != nil {
		return 0, err
	}
	n, err := r.in.Read(p[:min(len(p), r.left)])
	r.left -= n
	r.received.Add(int64(n))
	return n, err
}

// discard throws records away until one that is as short as an alert, which after a handshake is the server's good-bye.
func (r *records) discard() error {
	for {
		if err := r.next(); err != nil {
			return err
		}
		last := r.left == headerLen+alertLen
		n, err := r.in.Discard(r.left)
		r.left -= n
		r.received.Add(int64(n))
		if err != nil || last {
			return err
		}
	}
}
