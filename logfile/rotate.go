package logfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// stampLayout is the form of a rotated file's name that lumberjack recognises.
	stampLayout = "2006-01-02T15-04-05.000"
	// retryPause is how long a rotation that failed is not tried again.
	retryPause = time.Minute
	// recheck bounds how long Run sleeps: timers stand still while a machine is suspended.
	recheck = time.Minute
)

// dayOf returns the civil day of t as a number that can be compared: 20261120.
func dayOf(t time.Time) int {
	y, m, d := t.Date()
	return y*10000 + int(m)*100 + d
}

// nextMidnight returns the first instant of the day after t, in t's zone. In some zones a change to summer time removes
// midnight; then the day begins where the change ends.
func nextMidnight(t time.Time) time.Time {
	y, m, d := t.Date()
	next := time.Date(y, m, d+1, 0, 0, 0, 0, t.Location())
	if !next.After(t) || dayOf(next) == dayOf(t) {
		if _, change := next.ZoneBounds(); !change.IsZero() {
			return change
		}
	}
	return next
}

// tick does what is due and returns how long to wait for the next look.
func (f *File) tick() time.Duration {
	f.mu.Lock()
	if f.closed || !f.follow {
		f.unlock()
		return recheck
	}
	if err := f.present(); err == nil {
		f.rotateIfDue(0)
	}
	f.unlock()
	now := f.o.Now()
	f.sweep(now)
	return max(time.Millisecond, min(recheck, nextMidnight(now).Sub(now)))
}

// rotateIfDue rotates when a new day has begun, or when n more bytes would take the file beyond RotateSize. If that is
// impossible, writing to the old file goes on.
func (f *File) rotateIfDue(n int64) {
	if !f.follow || f.file == nil {
		return
	}
	now := f.o.Now()
	if dayOf(now) <= f.day && !f.full(n) {
		return
	}
	if wait := f.retry.Sub(now); wait > 0 && wait <= retryPause {
		return
	}
	if err := f.rotate(now); err != nil {
		f.retry = now.Add(retryPause)
		f.warn("rotate", "log file cannot be rotated, lines go on into the same one", "path", f.name, "error", err)
		return
	}
	f.retry = time.Time{}
	delete(f.said, "rotate")
}

func (f *File) full(n int64) bool {
	if f.o.RotateSize <= 0 || n == 0 {
		return false
	}
	info, err := f.file.Stat()
	return err == nil && info.Size() > 0 && info.Size()+n > f.o.RotateSize
}

// rotate renames the live file and begins a new one. The lock on the old file keeps two processes from doing it at once:
// the second would rename the first one's new file.
func (f *File) rotate(now time.Time) error {
	if f.file == nil {
		return nil
	}
	old := f.file
	if err := lock(old); err != nil {
		return err
	}
	defer unlock(old)
	info, err := os.Stat(f.path)
	if err != nil || !os.SameFile(info, f.info) {
		return f.present()
	}
	if info.Size() == 0 {
		f.day = max(f.day, dayOf(now))
		return nil
	}
	f.info = info // mode and owner may have changed
	target := f.target(now)
	if err := f.move(target); err != nil {
		return err
	}
	f.mine[filepath.Base(target)] = true
	f.day = max(f.day, dayOf(now))
	return nil
}

// move renames the live file to target and opens a new one, or leaves all as it was.
func (f *File) move(target string) error {
	if closeToRename {
		if f.o.OnOpen != nil {
			f.o.OnOpen(nil)
		}
		f.file.Close()
		f.file = nil
	}
	if err := os.Rename(f.path, target); err != nil {
		if f.file == nil {
			return errors.Join(err, f.reopen())
		}
		return err
	}
	if f.file != nil {
		unlock(f.file) // others may follow now; adopt closes it
	}
	if err := f.reopen(); err != nil {
		if _, there := os.Lstat(f.path); errors.Is(there, fs.ErrNotExist) {
			_ = os.Rename(target, f.path)
		}
		if f.file == nil {
			return errors.Join(err, f.reopen())
		}
		return err
	}
	return nil
}

// target returns a name that is not taken: the last millisecond of the day that the file holds, or this moment if that is
// today, and one millisecond earlier for each name that is taken.
func (f *File) target(now time.Time) string {
	y, m, d := now.Date()
	stamp := time.Date(y, m, d, now.Hour(), now.Minute(), now.Second(), now.Nanosecond(), time.UTC)
	if f.day < dayOf(now) {
		stamp = time.Date(f.day/10000, time.Month(f.day/100%100), f.day%100, 23, 59, 59, 999e6, time.UTC)
	}
	prefix, ext := affixes(f.path)
	for ; ; stamp = stamp.Add(-time.Millisecond) {
		name := filepath.Join(filepath.Dir(f.path), prefix+stamp.Format(stampLayout)+ext)
		if !exists(name) && !exists(name+".gz") {
			return name
		}
	}
}

// affixes returns what stands before and after the stamp in the names of rotated files.
func affixes(path string) (prefix, ext string) {
	base := filepath.Base(path)
	ext = filepath.Ext(base)
	return strings.TrimSuffix(base, ext) + "-", ext
}

// Owns reports whether an absolute path is that of the live file, or has the name of one of its rotated files.
func (f *File) Owns(path string) bool {
	if path == f.path {
		return true
	}
	dir, name := filepath.Split(path)
	if filepath.Clean(dir) != filepath.Dir(f.path) {
		return false
	}
	prefix, ext := affixes(f.path)
	stamp, ok := strings.CutPrefix(strings.TrimSuffix(name, ".gz"), prefix)
	if !ok || !strings.HasSuffix(stamp, ext) {
		return false
	}
	_, err := time.Parse(stampLayout, strings.TrimSuffix(stamp, ext))
	return err == nil
}

// Below reports whether the live file and its rotated files lie in a directory, given by its absolute path without symbolic
// links, or below it.
func (f *File) Below(dir string) bool {
	rest, ok := strings.CutPrefix(f.path, dir)
	return ok && (rest == "" || os.IsPathSeparator(rest[0]) || os.IsPathSeparator(dir[len(dir)-1]))
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
