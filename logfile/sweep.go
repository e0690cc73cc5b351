package logfile

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gopkg.in/natefinch/lumberjack.v2"
)

const (
	// sweepPause is the time between two looks at the rotated files when nothing was rotated.
	sweepPause = 15 * time.Minute
	// settle is how long a file that we rotated is left as it is: another process may still be writing its last line.
	settle = time.Minute
	// adopted is the same for a file that another process rotated, or one that was killed at it: two processes that
	// compress one file can lose it.
	adopted = 5 * time.Minute
	// patience is how long compression may take before the files count with their full size.
	patience = 15 * time.Minute
)

// sweeper remembers between two looks at the rotated files.
type sweeper struct {
	last  time.Time
	plain map[string]time.Time // files not yet compressed, and when each was first seen
}

// rotated is one file of former days.
type rotated struct {
	name  string
	stamp time.Time // of its last line, as its name says
	size  int64
	plain bool
}

// sweep removes what is too old or too much and has the rest compressed. Only Run calls it.
func (f *File) sweep(now time.Time) {
	s := &f.sweeper
	rest := now.Sub(s.last)
	busy := len(s.plain) > 0 && f.o.Compress
	f.mu.Lock()
	path, fresh := f.path, len(f.mine) > 0
	f.mu.Unlock()
	if (!busy && !fresh && rest >= 0 && rest < sweepPause) || (f.o.Keep == 0 && f.o.MaxTotal == 0 && !f.o.Compress) {
		return
	}
	s.last = now
	files, err := listRotated(path, now.Location())
	if err == nil {
		files, err = f.removeOld(files, now)
	}
	if err == nil && !f.compress(path, files, now) {
		err = f.removeExcess(files)
	}
	f.mu.Lock()
	defer f.unlock()
	if !f.o.Compress {
		clear(f.mine)
	}
	if err != nil {
		f.warn("sweep", "old log files cannot be removed", "path", f.name, "error", err)
		return
	}
	delete(f.said, "sweep")
}

// listRotated returns the rotated files of path, oldest first.
func listRotated(path string, zone *time.Location) ([]rotated, error) {
	dir := filepath.Dir(path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	prefix, ext := affixes(path)
	var files []rotated
	for _, e := range entries {
		rest, ours := strings.CutPrefix(e.Name(), prefix)
		if !ours || !e.Type().IsRegular() {
			continue
		}
		rest, packed := strings.CutSuffix(rest, ".gz")
		rest, ours = strings.CutSuffix(rest, ext)
		stamp, err := time.ParseInLocation(stampLayout, rest, zone)
		if !ours || err != nil || len(rest) != len(stampLayout) {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue // removed a moment ago
		}
		files = append(files, rotated{filepath.Join(dir, e.Name()), stamp, info.Size(), !packed})
	}
	slices.SortFunc(files, func(a, b rotated) int {
		return cmp.Or(a.stamp.Compare(b.stamp), strings.Compare(a.name, b.name))
	})
	return files, nil
}

// removeOld removes files whose last line is older than Keep and returns the others.
func (f *File) removeOld(files []rotated, now time.Time) ([]rotated, error) {
	if f.o.Keep <= 0 {
		return files, nil
	}
	var errs []error
	var kept []rotated
	for _, r := range files {
		if now.Sub(r.stamp) <= f.o.Keep {
			kept = append(kept, r)
		} else if err := remove(r.name); err != nil {
			errs = append(errs, err)
		}
	}
	return kept, errors.Join(errs...)
}

// removeExcess removes the oldest files until the rest is within MaxTotal.
func (f *File) removeExcess(files []rotated) error {
	if f.o.MaxTotal <= 0 {
		return nil
	}
	var total int64
	for _, r := range files {
		total += r.size
	}
	var errs []error
	for _, r := range files {
		if total <= f.o.MaxTotal {
			break
		}
		if err := remove(r.name); err != nil {
			errs = append(errs, err)
			continue
		}
		total -= r.size
	}
	return errors.Join(errs...)
}

func remove(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// compress wakes lumberjack once all files that are not compressed have settled, and reports whether the final sizes are
// still to come. A partial .gz file, left by a process that was killed, lies beside its original and is made again.
func (f *File) compress(path string, files []rotated, now time.Time) (pending bool) {
	if !f.o.Compress {
		return false
	}
	s := &f.sweeper
	before := s.plain
	s.plain = map[string]time.Time{}
	ripe, oldest := true, now
	f.mu.Lock()
	for _, r := range files {
		if !r.plain {
			continue
		}
		name := filepath.Base(r.name)
		seen, ok := before[name]
		if !ok || seen.After(now) {
			seen = now
		}
		s.plain[name] = seen
		wait := adopted
		if f.mine[name] {
			wait = settle
		}
		ripe = ripe && now.Sub(seen) >= wait
		if seen.Before(oldest) {
			oldest = seen
		}
	}
	for name := range f.mine {
		if _, plain := s.plain[name]; !plain {
			delete(f.mine, name)
		}
	}
	exposed := f.place.shared && len(s.plain) > 0 && os.Geteuid() == 0
	if exposed {
		f.warn("compress", "old log files are not compressed as root where others can put links", "path", f.name)
	}
	f.mu.Unlock()
	if len(s.plain) == 0 {
		return false
	}
	if ripe && !exposed { // lumberjack opens and chowns by name
		f.wakeMill(path)
	}
	return now.Sub(oldest) < patience
}

// wakeMill has lumberjack compress the rotated files beside path, in its own goroutine, which it never ends. Lumberjack
// wakes that goroutine before it opens its file, and we want no more than that: it would open by name, truncate or rename what
// another process has put there meanwhile, and could not reopen a file of root's after privileges are dropped. A
// name with a NUL byte is refused by every system before it means anything, while its directory and last element, from which
// lumberjack derives the rotated names, are right.
func (f *File) wakeMill(path string) {
	sep := string(filepath.Separator)
	name := filepath.Dir(path) + sep + "\x00" + sep + ".." + sep + filepath.Base(path)
	if f.mill == nil || f.mill.Filename != name {
		f.mill = &lumberjack.Logger{Filename: name, Compress: true}
	}
	_, _ = f.mill.Write(nil) // the error is the intended one
}
