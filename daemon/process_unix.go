//go:build unix

package daemon

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// findProcess says whether a process lives, and its name where /proc tells (proc_pid_stat(5)).
func findProcess(pid int) (processState, string) {
	if err := unix.Kill(pid, 0); errors.Is(err, unix.ESRCH) {
		return processGone, ""
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndex(stat, []byte(") "))
	if err != nil || open < 0 || end < open || end+2 >= len(stat) {
		return processAlive, ""
	}
	if state := stat[end+2]; state == 'Z' || state == 'X' {
		return processZombie, ""
	}
	return processAlive, string(stat[open+1 : end])
}

// ownerName returns the name or number of the user that a file belongs to.
func ownerName(info fs.FileInfo) string {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "somebody else"
	}
	uid := strconv.FormatUint(uint64(stat.Uid), 10)
	if account, err := user.LookupId(uid); err == nil {
		return account.Username
	}
	return "uid " + uid
}

func kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "directory"
	case mode&fs.ModeSymlink != 0:
		return "symbolic link"
	case mode&fs.ModeNamedPipe != 0:
		return "named pipe"
	case mode&fs.ModeSocket != 0:
		return "socket"
	}
	return "device"
}
