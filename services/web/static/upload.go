package static

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gtwistd/gtwistd/internal/part"
	"github.com/gtwistd/gtwistd/internal/regular"
	"github.com/gtwistd/gtwistd/plugins"
)

const (
	allowedUploads = "GET, HEAD, OPTIONS, PUT, POST"

	defaultUploadMax = 1 << 30

	// uploadChunk is how much of an upload is in memory, in bytes.
	uploadChunk = 64 << 10

	// uploadOffset says how much of an unfinished upload there is, as in draft-ietf-httpbis-resumable-upload.
	uploadOffset = "Upload-Offset"
)

// upload is one file on its way in.
type upload struct {
	dir, name string        // below the root
	span      *contentRange // nil means the whole file
	resumable bool          // what has come is kept when the client breaks off
	replace   bool          // of what exists
	instead   string        // the file beside it that it would be sent for, as a side file; "" if there is no such use of it
	header    http.Header   // has the conditions

	created bool        // nothing was replaced
	info    fs.FileInfo // of the file when all of it is there
	size    int64       // what there is now
}

// takeUpload answers the requests that are about uploads:
//
//	PUT /dir/name             a new file: 201, or 204 if it took the place of another
//	POST /dir/                a form with files: 303 for a browser, 201 for others
//	PUT /dir/name?upload      a new file, of which what has come is kept when the client breaks off
//	HEAD /dir/name?upload     says in Upload-Offset how much there is
//	PUT /dir/name  with  Content-Range: bytes FIRST-LAST/TOTAL
//	                          goes on where that ends: 202 until all is there (RFC 9110 section 14.5)
//
// ok is false for all others.
func (h *Handler) takeUpload(w http.ResponseWriter, r *http.Request) (ok bool) {
	if !h.config.Options.Upload {
		return false
	}
	var err error
	switch r.Method {
	case http.MethodPut:
		err = h.put(w, r)
	case http.MethodPost:
		err = h.postForm(w, r)
	case http.MethodHead:
		if r.URL.RawQuery == "" || !r.URL.Query().Has("upload") {
			return false
		}
		err = h.tellOffset(w, r)
	default:
		return false
	}
	if err != nil {
		h.refuseUpload(w, r, err, "")
	}
	return true
}

