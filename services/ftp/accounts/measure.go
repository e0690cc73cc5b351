package accounts

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gtwistd/gtwistd/plugins"
)

// batch is how many files are looked at in one call of the pool.
const batch = 512

// measure returns how many bytes the regular files below root have, and how many files and directories there are without root
// itself. Links are not followed; a file with several names counts for each. What cannot be read because of its permissions
// counts as empty: nobody writes there through this process. Directories are walked in batches, so that a large tree keeps no
// slot of the pool for long.
func measure(ctx context.Context, pool plugins.Pool, root string) (bytes, files int64, err error) {
	w := walk{path: root}
	defer w.close()
	step := w.step
	for !w.done {
		if err := ctx.Err(); err != nil {
			return 0, 0, err
		}
		if pool == nil {
			err = step()
		} else {
			err = pool.Do(ctx, step)
		}
		if err != nil {
			return 0, 0, err
		}
	}
	return w.bytes, w.files, nil
}

// walk is the state of measure between two batches.
type walk struct {
	path         string
	top          *os.Root
	pending      []string // directories to be read
	name         string   // of the one that is being read
	dir          *os.Root // it, nil for none
	list         *os.File // its names
	bytes, files int64
	done         bool
}

func (w *walk) step() error {
	if w.top == nil {
		top, err := os.OpenRoot(w.path)
		if err != nil {
			return err
		}
		w.top, w.pending = top, []string{"."}
	}
	for budget := batch; budget > 0 && !w.done; budget-- {
		n, err := w.next(budget)
		if err != nil && !passable(err) {
			return err
		}
		budget -= n
	}
	return nil
}

// next opens a directory, or looks at up to n files of the open one and returns how many there were.
func (w *walk) next(n int) (int, error) {
	if w.list == nil {
		return 0, w.open()
	}
	entries, err := w.list.ReadDir(n)
	for _, entry := range entries {
		w.files++
		if entry.IsDir() {
			w.pending = append(w.pending, filepath.Join(w.name, entry.Name()))
			continue
		}
		if info, err := w.dir.Lstat(entry.Name()); err == nil && info.Mode().IsRegular() {
			w.bytes += info.Size() // an error is that of a file that is gone
		}
	}
	if err != nil {
		w.leave()
	}
	return len(entries), err
}

// open opens the next directory, as a root of its own: that fails for what is no directory any more.
func (w *walk) open() error {
	if len(w.pending) == 0 {
		w.done = true
		return nil
	}
	last := len(w.pending) - 1
	w.name, w.pending = w.pending[last], w.pending[:last]
	dir, err := w.top.OpenRoot(w.name)
	if err != nil {
		if info, gone := w.top.Lstat(w.name); gone == nil && !info.IsDir() {
			return nil // something else has taken its place
		}
		return err
	}
	w.dir = dir
	w.list, err = dir.Open(".")
	if err != nil {
		w.leave()
	}
	return err
}

func (w *walk) leave() {
	if w.list != nil {
		_ = w.list.Close()
	}
	if w.dir != nil {
		_ = w.dir.Close()
	}
	w.list, w.dir = nil, nil
}

func (w *walk) close() {
	w.leave()
	if w.top != nil {
		_ = w.top.Close()
	}
}

// passable says that a directory is at its end, gone, or not ours to read.
func passable(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
}
