package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/windows"
)

// Pidfile is a pidfile that this process holds. A nil *Pidfile is none. It is for one goroutine.
type Pidfile struct {
	name string
	file *os.File // nil after Release
}

// lockOffset is a byte far beyond the pid: a lock of LockFileEx keeps others from reading what it covers.
const lockOffset = 1 << 30

// Lock makes this process the owner of the pidfile at path and writes its pid there, digits and a newline. An empty path
// means no pidfile: the result is nil. A lock decides who owns the file, whatever it says: a file without a lock is stale,
// and note says in words what was replaced. It is empty if there was nothing. If another process holds the lock, the error
// is a *RunningError. The lock ends with Release, or with the process.
func Lock(path string) (*Pidfile, string, error) {
	if path == "" {
		return nil, "", nil
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, "", pidfileError(path, err)
	}
	_, statErr := os.Lstat(abs)
	file, err := os.OpenFile(abs, os.O_RDWR|os.O_CREATE, pidfileMode)
	if err != nil {
		return nil, "", pidfileError(path, directoryError(filepath.Dir(abs), err))
	}
	note, err := claim(path, file, statErr == nil)
	if err != nil {
		file.Close()
		return nil, "", err
	}
	return &Pidfile{name: path, file: file}, note, nil
}

func claim(path string, file *os.File, existed bool) (note string, err error) {
	held, err := lockRegion(file)
	if err != nil {
		return "", pidfileError(path, err)
	}
	content, err := readPidfile(file)
	if err != nil {
		return "", pidfileError(path, err)
	}
	if held {
		pid, _ := parsePID(content)
		return "", &RunningError{Path: path, PID: pid}
	}
	if existed {
		note = staleNote(path, content)
	}
	if err := file.Truncate(0); err != nil {
		return "", pidfileError(path, plain(err))
	}
	if _, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return "", pidfileError(path, plain(err))
	}
	return note, nil
}

func lockRegion(file *os.File) (held bool, err error) {
	region := windows.Overlapped{Offset: lockOffset}
	err = windows.LockFileEx(windows.Handle(file.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &region)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return true, nil
	}
	return false, err
}

// Release gives the pidfile up: it is emptied and removed. If it cannot be removed it stays, empty and unlocked, and the
// error says so. A second Release does nothing.
func (p *Pidfile) Release() error {
	if p == nil || p.file == nil {
		return nil
	}
	err := p.file.Truncate(0)
	name := p.file.Name()
	p.file.Close()
	p.file = nil
	// Windows does not remove a file that another process has opened meanwhile, so nobody loses a new pidfile here.
	if removeErr := os.Remove(name); removeErr != nil {
		return fmt.Errorf("pidfile %s: left empty: %w", p.name, plain(removeErr))
	}
	return err
}

// RemoveTemporary does nothing: Lock makes no temporary files here.
func RemoveTemporary(string, int) error { return nil }

// Probe says who holds the pidfile at path. The lock decides, never the pid: after a crash that may be another
// program's. A missing file, and an empty path, mean that nobody does. A PID of 0 must not be signalled.
func Probe(path string) (Owner, error) {
	if path == "" {
		return Owner{}, nil
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return Owner{}, nil
	}
	if err != nil {
		return Owner{}, pidfileError(path, plain(err))
	}
	defer file.Close()
	held, err := lockRegion(file)
	if err != nil {
		return Owner{}, pidfileError(path, err)
	}
	content, err := readPidfile(file)
	if err != nil {
		return Owner{}, pidfileError(path, err)
	}
	pid, _ := parsePID(content)
	return Owner{PID: pid, Running: held}, nil
}

// findProcess tells no names here.
func findProcess(pid int) (processState, string) {
	handle, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(pid))
	if err != nil {
		return processGone, ""
	}
	_ = windows.CloseHandle(handle)
	return processAlive, ""
}
