// Package logfile is the log of gtwistd: a File that starts anew each day, and an Observer that formats records and
// hands them to it without ever making a service wait.
//
// Who owns what: a File owns the descriptor and the rotated files beside it, and its Run method the timer; an Observer
// owns one goroutine, which alone writes to the file.
//
//	file, err := logfile.Open("gtwistd.log", logfile.Options{Keep: 30 * 24 * time.Hour, Compress: true})
//	observer := logfile.NewObserver(file, logfile.ObserverOptions{Fallback: os.Stderr})
//	observer.Logger("web").Info("listening", "port", 8080)
//	// 2026-11-20T09:16:43+0000 [web#info] listening port=8080
package logfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"gopkg.in/natefinch/lumberjack.v2"
)

var _ io.WriteCloser = (*File)(nil)

// Options says when a log file is rotated and what becomes of rotated files. The zero value rotates at local midnight
// and keeps everything as it is for ever.
type Options struct {
	// Keep is the age at which rotated files are removed; 0 means never.
	Keep time.Duration
	// MaxTotal is how many bytes all rotated files may have together, the compressed ones as they lie on disk; the
	// oldest are removed first. 0 means no limit.
	MaxTotal int64
	// RotateSize rotates before midnight when a write would take the live file beyond that many bytes; 0 means never.
	RotateSize int64
	// Compress makes rotated files .gz files, about a minute after the rotation.
	Compress bool
	// Mode is the mode of a file that Open creates, whatever the umask is; 0 means 0600. After a rotation the new file
	// has mode and owner of the old one.
	Mode fs.FileMode
	// User is the user that the process will become: as root, Open accepts files of that user too. 0 means none.
	User int
	// Now is the clock; the location of what it returns is the local time zone. Nil means time.Now.
	Now func() time.Time
	// Warn is told, once for each kind of trouble until that heals, what the file cannot do: rotate, reopen, remove old
	// files. It is called without a lock held, possibly from inside Write, so it must not wait for a Write: the Warn
	// method of a logger on top of this file is fine. Nil means that nobody is told.
	Warn func(msg string, args ...any)
	// OnOpen is called with the live file by Open and after each rotation or reopening, so that a duplicate can be made
	// of its descriptor (debug.SetCrashOutput does). The callee neither closes nor keeps it, and calls no method of File.
	// On Windows it is also called with nil before a rotation: an open duplicate would forbid the renaming.
	OnOpen func(*os.File)
}

// File is a log file that starts anew each day: at local midnight it is renamed to the day that it holds
// (gtwistd-2026-11-20T23-59-59.999.log) and a new one is begun. Devices, pipes and terminals are written to and never
// renamed. Everything is appended (O_APPEND), so several processes may write to one path: the one that comes first rotates
// and the others follow. All methods are safe for concurrent use.
type File struct {
	o       Options
	name    string // absolute, as given
	created bool

	mu      sync.Mutex
	path    string      // where the file is now: symbolic links resolved, inside the root after Chroot
	file    *os.File    // nil after Close, and while a pipe has no reader
	info    fs.FileInfo // of file, for its identity
	place   place       // of file
	follow  bool        // path can be renamed and opened anew
	outside bool        // Chroot left the path behind
	wrote   int64       // how many bytes of file are ours
	torn    bool        // the last write ended in the middle of a line
	closed  bool
	day     int       // the civil day that the file holds, as 20261120
	retry   time.Time // a rotation that failed is not tried again before
	mine    map[string]bool
	said    map[string]bool
	notes   []note

	sweeper sweeper            // belongs to Run
	mill    *lumberjack.Logger // belongs to Run
}

// failure is an error in our own words that still wraps its cause, perhaps with a hint.
type failure struct {
	text  string
	hint  string
	cause error
}

func (f *failure) Error() string { return f.text }
func (f *failure) Hint() string  { return f.hint }
func (f *failure) Unwrap() error { return f.cause }

type note struct {
	msg  string
	args []any
}

