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
func New() (*Pipe, error) { return nil, errors.ErrUnsupported }

// Close does nothing.
func (*Pipe) Close() {}

// ReadFile returns errors.ErrUnsupported.
func (*Pipe) ReadFile(*os.File, int) (int, error) { return 0, errors.ErrUnsupported }

// ReadConn returns errors.ErrUnsupported.
func (*Pipe) ReadConn(syscall.RawConn, int) (int, error) { return 0, errors.ErrUnsupported }

// WriteFile returns errors.ErrUnsupported.
func (*Pipe) WriteFile(*os.File, int) (int, error) { return 0, errors.ErrUnsupported }

// WriteConn returns errors.ErrUnsupported.
func (*Pipe) WriteConn(syscall.RawConn) (int, error) { return 0, errors.ErrUnsupported }
