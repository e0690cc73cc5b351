package static

import (
	"context"
	"io"
	"os"
)

// disk is a file whose content is read through the pool, so that as many threads wait for a slow disk as the pool allows,
// however many clients there are.
type disk struct {
	*os.File
	size int64 // when it was looked at
	do   func(func() error) error
}

func (h *Handler) disk(ctx context.Context, res *resource) *disk {
	return &disk{res.file, res.info.Size(), func(fn func() error) error { return h.config.Pool.Do(ctx, fn) }}
}

// Seek implements io.Seeker. The end is where it was when the file was looked at, as the headers say: of one that grows,
// net/http would send more than its Content-Length.
func (d *disk) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekEnd {
		offset, whence = d.size+offset, io.SeekStart
	}
	return d.File.Seek(offset, whence)
}

// Read implements io.Reader.
func (d *disk) Read(p []byte) (n int, err error) {
	var readErr error
	err = d.do(func() error {
		n, readErr = d.File.Read(p)
		return nil
	})
	if err == nil {
		err = readErr
	}
	return n, err
}

// Disk lets a connection that can send files by itself do so; each call that may wait for the disk goes through do.
func (d *disk) Disk() (f *os.File, do func(func() error) error) {
	return d.File, d.do
}
