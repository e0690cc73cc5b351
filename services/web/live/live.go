// Package live lets browsers show a page anew when a file of a site has changed: Run watches the files, and the handler that
// Wrap returns adds a script to the HTML that goes through it, which listens for changes. Nothing changes on disk.
//
//	l, err := live.New(live.Config{Paths: []string{"public"}, Log: env.Log})
//	server := http.Server{Handler: l.Wrap(files)}
//	… go l.Run(ctx)
//
// The script comes after the last byte of a page, so that pages are never held in memory, and only into what a browser asks
// for in order to show it: a program that does not name text/html in its Accept header gets the bytes of the file. Pages with
// the script are not cached and have no validators, and nothing else is taken from a cache unasked.
package live

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config says what is watched.
type Config struct {
	// Paths are directories, whose trees are watched, and single files. Links in a path itself are followed; below it,
	// files behind a link are watched where they are, if that is in a tree.
	Paths []string
	// Base comes before the paths of this package in a browser's address, such as "/app". Empty is the root of the host.
	Base string
	// Hidden lets names count that begin with a dot. Directories of version control never do, nor node_modules.
	Hidden bool
	// Private reports whether an absolute path, without symbolic links, is a file of this program, such as a log, whose
	// changes are not the site's. Nil means that none is.
	Private func(path string) bool
	// Guard is put around what tells browsers of changes: who may not have the pages may not know when they change. Nil lets
	// everybody know.
	Guard func(http.Handler) http.Handler
	// Moved is called by Run when one of Paths has become another directory, before browsers are told. May be nil.
	Moved func(ctx context.Context)
	// Log gets one line if the system cannot tell of changes, or if there is nothing to be watched.
	Log *slog.Logger
}

// Live watches a site for browsers. It is safe for concurrent use.
type Live struct {
	config    Config
	run       string        // tells this run of the program from others
	pollEvery time.Duration // between two looks at the files, if the system does not tell of changes
	polling   bool          // used by Run alone, like the next
	moved     bool          // one of the paths

	watching  chan struct{} // closed as soon as no later change is missed
	done      chan struct{} // closed when Run ends
	handedOut atomic.Bool   // some page with the script
	how       atomic.Value  // string, for Report
	streams   atomic.Int64  // open ones
	events    http.Handler  // stream, behind the guard

	mu      sync.Mutex
	version version
	next    chan struct{} // closed at the next version
}

// New checks the paths. The error names the one that cannot be watched.
func New(c Config) (*Live, error) {
	c.Base = strings.TrimSuffix(c.Base, "/")
	l := &Live{
		config: c, run: rand.Text()[:8], pollEvery: time.Second,
		watching: make(chan struct{}), done: make(chan struct{}), next: make(chan struct{}),
	}
	l.version.run = l.run
	l.how.Store("on")
	if l.events = http.HandlerFunc(l.stream); c.Guard != nil {
		l.events = c.Guard(l.events)
	}
	for i, path := range c.Paths {
		abs, err := filepath.Abs(path) // now: afterwards the program may change its directory
		if err != nil {
			return nil, fmt.Errorf("watch %q: %w", path, err)
		}
		if t, err := openTree(abs); err != nil {
			return nil, fmt.Errorf("watch %q: %w", t.given, err)
		}
		if i == 0 {
			l.config.Paths = nil // not the caller's
		}
		l.config.Paths = append(l.config.Paths, abs)
	}
	return l, nil
}

// Run watches until ctx ends, and returns nil then. Every goroutine that it started has ended, and event streams end. Call it
// once.
func (l *Live) Run(ctx context.Context) error {
	defer close(l.done)
	changes := make(chan string)
	var work sync.WaitGroup
	defer work.Wait()
	work.Go(func() { coalesce(ctx, changes, l.publish) })

	changed := func(path string) {
		select {
		case changes <- path:
		case <-ctx.Done():
		}
	}
	for ctx.Err() == nil {
		err := l.look(ctx, changed)
		l.moved = errors.Is(err, errMoved)
		if err != nil && !l.moved && !errors.Is(err, errMissed) {
			l.polling = true
			l.config.Log.Warn("the system does not tell of all changes, so the files are looked at every "+l.pollEvery.String(), "error", err)
		}
	}
	return nil
}

// Why the trees are looked up anew.
var (
	errMoved  = errors.New("a path leads elsewhere")
	errMissed = errors.New("notices were lost")
)

// look watches the trees as they are now, until ctx ends or the error says what has to change.
func (l *Live) look(ctx context.Context, changed func(path string)) error {
	trees := l.trees()
	if l.polling {
		return l.poll(ctx, trees, changed)
	}
	return l.listen(ctx, trees, changed)
}

// trees looks up what the paths lead to.
func (l *Live) trees() []tree {
	var trees []tree
	for _, path := range l.config.Paths {
		t, err := openTree(path)
		if err != nil {
			l.config.Log.Warn("nothing to watch for --live", "error", err)
		}
		trees = append(trees, t)
	}
	return trees
}

// ready is called when no later change is missed any more. What happened before may have been: pages from then are loaded
// again.
func (l *Live) ready(ctx context.Context, how string) {
	l.how.Store(how)
	select {
	case <-l.watching:
		if l.moved && l.config.Moved != nil {
			l.config.Moved(ctx)
		}
		l.publish(false)
	default:
		if l.handedOut.Load() {
			l.publish(false)
		}
		close(l.watching)
	}
}

// Report says how the files are watched, for the service's own report.
func (l *Live) Report() slog.Attr { return slog.String("live", l.how.Load().(string)) }

// Wrap returns the handler that answers the script's requests, adds the script to next's pages, and lets browsers ask each
// time whether what they have is still right. It comes inside of what compresses answers, and outside of what makes them.
func (l *Live) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case l.config.Base + streamPath:
			l.events.ServeHTTP(w, r)
		case l.config.Base + scriptPath:
			serveScript(w, r)
		default:
			l.page(next, w, r)
		}
	})
}
