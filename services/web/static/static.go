// Package static serves the files below one directory, or one single file, over HTTP, and takes new ones. Everything is
// reached through an os.Root, so neither a dot segment nor a symbolic link leads out of the directory; files travel as
// *os.File, so that the kernel can copy them to the socket (sendfile); calls that may block on a disk go through the worker
// pool.
//
// Names that begin with a dot do not exist for clients, except .well-known (RFC 8615), unless Options.Hidden says otherwise.
// Neither does anything that is not a regular file or a directory: FIFOs, devices and sockets are never opened.
package static

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gtwistd/gtwistd/plugins"
)

const (
	allowed = "GET, HEAD, OPTIONS"

	// bodyTimeout bounds how long net/http reads the rest of a request body that is no upload before it answers.
	bodyTimeout = 10 * time.Second

	// retryAfter is what a client is told when too much is waiting, in seconds.
	retryAfter = "1"
)

// Config says what a Handler serves.
type Config struct {
	// Path is a directory or a regular file. Symbolic links in Path itself are followed, at New and again at Reload; a
	// single file is served at "/" and at its own name.
	Path string
	// Prefix is the URL path below which Path is served, without a slash at its end: "/files", or "" for everything.
	// Requests for other paths are answered with 404.
	Prefix string
	// Options are what a person can say about it.
	Options Options
	// Origins are the other sites whose scripts may upload, such as "https://example.org".
	Origins []string
	// Header is part of the answers of Hot. Whoever calls ServeHTTP sets it there, before.
	Header http.Header
	// Private reports whether an absolute path is kept from clients as a hidden name is; nil means that none is. A single
	// file is served all the same.
	Private func(path string) bool
	// PrivateBelow returns such a path that is, or would be if it were there, at an absolute path or below it, or a link on the
	// way to one: no upload takes its place. "" means that there is none. Nil counts as never.
	PrivateBelow func(path string) string
	// PrivateFile reports whether a file is kept from clients whatever name it has, as a hard link may give it one; nil means that
	// none is. A single file named by Path is served in any case.
	PrivateFile func(info fs.FileInfo) bool
	// Pool runs the file calls that may block.
	Pool plugins.Pool
	// Log gets what the server's owner must know: disk errors, too many open files.
	Log *slog.Logger
}

// Handler is an http.Handler for GET, HEAD and OPTIONS, and for PUT and POST with Options.Upload. It is safe for concurrent
// use.
type Handler struct {
	config Config
	layout layout
	pages  sync.Pool     // of *[]byte, for a chunk of a listing
	large  chan struct{} // holds one for each large listing under way

	archives    chan struct{} // holds one for each archive under way
	encoders    chan struct{} // holds one for each file that is compressed while it is sent
	crossOrigin http.CrossOriginProtection

	reloading sync.Mutex
	tree      atomic.Pointer[tree]
}

// New checks the options, whose mistakes are *plugins.UsageErrors, and opens c.Path. The error says what is wrong with it
// without naming it, and wraps fs.ErrNotExist or fs.ErrPermission where they apply. The caller closes the handler.
func New(c Config) (*Handler, error) {
	var err error
	if c.Options, err = c.Options.check(); err != nil {
		return nil, err
	}
	t, err := c.openTree()
	if err != nil {
		return nil, err
	}
	if err := t.checkPages(&c.Options); err != nil {
		_ = t.root.Close()
		return nil, err
	}
	h := &Handler{
		config: c, layout: newLayout(), large: make(chan struct{}, largeListings), archives: make(chan struct{}, archivesAtOnce),
		encoders: make(chan struct{}, encodersAtOnce),
	}
	for _, origin := range c.Origins {
		if err := h.crossOrigin.AddTrustedOrigin(origin); err != nil {
			return nil, errors.Join(err, t.root.Close())
		}
	}
	h.pages.New = func() any {
		b := make([]byte, 0, pageChunk+maxRow)
		return &b
	}
	h.tree.Store(t)
	return h, nil
}

// openTree opens the path. If there are to be uploads it must take them.
func (c *Config) openTree() (*tree, error) {
	t, err := openPath(c.Path, c.Private)
	if err != nil {
		return nil, err
	}
	t.below = c.PrivateBelow
	if t.file == "" {
		t.secret = c.PrivateFile
	}
	t.hot = newHotCache(int64(c.Options.Memory), time.Now)
	if t.hot != nil {
		t.shelf = newShelf()
	}
	if !c.Options.Upload {
		return t, nil
	}
	if err := t.checkUpload(); err != nil {
		_ = t.root.Close()
		return nil, err
	}
	return t, nil
}

// Prepare implements plugins.Preparer: New may have opened the path with more rights than are left. The error says what is wrong
// with it like that of New. That the directory itself takes no uploads any more is a warning, as one below it may.
func (h *Handler) Prepare(ctx context.Context) error {
	return h.config.Pool.Do(ctx, func() error {
		t := h.tree.Load()
		if err := t.enter(); err != nil {
			return err
		}
		if h.config.Options.Upload {
			if err := t.checkUpload(); err != nil {
				h.config.Log.WarnContext(ctx, "uploads to the directory itself will be refused", "root", t.path, "error", err)
			}
		}
		return t.checkPages(&h.config.Options)
	})
}

// Path returns the path as it was given, which may be a link.
func (h *Handler) Path() string { return h.config.Path }

// Hidden reports whether names that begin with a dot are served.
func (h *Handler) Hidden() bool { return h.config.Options.Hidden }