func (h *Handler) put(w http.ResponseWriter, r *http.Request) error {
	u, err := h.newUpload(r)
	if err != nil {
		return err
	}
	limit, err := h.bodyLimit(r, u)
	if err != nil {
		return err
	}
	unhurried(w)
	if err := h.store(r.Context(), u, r.Body, limit); err != nil {
		return err
	}
	header := w.Header()
	if u.info == nil {
		header.Set(uploadOffset, strconv.FormatInt(u.size, 10))
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
	header.Set("Etag", etagOf(u.info, identity))
	if u.created {
		header.Set("Location", h.location(path.Join(u.dir, u.name)))
		w.WriteHeader(http.StatusCreated)
		return nil
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// newUpload checks all of a PUT but its length.
func (h *Handler) newUpload(r *http.Request) (*upload, error) {
	if err := h.crossOrigin.Check(r); err != nil {
		return nil, &refusal{http.StatusForbidden, err.Error()}
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, &refusal{http.StatusUnsupportedMediaType, "send the file without a Content-Encoding"}
	}
	u, err := h.named(r)
	if err != nil {
		return nil, err
	}
	u.resumable = r.URL.RawQuery != "" && r.URL.Query().Has("upload")
	u.header, u.replace, u.instead = r.Header, h.config.Options.UploadOverwrite, h.config.Options.insteadOf(u.name)
	lines := r.Header.Values("Content-Range")
	if len(lines) == 0 {
		return u, nil
	}
	span, ok := parseContentRange(lines[0])
	if !ok || len(lines) > 1 {
		return nil, &refusal{http.StatusBadRequest, "Content-Range: not bytes FIRST-LAST/TOTAL"}
	}
	u.span, u.resumable = &span, true
	return u, nil
}

// named returns an upload to the path of the URL.
func (h *Handler) named(r *http.Request) (*upload, error) {
	name, slash, ok := h.localName(r.URL.Path)
	switch {
	case !ok:
		return nil, errName
	case slash, name == ".":
		return nil, errDirectory
	}
	u := &upload{dir: path.Dir(name), name: path.Base(name)}
	return u, checkName(u.name, h.config.Options.Hidden)
}

// checkName refuses names that no request would find.
func checkName(name string, showHidden bool) error {
	if !isName(name) || !filepath.IsLocal(name) || part.Is(name) || hidden(name) && !showHidden {
		return errName
	}
	if filepath.Separator != '/' && strings.Contains(name, ":") {
		return errName // a stream of another file
	}
	return nil
}

// bodyLimit returns how long the body may be; negative means any length. It refuses what the headers say is too long.
func (h *Handler) bodyLimit(r *http.Request, u *upload) (int64, error) {
	largest := int64(h.config.Options.UploadMax)
	size := r.ContentLength
	if u.span != nil {
		if size >= 0 && size != u.span.length {
			return 0, &refusal{http.StatusBadRequest, fmt.Sprintf("Content-Range is of %d bytes, Content-Length of %d", u.span.length, size)}
		}
		size = u.span.total
	}
	switch {
	case largest > 0 && size > largest:
		return 0, h.tooLarge()
	case u.span != nil:
		return u.span.length, nil
	case largest > 0:
		return largest, nil
	}
	return -1, nil
}

func (h *Handler) tooLarge() error {
	return &refusal{http.StatusRequestEntityTooLarge, "larger than " + h.config.Options.UploadMax.String()}
}

// store writes the body to a part, and gives that its name when all is there. A part that fails is removed, unless the
// client may go on with it.
func (h *Handler) store(ctx context.Context, u *upload, body io.Reader, limit int64) error {
	p, err := h.beginUpload(ctx, u)
	if err != nil {
		return err
	}
	n, err := receive(ctx, p.file, body, limit)
	if errors.Is(err, errLong) && u.span == nil {
		err = h.tooLarge()
	}
	u.size = n
	if u.span != nil {
		u.size += u.span.first
	}
	err = h.surely(ctx, func() error {
		defer p.close()
		return u.end(p, err)
	})
	if u.info != nil {
		h.forget() // who has sent a file gets that one
	}
	return err
}

// end makes the part the file if all is there, keeps it if the client may go on, or removes it. err is what receiving it met.
func (u *upload) end(p *pending, err error) error {
	whole := u.span == nil || u.size == u.span.total
	_, broken := errors.AsType[*bodyError](err)
	switch {
	case err == nil && whole:
		err = u.finish(p)
	case u.resumable && (err == nil || broken):
		return err
	}
	if err != nil {
		return errors.Join(err, p.remove())
	}
	return nil
}

// finish makes the part the file. What was true when the upload began may have changed.
func (u *upload) finish(p *pending) error {
	info, err := p.file.Stat()
	if err != nil {
		return err
	}
	if u.span != nil && info.Size() != u.span.total {
		return &offsetError{info.Size()}
	}
	if err := u.check(p.dir); err != nil {
		return err
	}
	if err := p.finish(u.mayReplace()); err != nil {
		return err
	}
	u.info = info
	return nil
}

// mayReplace is false also for who asks for a new file and nothing else (RFC 9110 section 13.1.2).
func (u *upload) mayReplace() bool {
	return u.replace && strings.TrimSpace(u.header.Get("If-None-Match")) != "*"
}

// insteadOf returns the name of the file that one of this name may be sent for, "" if there is none.
func (o *Options) insteadOf(name string) string {
	for _, suffix := range sideSuffixes {
		if file, ok := strings.CutSuffix(name, suffix); ok && o.Precompressed {
			return file
		}
	}
	return ""
}

// check looks at what has the name now, and sets created.
func (u *upload) check(dir *os.Root) error {
	if u.instead != "" && !u.replace {
		if info, err := dir.Lstat(u.instead); err == nil && !info.IsDir() {
			return errInstead
		}
	}
	info, err := dir.Lstat(u.name)
	if errors.Is(err, fs.ErrNotExist) {
		u.created = true
		return conditions(u.header, nil)
	}
	u.created = false
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return errDirectory
	case !info.Mode().IsRegular() && info.Mode()&fs.ModeSymlink == 0:
		return errSpecial
	case !u.replace:
		return errExists
	}
	return conditions(u.header, info)
}

// beginUpload opens the part, which owns its directory.
func (h *Handler) beginUpload(ctx context.Context, u *upload) (p *pending, err error) {
	var first int64
	if u.span != nil {
		first = u.span.first
	}
	_, err = h.inDirectory(ctx, u, func(dir *os.Root) (err error) {
		if err := u.check(dir); err != nil {
			return err
		}
		p, err = openPart(dir, u.name, first)
		return err
	})
	return p, err
}

// inDirectory runs fn in the pool with the directory of the upload, which the caller closes if there is no error.
func (h *Handler) inDirectory(ctx context.Context, u *upload, fn func(*os.Root) error) (dir *os.Root, err error) {
	for {
		t := h.tree.Load()
		err := h.config.Pool.Do(ctx, func() (err error) {
			if dir, err = t.uploadDir(u); err != nil {
				return err
			}
			if err = fn(dir); err != nil {
				_ = dir.Close()
			}
			return err
		})
		if errors.Is(err, fs.ErrClosed) && h.tree.Load() != t {
			continue // a reload closed the root after Load: there is a newer one
		}
		return dir, err
	}
}

// uploadDir opens the directory of an upload. It makes blocking calls only, for the pool.
func (t *tree) uploadDir(u *upload) (*os.Root, error) {
	info, err := t.root.Stat(u.dir)
	switch {
	case err != nil && !errors.Is(err, fs.ErrClosed) && statusOf(err) == http.StatusNotFound:
		return nil, errNowhere
	case err != nil:
		return nil, err
	case !info.IsDir():
		return nil, errNowhere
	}
	if t.private != nil {
		dir, err := t.realPath(u.dir)
		if err != nil {
			return nil, err
		}
		if t.private(filepath.Join(dir, u.name)) {
			return nil, errName
		}
	}
	return t.root.OpenRoot(u.dir)
}

// checkUpload writes a file and removes it.
func (t *tree) checkUpload() error {
	if t.file != "" {
		return plugins.Usagef("--upload: %q is a single file, not a directory", t.path)
	}
	name := part.Name("") // of no file
	f, err := t.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|regular.Nonblock, 0o600)
	if err == nil {
		_ = f.Close() // nothing was written
		err = t.root.Remove(name)
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) { // somebody else who tried removed it
		return nil
	}
	return &pathError{"--upload cannot write there: " + explain(err).Error(), err}
}

// surely runs fn in the pool, or without it if the pool takes nothing: what was begun has to end.
func (h *Handler) surely(ctx context.Context, fn func() error) error {
	ran := false
	err := h.config.Pool.Do(context.WithoutCancel(ctx), func() error {
		ran = true
		return fn()
	})
	if !ran {
		err = fn()
	}
	return err
}

// tellOffset answers how much of an unfinished upload there is.
func (h *Handler) tellOffset(w http.ResponseWriter, r *http.Request) error {
	u, err := h.named(r)
	if err != nil {
		return err
	}
	var size int64
	dir, err := h.inDirectory(r.Context(), u, func(dir *os.Root) (err error) {
		size, err = partSize(dir, u.name)
		return err
	})
	if err != nil {
		return err
	}
	_ = dir.Close() // it was only read from
	w.Header().Set(uploadOffset, strconv.FormatInt(size, 10))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// location returns the URL path of a name below the root.
func (h *Handler) location(name string) string {
	u := url.URL{Path: path.Join("/", h.config.Prefix, name)}
	return u.String()
}
