package static

import (
	"context"
	"os"
)

// disk is a file whose content is read through the pool, so that as many threads wait for a slow disk as the pool allows,
// however many clients there are.
type disk struct {
	*os.File
	do func(func() error) error
}

func (h *Handler) disk(ctx context.Context, f *os.File) *disk {
	return &disk{f, func(fn func() error) error { return h.config.Pool.Do(ctx, fn) }}
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