// Root returns the absolute path that is served now, with all symbolic links resolved.
func (h *Handler) Root() string { return h.tree.Load().path }

// Reload opens the path anew, so that a link to a release directory is followed to where it leads now. Requests that
// have found their file finish with it. An error leaves everything as it was.
func (h *Handler) Reload(ctx context.Context) error {
	h.reloading.Lock()
	defer h.reloading.Unlock()
	var t *tree
	err := h.config.Pool.Do(ctx, func() (err error) {
		t, err = h.config.openTree()
		return err
	})
	if err != nil {
		return err
	}
	return h.tree.Swap(t).root.Close()
}

// forget drops what is in memory.
func (h *Handler) forget() {
	t := h.tree.Load()
	t.hot.forget()
	t.shelf.forget()
}

// Close releases the directory. Requests after it are answered with 404.
func (h *Handler) Close() error { return h.tree.Load().root.Close() }

// ServeHTTP answers one request. It panics with http.ErrAbortHandler if the client leaves before there is an answer.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.ContentLength != 0 {
		// Not every ResponseWriter has deadlines; those of net/http, where it matters, do.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	}
	if h.takeUpload(w, r) {
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		h.get(w, r)
	case http.MethodOptions:
		w.Header().Set("Allow", h.allowed())
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Allow", h.allowed())
		refuse(w, http.StatusMethodNotAllowed)
	}
}

func (h *Handler) allowed() string {
	if h.config.Options.Upload {
		return allowedUploads
	}
	return allowed
}

func (h *Handler) get(w http.ResponseWriter, r *http.Request) {
	name, slash, ok := h.localName(r.URL.Path)
	err := notExist(r.URL.Path)
	if ok {
		err = h.answer(w, r, name, slash)
	}
	if err != nil {
		h.fail(w, r, err)
	}
}

// answer sends what the tree has by that name. An error means that nothing has been written.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, name string, slash bool) error {
	for {
		t := h.tree.Load()
		err := h.answerFrom(w, r, t, name, slash)
		if err == nil || !errors.Is(err, fs.ErrClosed) || h.tree.Load() == t {
			return err
		}
		// A reload closed the root after Load: there is a newer one.
	}
}

func (h *Handler) answerFrom(w http.ResponseWriter, r *http.Request, t *tree, name string, slash bool) error {
	if slash && h.archiveWanted(r) {
		return h.archive(w, r, t, name)
	}
	v, res, err := h.find(r, t, name, slash)
	if err != nil {
		return err
	}
	return h.deliver(w, r, t, name, v, &res)
}

// find returns what the name stands for, from memory if it is there.
func (h *Handler) find(r *http.Request, t *tree, name string, slash bool) (v *variant, res resource, err error) {
	accept := acceptEncoding(r)
	found := false
	if t.hot != nil {
		key := keyOf(name, slash)
		rec := t.hot.get([]byte(key))
		if found = rec == nil || !rec.usable(t.hot.now()); found {
			if rec, res, err = h.fetch(r.Context(), t, key, name, slash, rec); err != nil {
				return nil, resource{}, err
			}
		}
		if len(rec.variants) > 0 {
			rec.used.Store(int64(t.hot.now()))
			return rec.choose(accept, wantsPart(r)), resource{}, nil
		}
	}
	if found && !h.config.Options.Precompressed {
		return nil, res, nil
	}
	err = h.config.Pool.Do(r.Context(), func() (err error) {
		if !found {
			if res, err = t.find(name, slash, &h.config.Options); err != nil {
				return err
			}
		}
		return t.prefer(&res, accept, &h.config.Options)
	})
	if err != nil {
		res.close()
		return nil, resource{}, err
	}
	return nil, res, nil
}

// deliver sends v, or else res, which it closes.
func (h *Handler) deliver(w http.ResponseWriter, r *http.Request, t *tree, name string, v *variant, res *resource) error {
	defer res.close()
	switch {
	case v != nil:
		v.serve(w, r)
	case res.file != nil:
		h.serve(w, r, res)
	case res.moved != "":
		h.redirect(w, r, res.moved)
	default:
		return h.list(w, r, &listing{tree: t, name: name, dir: res.dir, hidden: h.config.Options.Hidden})
	}
	return nil
}

// fail answers a request whose file could not be had.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // nobody is there to be answered
	}
	status := statusOf(err)
	if status >= 500 && !isAny(err, plugins.ErrFull, errBusy) {
		h.config.Log.ErrorContext(r.Context(), "cannot read a file", "path", r.URL.Path, "error", err)
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retryAfter)
	}
	if status == http.StatusNotFound && h.fallBack(w, r) {
		return
	}
	refuse(w, status)
}

// statusOf tells what the client did wrong from what went wrong here.
func statusOf(err error) int {
	var pathErr *fs.PathError
	switch {
	case isAny(err, plugins.ErrFull, errBusy, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EAGAIN):
		return http.StatusServiceUnavailable
	case isAny(err, syscall.EIO, syscall.ESTALE):
		return http.StatusInternalServerError
	case errors.Is(err, fs.ErrPermission):
		return http.StatusForbidden
	case errors.As(err, &pathErr):
		// Missing, too long a name, a loop of links, a link out of the root: os.Root has no error value for the last.
		return http.StatusNotFound
	}
	return http.StatusInternalServerError
}

func isAny(err error, targets ...error) bool {
	return slices.ContainsFunc(targets, func(t error) bool { return errors.Is(err, t) })
}

func refuse(w http.ResponseWriter, status int) {
	http.Error(w, http.StatusText(status), status)
}
