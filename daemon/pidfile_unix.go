//go:build unix

package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxRounds bounds what starts over because the file at the path changed meanwhile. Each time somebody else got on, so
// only malice can reach it.
const maxRounds = 1000

var errUnsteady = errors.New("it changes all the time")

// Pidfile is a pidfile that this process holds. A nil *Pidfile is none. It is for one goroutine.
type Pidfile struct {
	name   string   // as the caller gave it, for texts
	path   string   // absolute
	file   *os.File // carries the lock; nil after Release
	placed bool     // the empty file at path was our own
}

// Lock makes this process the owner of the pidfile at path and writes its pid there, digits and a newline. An empty path
// means no pidfile: the result is nil. The lock of flock(2) decides who owns the file, whatever it says: a file without
// a lock is stale, and note says in words what was replaced. It is empty if there was nothing.
//
// If another process holds the lock, the error is a *RunningError. A directory, symbolic link or anything else that is not
// a regular file is refused, and so is a file of more than 64 bytes. The lock ends with Release, or with the process;
// children do not inherit it.
//
// The file comes into being complete and locked: it is prepared under a temporary name beside path, and then linked to
// path if nothing is there, or renamed over a stale file whose lock we hold. So no one sees half a file, and of many
// that start at once one wins.
func Lock(path string) (*Pidfile, string, error) {
	if path == "" {
		return nil, "", nil
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, "", pidfileError(path, err)
	}
	p := &Pidfile{name: path, path: abs}
	note, err := p.lock()
	if err != nil {
		p.discard()
		return nil, "", err
	}
	return p, note, nil
}

func (p *Pidfile) lock() (note string, err error) {
	for range maxRounds {
		seen, err := p.waitForLock()
		if err != nil {
			return "", err
		}
		won, err := p.take(seen)
		seen.close()
		if err != nil {
			return "", pidfileError(p.name, err)
		}
		if seen.file != nil && !p.placed {
			note = staleNote(p.name, seen.content)
		}
		if won {
			return note, nil
		}
	}
	return "", pidfileError(p.name, errUnsteady)
}

func (p *Pidfile) discard() {
	if p.file != nil {
		p.file.Close()
		p.file = nil
	}
}

// waitForLock returns when nothing is at the path, or a stale file whose lock we hold.
func (p *Pidfile) waitForLock() (sighting, error) {
	start := time.Now()
	for looks := 1; ; looks++ {
		seen, err := look(p.path, unix.LOCK_EX)
		if err != nil {
			return sighting{}, pidfileError(p.name, err)
		}
		if !seen.held {
			return seen, nil
		}
		pid, note, final := seen.holder()
		seen.close()
		if (final && looks >= plausibleLooks) || time.Since(start) > patience(note) {
			return sighting{}, &RunningError{Path: p.name, PID: pid, Note: note}
		}
		time.Sleep(lockPause)
	}
}

// take puts our file at the path. It reports false if another process was faster.
func (p *Pidfile) take(seen sighting) (bool, error) {
	temp, err := p.prepare()
	if err != nil {
		return false, err
	}
	defer os.Remove(temp) // gone already after a rename
	if seen.file != nil {
		if err = os.Rename(temp, p.path); err != nil {
			return false, fmt.Errorf("stale, but cannot be replaced: %w", plain(err))
		}
		return p.owns(), nil
	}
	switch err = os.Link(temp, p.path); {
	case err == nil:
		return p.owns(), nil
	case errors.Is(err, os.ErrExist):
		return false, nil
	}
	// This file system has no hard links (FAT, some network and shared folders). An empty file in its place is a stale one to
	// everybody, and the next round replaces it like any other.
	empty, err := os.OpenFile(p.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, pidfileMode)
	if errors.Is(err, os.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, plain(err)
	}
	p.placed = true
	return false, empty.Close()
}

// prepare makes a new locked file with our pid under a temporary name, in place of one from an earlier round.
func (p *Pidfile) prepare() (temp string, err error) {
	p.discard()
	dir, _ := filepath.Split(p.path)
	p.file, err = os.CreateTemp(dir, tempPrefix(p.path, os.Getpid())+"*")
	if err != nil {
		return "", directoryError(filepath.Clean(dir), err)
	}
	temp = p.file.Name()
	defer func() {
		if err != nil {
			os.Remove(temp)
		}
	}()
	if err = flock(p.file, unix.LOCK_EX); err != nil {
		return "", failuref(err, "put it elsewhere, or have none: --pidfile ''", "this file system has no locks: %v", err)
	}
	if _, err = p.file.WriteString(strconv.Itoa(os.Getpid()) + "\n"); err != nil {
		return "", plain(err)
	}
	_ = p.file.Chmod(pidfileMode) // where there are no modes there is nothing to open up
	return temp, nil
}

// tempPrefix is what the names of the temporary files of a process begin with; digits follow.
func tempPrefix(path string, pid int) string {
	return fmt.Sprintf(".%.100s.%d.", filepath.Base(path), pid)
}

// RemoveTemporary removes what a process with that pid, which is over, has left beside the pidfile at path because it was
// killed in Lock. Only regular files of this user are removed, by the exact form of their names.
func RemoveTemporary(path string, pid int) error {
	if path == "" || pid <= 0 {
		return nil
	}
	dir := filepath.Dir(path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return pidfileError(path, err)
	}
	var errs []error
	for _, e := range entries {
		random, ours := strings.CutPrefix(e.Name(), tempPrefix(path, pid))
		if !ours || !isNumber(random) || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue // gone by itself
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); !ok || int(stat.Uid) != unix.Geteuid() {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, pidfileError(path, err))
		}
	}
	return errors.Join(errs...)
}

