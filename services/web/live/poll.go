package live

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// leisure is how many times as long as a look took the next one waits, at least: it leaves the rest of the processor to
// others however large the tree is.
const leisure = 4

// stamp is what changes with a file. Of a directory only its being there counts: its entries speak for themselves.
type stamp struct {
	mode     fs.FileMode
	size     int64
	modified int64 // nanoseconds
}

// poll watches by looking at all files again and again. The error is errMoved, or nil if ctx ended.
func (l *Live) poll(ctx context.Context, trees []tree, changed func(path string)) error {
	before, took := l.scan(ctx, trees)
	l.ready(ctx, "looking at the files every "+l.pollEvery.String())
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(max(l.pollEvery, leisure*took)):
		}
		if anyMoved(trees) {
			return errMoved
		}
		var now map[string]stamp
		now, took = l.scan(ctx, trees)
		if ctx.Err() != nil {
			return nil // and now is not whole
		}
		for path, s := range now {
			if old, ok := before[path]; !ok || old != s {
				changed(path)
			}
			delete(before, path)
		}
		for path := range before {
			changed(path)
		}
		before = now
	}
}

// scan looks at everything that counts.
func (l *Live) scan(ctx context.Context, trees []tree) (map[string]stamp, time.Duration) {
	start := time.Now()
	found := map[string]stamp{}
	for _, t := range trees {
		if t.info == nil {
			continue
		}
		if t.only != "" {
			path := filepath.Join(t.root, t.only)
			if info, err := os.Stat(path); err == nil {
				found[path] = stampOf(info)
			}
			continue
		}
		_ = l.walk(t, t.root, func(path string, entry fs.DirEntry) error { // what cannot be read cannot be served
			if ctx.Err() != nil {
				return fs.SkipAll
			}
			if info, err := entry.Info(); err == nil {
				found[path] = stampOf(info)
			}
			return nil
		})
	}
	return found, time.Since(start)
}

func stampOf(info fs.FileInfo) stamp {
	if info.IsDir() {
		return stamp{mode: info.Mode()}
	}
	return stamp{info.Mode(), info.Size(), info.ModTime().UnixNano()}
}
