//go:build !linux && !darwin && !freebsd

package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
)

func unsupported() error { return fmt.Errorf("%w on %s", errors.ErrUnsupported, runtime.GOOS) }

func listen(string, *Owner) (bound, error) { return bound{}, unsupported() }

func dial(context.Context, string) (net.Conn, error) { return nil, unsupported() }

func credentials(int) peer { return peer{err: unsupported()} }
