package daemon

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// lockHolder returns the process that holds the exclusive lock of flock(2) on the file, from proc_locks(5): 0 if none does,
// or one of another pid namespace. It reports false if the system does not tell.
func lockHolder(file *os.File) (pid int, ok bool) {
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return 0, false
	}
	keys := lockKeys(file)
	for line := range bytes.Lines(locks) {
		// 1: FLOCK  ADVISORY  WRITE 708 08:01:131 0 EOF
		field := strings.Fields(string(line))
		if len(field) < 6 || field[1] != "FLOCK" || field[3] != "WRITE" || (field[5] != keys[0] && field[5] != keys[1]) {
			continue
		}
		if pid, err := strconv.Atoi(field[4]); err == nil && pid > 0 {
			return pid, true
		}
	}
	return 0, true
}

// lockKeys returns how /proc/locks may name a file: device and inode as the file system has them inside, which fdinfo and
// mountinfo show (proc_pid_fdinfo(5), proc_pid_mountinfo(5)), and as stat(2) has them; they differ on btrfs and overlays.
func lockKeys(file *os.File) (keys [2]string) {
	var stat unix.Stat_t
	if unix.Fstat(int(file.Fd()), &stat) == nil {
		keys[0] = fmt.Sprintf("%02x:%02x:%d", unix.Major(stat.Dev), unix.Minor(stat.Dev), stat.Ino)
	}
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", file.Fd()))
	if err != nil {
		return keys
	}
	mount, inode := "", ""
	for line := range strings.Lines(string(info)) {
		switch name, value, _ := strings.Cut(line, ":"); name {
		case "mnt_id":
			mount = strings.TrimSpace(value)
		case "ino":
			inode = strings.TrimSpace(value)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || inode == "" { // before Linux 5.14
		return keys
	}
	for line := range bytes.Lines(mounts) {
		field := strings.Fields(string(line)) // 36 35 98:0 /mnt1 …
		if len(field) < 3 || field[0] != mount {
			continue
		}
		major, minor, _ := strings.Cut(field[2], ":")
		a, errA := strconv.Atoi(major)
		b, errB := strconv.Atoi(minor)
		if errA == nil && errB == nil {
			keys[1] = fmt.Sprintf("%02x:%02x:%s", a, b, inode)
		}
	}
	return keys
}
