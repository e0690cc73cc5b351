//go:build unix

package regular

import "syscall"

// Nonblock lets open return at once from a FIFO that nobody writes to (open(2)). It means nothing to regular files.
const Nonblock = syscall.O_NONBLOCK
