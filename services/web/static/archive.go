package static

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gtwistd/gtwistd/internal/regular"
	"github.com/gtwistd/gtwistd/plugins"
)

const (
	// archivesAtOnce is how many archives are made and sent at a time: each keeps a processor busy.
	archivesAtOnce = 4

	// archiveChunk is how much of an archive, and of a file on its way into one, is in memory, in bytes.
	archiveChunk = 64 << 10

	// maxDepth bounds the depth of directories in an archive, as each name is looked up from the root.
	maxDepth = 1000

	// maxPending bounds the memory for the names of directories that are still to be read.
	maxPending = 250_000

	// maxLeftOut bounds the note about what is not in an archive.
	maxLeftOut = 1000

	// poolRetry is how long an archive that has begun waits when the pool is full.
	poolRetry = time.Second
)

var (
	// errShrank says that an archive cannot hold what its header of a file has promised.
	errShrank = errors.New("the file became shorter while it was read")
	// errDeep says why a directory was not read.
	errDeep = fmt.Errorf("below more than %d directories", maxDepth)
	// errPending says that a walk would need too much memory.
	errPending = fmt.Errorf("more than %d directories are still to be read", maxPending)
)

// archive is a directory on its way to a client as one file.
type archive struct {
	h       *Handler
	tree    *tree  // with a root of its own, so that a reload does not end it
	dir     string // what is archived, as a name below the root
	name    string // how it is called inside
	pack    packer
	buf     []byte
	leftOut []string // what could not be read, and why
	more    int      // how many are not in leftOut

	firstErr error // what the log says of all that was left out
}

// archiveWanted says whether the request asks for a directory as one file.
func (h *Handler) archiveWanted(r *http.Request) bool {
	return h.config.Options.Archive && r.URL.RawQuery != "" && r.URL.Query().Has("archive")
}

// archive answers with the directory as one file that is made while it is sent: all that listings of it and of what is
// below would show, except links to directories, which may lead in circles. An error means that nothing has been written;
// after that it panics with http.ErrAbortHandler, so that nobody takes a part for the whole.
func (h *Handler) archive(w http.ResponseWriter, r *http.Request, t *tree, name string) error {
	format, ok := archiveFormats[r.URL.Query().Get("archive")]
	if !ok {
		http.Error(w, "archive: not one of "+archiveNames, http.StatusBadRequest)
		return nil
	}
	select {
	case h.archives <- struct{}{}:
		defer func() { <-h.archives }()
	default:
		return errBusy
	}
	a := &archive{h: h, dir: name, name: archiveName(t.path, name)}
	first, err := a.open(r.Context(), t)
	if err != nil {
		return err
	}
	defer a.tree.root.Close()
	defer first.Close()
	w.Header().Set("Content-Type", format.contentType)
	w.Header().Set("Content-Disposition", attachment(a.name+format.suffix))
	if r.Method == http.MethodHead {
		return nil
	}
	c := &client{w: w, r: r}
	if err := a.send(c, format, first); err != nil {
		if !c.gone {
			h.config.Log.WarnContext(r.Context(), "an archive broke off", "path", r.URL.Path, "error", err)
		}
		panic(http.ErrAbortHandler)
	}
	return nil
}

// open takes a root for the archive alone, and opens its directory.
func (a *archive) open(ctx context.Context, t *tree) (first *os.File, err error) {
	err = a.h.config.Pool.Do(ctx, func() error {
		if t.file != "" {
			return notExist(a.dir)
		}
		if _, err := t.stat(a.dir); err != nil {
			return err
		}
		root, err := t.root.OpenRoot(".")
		if err != nil {
			return err
		}
		a.tree = &tree{root: root, path: t.path, private: t.private, below: t.below, secret: t.secret}
		if first, err = a.openDir(a.dir); err != nil {
			_ = root.Close()
		}
		return err
	})
	return first, err
}

// openDir opens a directory and nothing else. It makes blocking calls only, for the pool.
func (a *archive) openDir(name string) (*os.File, error) {
	d, err := a.tree.root.OpenFile(name, regular.Nonblock, 0)
	if err != nil {
		return nil, err
	}
	info, err := d.Stat()
	if err == nil && !info.IsDir() {
		err = notExist(name)
	}
	if err != nil {
		_ = d.Close()
		return nil, err
	}
	return d, nil
}

func (a *archive) send(c *client, format archiveFormat, first *os.File) error {
	defer c.done()
	out := bufio.NewWriterSize(c, archiveChunk)
	a.pack, a.buf = format.new(out), make([]byte, archiveChunk)
	if err := a.walk(c.r.Context(), first); err != nil {
		return err
	}
	if err := a.addNote(c.r); err != nil {
		return err
	}
	if err := a.pack.Close(); err != nil {
		return err
	}
	return out.Flush()
}

// walk adds directory after directory, with one open at a time however deep they are.
func (a *archive) walk(ctx context.Context, first *os.File) error {
	pending := []string{a.dir}
	for len(pending) > 0 {
		dir := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		below, err := a.addDir(ctx, dir, first)
		if err != nil {
			return err
		}
		first = nil
		if len(pending)+len(below) > maxPending {
			return errPending
		}
		slices.Sort(below)
		slices.Reverse(below)
		pending = append(pending, below...)
	}
	return nil
}

