//go:build unix

package daemon

import (
	"bufio"
	"errors"
	"io"
	"time"
)

const (
	// maxLine is the longest piece that is delivered as one line, in bytes.
	maxLine = 64 << 10
	// maxPipe is the most that a pipe is asked to hold, in bytes.
	maxPipe = 1 << 20
	// linger is how long Close waits for writers other than this process.
	linger = 500 * time.Millisecond
)

// deliver calls fn for each line of r until its end, without the line end. Empty lines are left out: each line becomes a
// log record, and an empty record says nothing. A longer line than maxLine comes in pieces.
func deliver(r io.Reader, fn func(line []byte)) {
	buf := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := buf.ReadSlice('\n')
		if n := len(line); n > 0 && line[n-1] == '\n' {
			line = line[:n-1]
		}
		if n := len(line); n > 0 && line[n-1] == '\r' && !errors.Is(err, bufio.ErrBufferFull) {
			line = line[:n-1]
		}
		if len(line) > 0 {
			fn(line)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}
