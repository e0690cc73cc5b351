//go:build !linux

package ftp

import (
	"errors"
	"os"
	"syscall"
)

// pipe is not to be had.
type pipe struct{}

func newPipe(int) (*pipe, error) { return nil, errors.ErrUnsupported }

func (*pipe) fill(syscall.RawConn, int) (int, error) { return 0, errors.ErrUnsupported }

func (*pipe) drain(*os.File, int) (int, error) { return 0, errors.ErrUnsupported }

func (*pipe) close() {}
