//go:build !linux

package splice

import (
	"os"
	"syscall"
)

// Pipe is not to be had.
type Pipe struct{}

// New returns ErrUnsupported.
func New(int) (*Pipe, error) { return nil, ErrUnsupported }

// Close does nothing.
func (*Pipe) Close() {}

// Send returns ErrUnsupported.
func (*Pipe) Send(syscall.RawConn, *os.File, int64, func(func() error) error) (int64, error) {
	return 0, ErrUnsupported
}

// ReadConn returns ErrUnsupported.
func (*Pipe) ReadConn(syscall.RawConn, int) (int, error) { return 0, ErrUnsupported }

// WriteFile returns ErrUnsupported.
func (*Pipe) WriteFile(*os.File, int) (int, error) { return 0, ErrUnsupported }

func (*Pipe) isEmpty() bool { return true }

func descriptors() int { return 0 }
