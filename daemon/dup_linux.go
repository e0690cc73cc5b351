package daemon

import "golang.org/x/sys/unix"

// dup2 makes fd another name of old, open across exec. Not every Linux has the system call dup2.
func dup2(old, fd int) error { return unix.Dup3(old, fd, 0) }

// growPipe lets a pipe hold a long crash trace: while the runtime prints one, nobody reads. One mebibyte is what
// an ordinary user may ask for (pipe(7), pipe-max-size).
func growPipe(fd int) { _, _ = unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, 1<<20) }
