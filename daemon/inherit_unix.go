//go:build unix

package daemon

import (
	"fmt"
	"os"
	"sort"
	"strconv"

	"golang.org/x/sys/unix"
)

// scanLimit bounds the search for descriptors where the system does not list them.
const scanLimit = 8192

// inheritable returns the open descriptors from 3 without close-on-exec. At the start of a process these are exactly
// those that came with it, since Go opens its own with close-on-exec.
func inheritable() []int {
	var list []int
	for _, fd := range openDescriptors() {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			list = append(list, fd)
		}
	}
	sort.Ints(list)
	return list
}

func openDescriptors() []int {
	var list []int
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		for fd := firstInherited; fd < scanLimit; fd++ {
			list = append(list, fd)
		}
		return list
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd >= firstInherited {
			list = append(list, fd)
		}
	}
	return list
}

// TakeInherited takes charge of all descriptors from 3 that came with the process: they become close-on-exec, so that
// no child of this process gets them by accident, and those of a service manager get their names. Call it once, right
// after Detached and before a process is started. The variables LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES are removed
// in any case.
func TakeInherited(parent *Parent) *Inherited {
	in := &Inherited{open: map[int]bool{}}
	for _, fd := range inheritable() {
		unix.CloseOnExec(fd)
		in.open[fd] = true
	}
	pids := []int{os.Getpid()}
	if parent != nil {
		pids = append(pids, parent.pid)
	}
	in.systemd, in.err = listenFDs(os.Getenv, pids...)
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		_ = os.Unsetenv(name)
	}
	for _, named := range in.systemd {
		if !in.open[named.FD] {
			in.err = fmt.Errorf("LISTEN_FDS=%d: descriptor %d is not open", len(in.systemd), named.FD)
			in.systemd = nil
			break
		}
	}
	return in
}

// File returns a duplicate of the descriptor, close-on-exec, which the caller closes. It reports false if fd did not come
// with the process, so a descriptor that the program itself opened cannot be reached, or after CloseRest.
func (in *Inherited) File(fd int) (*os.File, bool) {
	if in == nil {
		return nil, false
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.open[fd] {
		return nil, false
	}
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, firstInherited)
	if err != nil {
		return nil, false
	}
	return os.NewFile(uintptr(dup), "fd:"+strconv.Itoa(fd)), true
}

// CloseRest closes all descriptors that came with the process; files from File stay open. Call it when all endpoints are bound.
func (in *Inherited) CloseRest() {
	if in == nil {
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	for fd := range in.open {
		_ = unix.Close(fd)
	}
	clear(in.open)
}
