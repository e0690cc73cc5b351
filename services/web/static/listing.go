package static

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"time"

	"github.com/gtwistd/gtwistd/internal/part"
)

const (
	// batch is how many names are read at once. It is also what a directory may hold and still be listed at once; each
	// larger one takes a slot.
	batch = 1024

	// largeListings is how many listings of larger directories are made and sent at a time.
	largeListings = 8

	// patience is how long such a listing waits for its turn.
	patience = 2 * time.Second

	// maxListed bounds the memory of a listing: about 100 bytes for each name.
	maxListed = 250_000
)

// errBusy says that too many large listings are under way.
var errBusy = errors.New("too many listings at a time")

// entry is one line of a listing: a directory or a regular file that a request would find.
type entry struct {
	name     string // as the file system has it, not always UTF-8
	size     int64  // bytes; negative for a directory
	modified int64  // Unix time in seconds
}

func (e entry) isDir() bool { return e.size < 0 }

// entryOf leaves out what a request would not get: hidden and private names, secrets, links that lead nowhere or out of the root,
// FIFOs, devices. The error is only that of a root closed by a reload.
func (t *tree) entryOf(dir string, d fs.DirEntry, showHidden bool) (entry, bool, error) {
	name := d.Name()
	file := name
	if dir != "." {
		file = dir + "/" + name
	}
	if hidden(name) && !showHidden || part.Is(name) || t.isPrivate(file) {
		return entry{}, false, nil
	}
	info, err := d.Info()
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		info, err = t.stat(file)
	}
	switch {
	case errors.Is(err, fs.ErrClosed):
		return entry{}, false, err
	case err != nil || !info.IsDir() && !info.Mode().IsRegular() || t.isSecret(info):
		return entry{}, false, nil
	}
	e := entry{name: name, size: info.Size(), modified: info.ModTime().Unix()}
	if info.IsDir() {
		e.size = -1
	}
	return e, true, nil
}

// listing is what has been read of a directory.
type listing struct {
	tree    *tree
	name    string   // below the root, "." for the root itself
	dir     *os.File // not owned
	hidden  bool     // hidden names are listed too
	entries []entry
	whole   bool // nothing is left to read
	cut     bool // there is more than is listed
	sorted  bool // in the usual order, and the entries are others' too

	// What only the page for people has.
	readme   readme
	archive  bool // the directory can be had as an archive
	upload   bool // files can be sent to the directory
	mirrored bool // the client follows every link: there are none to the same page in another form
}

// read adds one batch. It makes blocking calls only, for the pool.
func (l *listing) read() error {
	found, err := l.dir.ReadDir(batch)
	if err != nil && err != io.EOF {
		return err
	}
	l.whole = err == io.EOF || len(found) == 0
	for _, d := range found {
		e, ok, err := l.tree.entryOf(l.name, d, l.hidden)
		switch {
		case err != nil:
			return err
		case ok && len(l.entries) == maxListed:
			l.whole, l.cut = true, true
			return nil
		case ok:
			l.entries = append(l.entries, e)
		}
	}
	return nil
}

// readEntries reads the directory, unless that has just been done. release is called when the listing is sent: a large one
// takes a slot until then.
func (h *Handler) readEntries(r *http.Request, l *listing) (release func(), err error) {
	ctx, began := r.Context(), time.Now()
	kept := l.tree.shelf.get(l.name)
	if kept == nil {
		// HEAD does not need the rest: so large a listing has no Content-Length.
		if err := h.begin(ctx, l); err != nil || l.whole || r.Method == http.MethodHead {
			return func() {}, err
		}
	}
	if release, err = h.takeSlot(ctx); err != nil {
		return nil, err
	}
	if kept == nil {
		if err := h.complete(ctx, l); err != nil {
			release()
			return nil, err
		}
		l.sort(order{})
		kept = &shelved{entries: l.entries, cut: l.cut, read: began}
		l.tree.shelf.put(l.name, kept)
	}
	l.entries, l.cut, l.whole, l.sorted = kept.entries, kept.cut, true, true
	return release, nil
}

// begin reads the first two batches, the second of which is empty for most directories.
func (h *Handler) begin(ctx context.Context, l *listing) error {
	return h.config.Pool.Do(ctx, func() error {
		err := l.read()
		if err == nil && !l.whole && len(l.entries) < batch {
			err = l.read()
		}
		return err
	})
}

// complete reads the rest of a large directory, one call of the pool for each batch: others get their turns in between,
// and a client that has gone ends it.
func (h *Handler) complete(ctx context.Context, l *listing) error {
	for !l.whole {
		if err := h.config.Pool.Do(ctx, l.read); err != nil {
			return err
		}
	}
	return nil
}

// takeSlot waits for the turn of a large listing.
func (h *Handler) takeSlot(ctx context.Context) (release func(), err error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case h.large <- struct{}{}:
		return func() { <-h.large }, nil
	case <-timer.C:
		return nil, errBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
