//go:build !linux

package splice

import (
	"errors"
	"os"
	"syscall"
)

// Pipe is not to be had.
type Pipe struct{}

// New returns errors.ErrUnsupported.
func New(int) (*Pipe, error) { return nil, errors.ErrUnsupported }

// Close does nothing.
func (*Pipe) Close() {}

// Send returns errors.ErrUnsupported.
func (*Pipe) Send(syscall.RawConn, *os.File, int64, func(func() error) error) (int64, error) {
	return 0, errors.ErrUnsupported
}

// ReadConn returns errors.ErrUnsupported.
func (*Pipe) ReadConn(syscall.RawConn, int) (int, error) { return 0, errors.ErrUnsupported }

// WriteFile returns errors.ErrUnsupported.
func (*Pipe) WriteFile(*os.File, int) (int, error) { return 0, errors.ErrUnsupported }

func (*Pipe) isEmpty() bool { return true }

func descriptors() int { return 0 }