// Open returns the log file at path, creating it with o.Mode if there is none. A file that holds an earlier day, by its
// time of modification, is rotated at once. The error wraps fs.ErrPermission or fs.ErrNotExist where they apply; a pipe that
// nobody reads is an error. So is, for root, what somebody may have put there to have root write elsewhere: in a directory that
// others can write to, a symbolic link, a file with several names, or one that belongs neither to root nor to the owner of
// the directory nor to o.User. The caller closes the file.
func Open(path string, o Options) (*File, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Mode == 0 {
		o.Mode = 0o600
	}
	name, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("log file %q: %w", path, err)
	}
	f := &File{o: o, name: name, path: name, mine: map[string]bool{}, said: map[string]bool{}}
	f.mu.Lock()
	defer f.unlock()
	file, p, err := openSafely(name, o.Mode, o.User)
	if err != nil {
		return nil, fmt.Errorf("log file: %w", err)
	}
	f.created = p.created
	if err := f.adopt(file, p); err != nil {
		return nil, fmt.Errorf("log file: %w", err)
	}
	f.follow = f.info.Mode().IsRegular() && !special(name)
	if real, err := filepath.EvalSymlinks(name); err == nil && f.follow {
		f.path = real
	}
	f.rotateIfDue(0)
	return f, nil
}

// special reports whether a path names an open descriptor rather than a file of the user: a shell's "> out" seen
// through /dev/stdout is not ours to rename.
func special(path string) bool {
	return strings.HasPrefix(path, "/dev/") && !strings.HasPrefix(path, "/dev/shm/") || strings.HasPrefix(path, "/proc/")
}

// Path returns the absolute path that Open was given, even after Chroot.
func (f *File) Path() string { return f.name }

// Discard closes the file and removes it again if Open created it and nobody else has written to it since: a start that
// fails leaves nothing behind, but takes no line of another process away. A file whose directory this process may not write to
// any more stays.
func (f *File) Discard() error {
	err := f.Close()
	f.mu.Lock()
	defer f.unlock()
	info, missing := os.Lstat(f.path)
	if !f.created || missing != nil || !os.SameFile(info, f.info) || info.Size() != f.wrote {
		return err
	}
	if removed := os.Remove(f.path); !errors.Is(removed, fs.ErrPermission) {
		err = errors.Join(err, removed)
	}
	return err
}

// Write appends p, which is one or more whole lines. It first follows a file that was moved away and rotates if a
// new day has begun. An error, with the number of bytes that were written, means that lines are lost: the disk is full, or the
// file was deleted and cannot be created again. The next Write tries anew.
func (f *File) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.unlock()
	if f.closed {
		return 0, fmt.Errorf("log file %q: %w", f.name, fs.ErrClosed)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if err := f.present(); err != nil {
		return 0, err
	}
	f.rotateIfDue(int64(len(p)))
	if f.file == nil {
		return 0, fmt.Errorf("log file %q: %w", f.name, fs.ErrClosed)
	}
	return f.write(p)
}

func (f *File) write(p []byte) (int, error) {
	if f.torn {
		if _, err := f.file.Write([]byte{'\n'}); err != nil {
			return 0, err
		}
		f.wrote++
		f.torn = false
	}
	n, err := f.file.Write(p)
	f.wrote += int64(n)
	f.torn = err != nil && n > 0 && p[n-1] != '\n'
	if err != nil && !f.info.Mode().IsRegular() && brokenPipe(err) {
		f.file.Close()
		f.file, f.torn = nil, false
	}
	return n, err
}

// Rotate begins a new file now. The old one is renamed to the day that it holds, or to this moment if that is today. An
// empty file stays. Devices, pipes and terminals are left alone.
func (f *File) Rotate() error {
	f.mu.Lock()
	defer f.unlock()
	if f.closed {
		return fmt.Errorf("log file %q: %w", f.name, fs.ErrClosed)
	}
	if f.outside {
		return fmt.Errorf("log file %q: outside the root directory of the process: %w", f.name, fs.ErrPermission)
	}
	if !f.follow {
		return nil
	}
	return f.rotate(f.o.Now())
}

// Close closes the descriptor. Rotated files that wait for compression are compressed by the next process that has the
// file open.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}

// Run rotates at local midnight, compresses and removes rotated files, until ctx is done. It looks at the clock at least
// once a minute, so that a suspended machine or a clock that was set costs no more than that. Call it once, after Chroot, when
// the process has given up its rights: whether they suffice for rotation is told at once, and not at midnight.
func (f *File) Run(ctx context.Context) {
	f.inspect()
	timer := time.NewTimer(f.tick())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			timer.Reset(f.tick())
		}
	}
}

// warn queues one message about a kind of trouble, unless it was told before and has not healed since.
func (f *File) warn(kind, msg string, args ...any) {
	if f.said[kind] || f.o.Warn == nil {
		return
	}
	f.said[kind] = true
	f.notes = append(f.notes, note{msg, args})
}

// unlock tells what was queued, without the lock: Warn may come back here through the log.
func (f *File) unlock() {
	notes := f.notes
	f.notes = nil
	f.mu.Unlock()
	for _, n := range notes {
		f.o.Warn(n.msg, n.args...)
	}
}
