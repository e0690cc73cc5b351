package daemon

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	// pidfileMode lets everybody read: monitoring and `gtwistd status` run under other accounts, and the pid is no secret.
	pidfileMode = 0o644
	// maxPidfile is the largest file that is taken for a pidfile, in bytes. Anything larger is somebody's data under a
	// mistyped name, and is not replaced.
	maxPidfile = 64
	// lockPatience is how long a held lock is looked at when the pid beside it cannot be its owner's: then its owner is just
	// starting or stopping.
	lockPatience = 2 * time.Second
	lockPause    = 10 * time.Millisecond
	// plausibleLooks is how often a held lock is seen before the pid beside it is believed: a probe holds the lock of a
	// stale file for a moment.
	plausibleLooks = 3
)

// Owner is who holds a pidfile.
type Owner struct {
	PID     int    // what the file says; 0 if it names no process, or while Running if it is not known to name the holder
	Running bool   // whether a process holds the lock
	Note    string // why PID is 0 while Running, if there is more to say; otherwise empty
}

// RunningError says that another process holds the pidfile.
type RunningError struct {
	Path string
	PID  int    // 0 if it is not known: that process is starting or stopping, or lives in another pid namespace
	Note string // as in Owner
}

// Error implements error.
func (e *RunningError) Error() string {
	switch {
	case e.PID == 0 && e.Note != "":
		return fmt.Sprintf("pidfile %s: already running, its pid is not known: %s", e.Path, e.Note)
	case e.PID == 0:
		return fmt.Sprintf("pidfile %s: already running, its pid is not known", e.Path)
	}
	return fmt.Sprintf("pidfile %s: already running, pid %d", e.Path, e.PID)
}

// readPidfile refuses what is too long to be a pidfile.
func readPidfile(file *os.File) (string, error) {
	content := make([]byte, maxPidfile+1)
	n, err := file.ReadAt(content, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", plain(err)
	}
	if n > maxPidfile {
		return "", failuref(os.ErrExist, "remove it or name another file", "it holds something else than a process id")
	}
	return string(content[:n]), nil
}

// parsePID reads the content of a pidfile: digits, perhaps with white space around them.
func parsePID(content string) (int, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(content), 10, 31)
	return int(n), err == nil && n > 0
}

// staleNote says in words why the content of an unlocked pidfile names no owner.
func staleNote(path, content string) string {
	text := strings.TrimSpace(content)
	pid, ok := parsePID(content)
	reason := ""
	switch {
	case text == "":
		return fmt.Sprintf("replacing empty pidfile %s", path)
	case !ok && isNumber(strings.TrimPrefix(text, "-")):
		reason = text + " is not a process id"
	case !ok:
		reason = fmt.Sprintf("%q is not a process id", text)
	case pid == os.Getpid():
		reason = fmt.Sprintf("pid %d is this process now", pid)
	default:
		reason = processNote(pid)
	}
	return fmt.Sprintf("removing stale pidfile %s: %s", path, reason)
}

func processNote(pid int) string {
	state, name := findProcess(pid)
	switch {
	case state == processGone:
		return fmt.Sprintf("pid %d is not running", pid)
	case state == processZombie:
		return fmt.Sprintf("pid %d is a zombie", pid)
	case name == "":
		return fmt.Sprintf("pid %d is another process", pid)
	}
	return fmt.Sprintf("pid %d is another process, %s", pid, name)
}

// plausible reports whether the process that content names can hold a lock.
func plausible(content string) bool {
	pid, ok := parsePID(content)
	if !ok {
		return false
	}
	state, _ := findProcess(pid)
	return state == processAlive
}

type processState int

const (
	processGone processState = iota
	processZombie
	processAlive
)

func pidfileError(path string, err error) error { return fmt.Errorf("pidfile %s: %w", path, err) }

// directoryError says what can be wrong with the directory of a pidfile.
func directoryError(dir string, err error) error {
	info, statErr := os.Stat(dir)
	switch {
	case errors.Is(statErr, os.ErrNotExist):
		return failuref(err, "", "directory %s does not exist", dir)
	case statErr == nil && !info.IsDir():
		return failuref(err, "", "%s is not a directory", dir)
	}
	return failuref(err, "", "directory %s: %v", dir, plain(err))
}

// plain takes the operation and the path off an error, for a text that names them itself.
func plain(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	var link *os.LinkError
	if errors.As(err, &link) {
		return link.Err
	}
	return err
}
