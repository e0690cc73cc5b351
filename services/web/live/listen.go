package live

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// movedEvery is how often it is looked whether a path leads elsewhere, which no notice tells: a link above it may have changed.
const movedEvery = time.Second

// listener hears of changes from the system. One goroutine uses it.
type listener struct {
	live    *Live
	trees   []tree
	notices *fsnotify.Watcher
	dirs    map[string]struct{} // that are watched
	changed func(path string)
}

// listen watches by the system's notices. Errors are errMoved, errMissed, or why the notices do not do.
func (l *Live) listen(ctx context.Context, trees []tree, changed func(path string)) error {
	notices, err := fsnotify.NewWatcher()
	if err != nil {
		return explain(err)
	}
	n := &listener{live: l, trees: trees, notices: notices, dirs: map[string]struct{}{}, changed: changed}
	defer n.close()
	for _, t := range trees {
		if err := n.add(ctx, t, t.root); err != nil {
			return err
		}
	}
	l.ready(ctx, fmt.Sprintf("watching %d directories", len(n.dirs)))

	tick := time.NewTicker(movedEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if anyMoved(trees) {
				return errMoved
			}
		case event := <-notices.Events:
			if err := n.handle(ctx, event); err != nil {
				return err
			}
		case err := <-notices.Errors:
			if errors.Is(err, fsnotify.ErrEventOverflow) {
				return errMissed
			}
			return explain(err)
		}
	}
}

// close returns when the library's goroutine is about to end, which closes the channels.
func (n *listener) close() {
	_ = n.notices.Close() // nothing is lost
	for range n.notices.Events {
	}
	for range n.notices.Errors {
	}
}

// add watches the directories from path on, which is in t.
func (n *listener) add(ctx context.Context, t tree, path string) error {
	if t.info == nil {
		return nil
	}
	return n.live.eachDirectory(t, path, func(dir string) error {
		if ctx.Err() != nil {
			return fs.SkipAll
		}
		err := n.notices.Add(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ENOTDIR):
			return nil
		case err != nil:
			return explain(err)
		}
		n.dirs[dir] = struct{}{}
		return nil
	})
}

func (n *listener) handle(ctx context.Context, event fsnotify.Event) error {
	if event.Name == "" || event.Op == fsnotify.Chmod {
		return nil
	}
	if _, known := n.dirs[event.Name]; known && event.Has(fsnotify.Remove|fsnotify.Rename) {
		n.forget(event)
	}
	if !n.live.counts(n.trees, event.Name) {
		return nil
	}
	if event.Has(fsnotify.Create) {
		for _, t := range n.trees {
			if names, ok := t.contains(event.Name); !ok || len(names) == 0 || t.only != "" {
				continue
			}
			if err := n.add(ctx, t, event.Name); err != nil {
				return err
			}
		}
	}
	if isRoot := func(t tree) bool { return t.root == event.Name }; slices.ContainsFunc(n.trees, isRoot) && anyMoved(n.trees) {
		return errMoved
	}
	n.changed(event.Name)
	return nil
}

// forget leaves a directory that is away. One that was renamed takes its watches along, under names that are wrong by now.
func (n *listener) forget(event fsnotify.Event) {
	_ = n.notices.Remove(event.Name) // perhaps it has gone by itself
	delete(n.dirs, event.Name)
	if !event.Has(fsnotify.Rename) {
		return // all below was removed before
	}
	below := event.Name + string(filepath.Separator)
	for dir := range n.dirs {
		if strings.HasPrefix(dir, below) {
			_ = n.notices.Remove(dir)
			delete(n.dirs, dir)
		}
	}
}

// explain names the limit behind an error whose own words mislead: inotify(7) says "no space left on device".
func explain(err error) error {
	limit := ""
	switch {
	case errors.Is(err, syscall.ENOSPC):
		limit = "too many directories (limit: fs.inotify.max_user_watches)"
	case errors.Is(err, syscall.EMFILE):
		limit = "too many open files, or watchers (limit: ulimit -n, fs.inotify.max_user_instances)"
	}
	if limit == "" {
		return err
	}
	return fmt.Errorf("%s: %w", limit, os.NewSyscallError("watch", err))
}
