//go:build !linux

package ftp

import (
	"errors"
	"os"
)

func renameExclusive(*os.Root, string, string) error { return errors.ErrUnsupported }
