//go:build unix

package ftp

import "syscall"

// nonblock lets open return at once from a FIFO that nobody writes to (open(2)). It means nothing to regular files.
const nonblock = syscall.O_NONBLOCK
