package accounts

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"sync"

	"github.com/gtwistd/gtwistd/plugins"
)

// ledger knows what is stored below each root, which users may share. A root within another one is counted on its own: what
// is written through the one is seen in the other when it is counted next. It is safe for concurrent use.
type ledger struct {
	pool plugins.Pool
	log  *slog.Logger

	mu    sync.Mutex
	roots map[string]*usage
}

// usage is what is stored below one root.
type usage struct {
	root     string
	pool     plugins.Pool
	sessions int           // under ledger.mu
	turn     chan struct{} // holds one token, which whoever counts takes
	changing sync.Mutex    // held while a name is taken from a file, and until that is counted; before mu

	mu           sync.Mutex
	held         map[*Upload]struct{} // those whose file others can remove
	bytes, files int64
	counted      bool // otherwise bytes and files are only what changed
}

func newLedger(pool plugins.Pool, log *slog.Logger) *ledger {
	return &ledger{pool: pool, log: log, roots: map[string]*usage{}}
}

func (l *ledger) open(root string) *usage {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.roots[root]
	if u == nil {
		u = &usage{root: root, pool: l.pool, turn: make(chan struct{}, 1), held: map[*Upload]struct{}{}}
		u.turn <- struct{}{}
		l.roots[root] = u
	}
	u.sessions++
	return u
}

// close keeps what was counted for those who soon come again, until the next recount.
func (l *ledger) close(u *usage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u.sessions--
	if u.sessions == 0 && !u.isCounted() {
		delete(l.roots, u.root)
	}
}

// recount counts anew what is in use, one root after the other, and forgets the rest.
func (l *ledger) recount(ctx context.Context) {
	for _, u := range l.inUse() {
		if err := u.measure(ctx); err != nil && ctx.Err() == nil {
			l.log.WarnContext(ctx, "cannot count what is stored; the last figures stay", "root", u.root, "error", err)
		}
	}
}

// inUse forgets the roots without sessions and returns the others that were counted.
func (l *ledger) inUse() (list []*usage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for root, u := range l.roots {
		switch {
		case u.sessions == 0:
			delete(l.roots, root)
		case u.isCounted():
			list = append(list, u)
		}
	}
	return list
}

func (u *usage) isCounted() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.counted
}

// count measures what is stored unless that is known. Of many at once one does it; if its ctx ends, the next one begins.
func (u *usage) count(ctx context.Context) error {
	if u.isCounted() {
		return nil
	}
	return u.inTurn(ctx, func() error {
		if u.isCounted() {
			return nil
		}
		return u.walk(ctx)
	})
}

// measure counts also if there are figures already.
func (u *usage) measure(ctx context.Context) error {
	return u.inTurn(ctx, func() error { return u.walk(ctx) })
}

func (u *usage) inTurn(ctx context.Context, fn func() error) error {
	select {
	case <-u.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { u.turn <- struct{}{} }()
	return fn()
}

// walk counts the files. What changes meanwhile is added, whether the walk saw it or not, so the figures are wrong by that much
// at most, and exact if nothing was written.
func (u *usage) walk(ctx context.Context) error {
	oldBytes, oldFiles := u.named()
	bytes, files, err := measure(ctx, u.pool, u.root)
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.bytes = max(bytes+u.bytes-oldBytes, 0)
	u.files = max(files+u.files-oldFiles, 0)
	u.counted = true
	return nil
}

// named is what of the stored a walk can find.
func (u *usage) named() (bytes, files int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	bytes, files = u.bytes, u.files
	for upload := range u.held {
		if upload.gone {
			bytes -= upload.size
			files--
		}
	}
	return bytes, files
}

func (u *usage) stored() (bytes, files int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.bytes, u.files
}

// grow counts that a file becomes as large as end, as far as limit allows, and reports whether that is beyond offset; if not,
// nothing is counted. A limit of 0 is none.
func (u *usage) grow(upload *Upload, offset, end, limit int64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := end - upload.size
	if limit > 0 && u.counted {
		n = max(min(n, limit-u.bytes), 0)
	}
	if upload.size+n <= offset {
		return false
	}
	u.bytes += n
	upload.size += n
	return true
}

// cut counts that a file is no larger than that any more.
func (u *usage) cut(upload *Upload, size int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if size < upload.size {
		u.take(size-upload.size, 0)
		upload.size = size
	}
}

// takeFile counts one more file or directory, or returns ErrQuota. A limit of 0 is none.
func (u *usage) takeFile(limit int64) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if limit > 0 && u.counted && u.files >= limit {
		return ErrQuota
	}
	u.files++
	return nil
}

func (u *usage) hold(upload *Upload, file fs.FileInfo) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for other := range u.held {
		if os.SameFile(other.file, file) {
			return false
		}
	}
	upload.file = file
	u.held[upload] = struct{}{}
	return true
}

// lose counts that a file or directory has lost its name. One that is written still takes its room until it is closed.
func (u *usage) lose(file fs.FileInfo) {
	u.mu.Lock()
	defer u.mu.Unlock()
	var size int64
	if file.Mode().IsRegular() {
		size = file.Size()
		for upload := range u.held {
			if os.SameFile(upload.file, file) {
				upload.gone = true
				return
			}
		}
	}
	u.take(-size, -1)
}

// end counts that an upload has ended, with a file of that size, or -1 for none.
func (u *usage) end(upload *Upload, size int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.held, upload)
	if upload.gone || size < 0 {
		u.take(-upload.size, -1)
		return
	}
	u.take(size-upload.size, 0)
}

// give takes back what was counted.
func (u *usage) give(bytes, files int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.take(-bytes, -files)
}

// take counts. Called with mu.
func (u *usage) take(bytes, files int64) {
	u.bytes += bytes
	u.files += files
	if u.counted {
		// Less than nothing was removed that another program had put there.
		u.bytes, u.files = max(u.bytes, 0), max(u.files, 0)
	}
}