// addDir adds a directory and its files, and returns the directories in it. d is dir if it is open already.
func (a *archive) addDir(ctx context.Context, dir string, d *os.File) (below []string, err error) {
	if d == nil {
		if strings.Count(dir, "/") >= maxDepth {
			a.leaveOut(dir, errDeep)
			return nil, nil
		}
		err := a.do(ctx, func() (err error) {
			d, err = a.openDir(dir)
			return err
		})
		if err != nil {
			return nil, a.survive(ctx, dir, err)
		}
		defer d.Close()
	}
	info, err := d.Stat()
	if err != nil {
		return nil, a.survive(ctx, dir, err)
	}
	if err := a.pack.addDir(a.inside(dir)+"/", info.ModTime()); err != nil {
		return nil, err
	}
	for {
		files, dirs, whole, err := a.read(ctx, dir, d)
		if err != nil {
			return below, a.survive(ctx, dir, err)
		}
		for _, name := range files {
			if err := a.addFile(ctx, name); err != nil {
				return nil, err
			}
		}
		if below = append(below, dirs...); whole || len(below) > maxPending {
			return below, nil
		}
	}
}

// read returns one batch of what is in a directory, as names below the root.
func (a *archive) read(ctx context.Context, dir string, d *os.File) (files, dirs []string, whole bool, err error) {
	err = a.do(ctx, func() error {
		found, err := d.ReadDir(batch)
		if err != nil && err != io.EOF {
			return err
		}
		whole = err == io.EOF || len(found) == 0
		for _, f := range found {
			e, ok, err := a.tree.entryOf(dir, f, a.h.config.Options.Hidden)
			switch {
			case err != nil:
				return err
			case !ok, e.isDir() && f.Type()&fs.ModeSymlink != 0:
			case e.isDir():
				dirs = append(dirs, path.Join(dir, e.name))
			default:
				files = append(files, path.Join(dir, e.name))
			}
		}
		return nil
	})
	return files, dirs, whole, err
}

// addFile adds a file as long as it was when it was opened: what is appended meanwhile is for the next time.
func (a *archive) addFile(ctx context.Context, name string) error {
	var f *os.File
	var info fs.FileInfo
	err := a.do(ctx, func() (err error) {
		f, info, err = a.tree.open(name)
		return err
	})
	if err != nil {
		return a.survive(ctx, name, err)
	}
	defer f.Close()
	w, err := a.pack.addFile(a.inside(name), info.Size(), info.ModTime())
	if err != nil {
		return err
	}
	for left := info.Size(); left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := f.Read(a.buf[:min(left, int64(len(a.buf)))])
		switch {
		case err == io.EOF:
			return fmt.Errorf("%q: %w", name, errShrank)
		case err != nil:
			return err
		}
		if _, err := w.Write(a.buf[:n]); err != nil {
			return err
		}
		left -= int64(n)
	}
	return nil
}

// do runs blocking calls in the pool. It waits when the pool is full: what has been sent would be lost.
func (a *archive) do(ctx context.Context, fn func() error) error {
	for {
		err := a.h.config.Pool.Do(ctx, fn)
		if !errors.Is(err, plugins.ErrFull) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(poolRetry):
		}
	}
}

// survive leaves out what cannot be read, unless nobody wants the archive any more. What has been removed since its
// directory was read is not missed.
func (a *archive) survive(ctx context.Context, name string, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	a.leaveOut(name, err)
	return nil
}

func (a *archive) leaveOut(name string, err error) {
	if a.firstErr == nil {
		a.firstErr = err
	}
	if len(a.leftOut) == maxLeftOut {
		a.more++
		return
	}
	reason := "cannot be read" // what else there is to know is not for clients
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		reason = pathErr.Err.Error()
	} else if err == errDeep {
		reason = err.Error()
	}
	a.leftOut = append(a.leftOut, visible(a.inside(name))+": "+reason)
}

// addNote adds a file about what was left out, if there is anything, and tells the log. It stands beside the directory,
// where no file of the directory can have its name.
func (a *archive) addNote(r *http.Request) error {
	if len(a.leftOut) == 0 {
		return nil
	}
	count := len(a.leftOut) + a.more
	a.h.config.Log.WarnContext(r.Context(), "an archive is not complete", "path", r.URL.Path, "left_out", count, "error", a.firstErr)
	text := "These could not be read and are not in the archive:\n\n" + strings.Join(a.leftOut, "\n") + "\n"
	if a.more > 0 {
		text += fmt.Sprintf("and %d more\n", a.more)
	}
	w, err := a.pack.addFile(a.name+"-left-out.txt", int64(len(text)), time.Now())
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, text)
	return err
}

// inside returns what a name below the root is called in the archive.
func (a *archive) inside(name string) string {
	if name == a.dir {
		return a.name
	}
	if a.dir != "." {
		name = strings.TrimPrefix(name, a.dir+"/")
	}
	return a.name + "/" + name
}

// archiveName is the last element of a directory's name, without the dots at its front, which would hide what is unpacked.
func archiveName(root, name string) string {
	if name == "." {
		name = filepath.Base(root)
	}
	name = strings.TrimLeft(path.Base(name), ".")
	if name == "" || strings.ContainsAny(name, `/\`) {
		return "archive"
	}
	return name
}

// attachment returns a Content-Disposition (RFC 6266) that makes a browser save the answer.
func attachment(name string) string {
	return mime.FormatMediaType("attachment", map[string]string{"filename": strings.ToValidUTF8(name, "_")})
}

// client is where an archive goes: whoever takes too long for a chunk of it holds a place that others wait for.
type client struct {
	w    http.ResponseWriter
	r    *http.Request
	gone bool // or too slow
}

func (c *client) Write(p []byte) (int, error) {
	if err := c.r.Context().Err(); err != nil {
		c.gone = true
		return 0, err
	}
	// Not every ResponseWriter has deadlines; those of net/http, where it matters, do.
	_ = http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(chunkTimeout))
	n, err := c.w.Write(p)
	c.gone = err != nil
	return n, err
}

func (c *client) done() {
	c.gone = c.gone || c.r.Context().Err() != nil
	_ = http.NewResponseController(c.w).SetWriteDeadline(time.Time{})
}