// owns reports whether the path names the file that we hold.
func (p *Pidfile) owns() bool { return names(p.path, p.file) }

func names(path string, file *os.File) bool {
	ours, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(path)
	return err == nil && os.SameFile(ours, there)
}

// Release gives the pidfile up: it is emptied and removed under the lock, so that whoever reads it never finds a pid
// that is not running. If it cannot be removed, because privileges were dropped or the root directory was changed, it
// stays, empty and unlocked, and the error says so. A file that somebody else removed or replaced is left alone. A
// second Release does nothing.
func (p *Pidfile) Release() error {
	if p == nil || p.file == nil {
		return nil
	}
	defer p.discard()
	if err := p.file.Truncate(0); err != nil {
		return pidfileError(p.name, plain(err))
	}
	if p.owns() {
		if err := os.Remove(p.path); err != nil {
			return fmt.Errorf("pidfile %s: left empty: %w", p.name, plain(err))
		}
		return nil
	}
	var stat unix.Stat_t
	if err := unix.Fstat(int(p.file.Fd()), &stat); err == nil && stat.Nlink > 0 {
		return fmt.Errorf("pidfile %s: left empty: out of reach", p.name)
	}
	return nil
}

// Probe says who holds the pidfile at path. The lock decides, never the pid: after a crash that may be another
// program's. A missing file, and an empty path, mean that nobody does.
//
// A PID of 0 must not be signalled. Whoever can write to a pidfile could name any process in it, so while the lock is held
// PID is what the file says only if on Linux that process holds the lock. Where the system does not tell, the file must belong
// to this user or to root.
func Probe(path string) (Owner, error) {
	if path == "" {
		return Owner{}, nil
	}
	start := time.Now()
	for {
		seen, err := look(path, unix.LOCK_SH)
		if err != nil {
			return Owner{}, pidfileError(path, err)
		}
		if !seen.held {
			seen.close()
			pid, _ := parsePID(seen.content)
			return Owner{PID: pid}, nil
		}
		pid, note, final := seen.holder()
		seen.close()
		if final || time.Since(start) > patience(note) {
			return Owner{PID: pid, Running: true, Note: note}, nil
		}
		time.Sleep(lockPause)
	}
}

// sighting is what look found at a path.
type sighting struct {
	file    *os.File // nil if nothing is there; it carries our lock unless held
	held    bool     // whether another process holds the lock
	content string
}

func (s sighting) close() {
	if s.file != nil {
		s.file.Close()
	}
}

// holder returns the pid in the file if it is the one of the process that holds the lock, otherwise 0 and perhaps
// why. It is not final while that process may be starting or stopping, which changes the file.
func (s sighting) holder() (pid int, note string, final bool) {
	if !plausible(s.content) {
		return 0, "", false
	}
	said, _ := parsePID(s.content)
	switch holds, ok := lockHolder(s.file); {
	case !ok && s.trusted():
		return said, "", true
	case !ok:
		return 0, "it belongs to another user, who may have named any process in it", true
	case holds == 0:
		return 0, "", false
	case holds != said:
		return 0, fmt.Sprintf("pid %d holds the lock, but the file says %d", holds, said), false
	}
	return said, "", true
}

// patience is how long to look at a lock whose holder is not known. A file that names another process than the one that
// holds the lock is about to be replaced, which takes an instant, or was made so.
func patience(note string) time.Duration {
	if note != "" {
		return lockPatience / 4
	}
	return lockPatience
}

// trusted reports whether nobody but this user and root could open the file for writing before it was locked.
func (s sighting) trusted() bool {
	var stat unix.Stat_t
	err := unix.Fstat(int(s.file.Fd()), &stat)
	return err == nil && (stat.Uid == 0 || int(stat.Uid) == unix.Geteuid()) && stat.Mode&0o022 == 0
}

// look opens the file at path, tries its lock and reads it. What it returns was the file at path after the lock was
// tried.
func look(path string, how int) (sighting, error) {
	for range maxRounds {
		info, err := os.Lstat(path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
			return sighting{}, nil
		}
		if err != nil {
			return sighting{}, plain(err)
		}
		if !info.Mode().IsRegular() {
			return sighting{}, fmt.Errorf("it is a %s, not a regular file", kind(info.Mode()))
		}
		file, err := openPidfile(path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ELOOP) {
			continue
		}
		if err != nil {
			return sighting{}, failuref(err, "", "%v (it belongs to %s, mode %04o)", plain(err), ownerName(info), info.Mode().Perm())
		}
		seen, err := examine(file, how)
		if err != nil {
			file.Close()
			return sighting{}, err
		}
		if names(path, file) {
			return seen, nil
		}
		file.Close()
	}
	return sighting{}, errUnsteady
}

// openPidfile opens for writing if it may, because over NFS an exclusive lock needs that (flock(2)).
func openPidfile(path string) (*os.File, error) {
	const flags = unix.O_NOFOLLOW | unix.O_NONBLOCK
	file, err := os.OpenFile(path, os.O_RDWR|flags, 0)
	if errors.Is(err, os.ErrPermission) || errors.Is(err, unix.EROFS) {
		return os.OpenFile(path, os.O_RDONLY|flags, 0)
	}
	return file, err
}

func examine(file *os.File, how int) (sighting, error) {
	err := flock(file, how)
	seen := sighting{file: file, held: errors.Is(err, unix.EWOULDBLOCK)}
	if err != nil && !seen.held {
		return sighting{}, fmt.Errorf("lock: %w", err)
	}
	if seen.content, err = readPidfile(file); err != nil {
		return sighting{}, err
	}
	return seen, nil
}

func flock(file *os.File, how int) error {
	for {
		if err := unix.Flock(int(file.Fd()), how|unix.LOCK_NB); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
