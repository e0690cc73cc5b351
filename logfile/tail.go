package logfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// pollInterval is how often a followed file is looked at. Polling works on every file system and needs one stat each time.
const pollInterval = 250 * time.Millisecond

// Tail copies the last n records of the log file at path to w; all of them if n is negative. A line that begins with a tab
// continues the record before it. Only as much of the file is read as is copied, and a block more.
//
// With follow it then copies what is added, until ctx is done, and returns nil. A file that is renamed is read to its end
// before the new one at path is begun; a file that became shorter is read from its start. What is written to a file that is
// rotated away twice within a quarter of a second may be missed.
func Tail(ctx context.Context, w io.Writer, path string, n int, follow bool) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for its writer
		return fmt.Errorf("log %q: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	t := &tail{w: w, path: path, file: f}
	defer func() { _ = t.file.Close() }()
	if info, err = f.Stat(); err != nil {
		return err
	}
	if t.offset, err = lastRecords(f, info.Size(), n); err != nil {
		return err
	}
	// Without follow the end is where the file ended at first, so that a busy writer cannot keep us here.
	if err := t.copy(ctx, info.Size()); err != nil || !follow {
		return whileGoing(ctx, err)
	}
	return whileGoing(ctx, t.follow(ctx))
}

// whileGoing turns the error that ctx caused into nil.
func whileGoing(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// tail is a place in a log file.
type tail struct {
	w      io.Writer
	path   string
	file   *os.File
	offset int64
}

func (t *tail) follow(ctx context.Context) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		if err := t.poll(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// poll copies what was added since the last time, wherever it went.
func (t *tail) poll(ctx context.Context) error {
	// The name is looked at before the old file is read: whatever was written to that before the new one was begun is then
	// in our hands.
	next, err := t.successor()
	if err != nil {
		return err
	}
	if err := t.rest(ctx); err != nil || next == nil {
		if next != nil {
			_ = next.Close()
		}
		return err
	}
	_ = t.file.Close()
	t.file, t.offset = next, 0
	return t.rest(ctx)
}

// rest copies from the offset to the present end of the file.
func (t *tail) rest(ctx context.Context) error {
	info, err := t.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() < t.offset {
		t.offset = 0
	}
	return t.copy(ctx, info.Size())
}

// successor opens the file that is at path now if it is another one; nil if not, or if there is none yet.
func (t *tail) successor() (*os.File, error) {
	now, err := os.Stat(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ours, err := t.file.Stat()
	if err != nil || os.SameFile(ours, now) || !now.Mode().IsRegular() {
		return nil, err
	}
	f, err := os.Open(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return f, err
}

// copy copies up to the offset end, a block at a time, so that ctx can end it.
func (t *tail) copy(ctx context.Context, end int64) error {
	for t.offset < end {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.Copy(t.w, io.NewSectionReader(t.file, t.offset, min(end-t.offset, tailBlock)))
		t.offset += n
		if err != nil || n == 0 { // 0: the file became shorter
			return err
		}
	}
	return nil
}

const tailBlock = 64 << 10

// lastRecords returns the offset at which the last n records of the first size bytes begin. It reads backwards, one block
// after the other.
func lastRecords(r io.ReaderAt, size int64, n int) (int64, error) {
	switch {
	case n < 0:
		return 0, nil
	case n == 0:
		return size, nil
	}
	block := make([]byte, tailBlock)
	var first byte // that follows the block; a newline at the very end begins no record
	last := true
	for end := size; end > 0; {
		start := max(end-tailBlock, 0)
		b := block[:end-start]
		if _, err := r.ReadAt(b, start); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		for rest := b; ; {
			i := bytes.LastIndexByte(rest, '\n')
			if i < 0 {
				break
			}
			if i+1 < len(b) {
				first, last = b[i+1], false
			}
			if !last && first != '\t' {
				if n--; n == 0 {
					return start + int64(i) + 1, nil
				}
			}
			rest = b[:i]
		}
		first, last = b[0], false
		end = start
	}
	return 0, nil
}
