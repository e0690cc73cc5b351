package static

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// pageChunk is how much of a listing is in memory at a time, in bytes, and so the largest with a Content-Length.
	pageChunk = 32 << 10

	// maxRow is more than a row takes: a name of 255 bytes may become three times as long twice, or five times once.
	maxRow = 4 << 10

	// chunkTimeout is how long a client may take for a chunk of a listing: it holds a slot meanwhile.
	chunkTimeout = 20 * time.Second
)

// list answers with the entries of a directory. An error means that nothing has been written.
func (h *Handler) list(w http.ResponseWriter, r *http.Request, l *listing) error {
	release, err := h.readEntries(r, l)
	if err != nil {
		return err
	}
	defer release()
	query := r.URL.Query()
	f, o := formatOf(r, query), orderOf(query)
	if f == formatHTML {
		if err := h.furnish(r, l); err != nil {
			return err
		}
	}
	l.sort(o)
	header := w.Header()
	header.Set("Content-Type", contentTypes[f])
	header.Set("Cache-Control", "no-cache")
	header.Add("Vary", "Accept, User-Agent")
	buf := h.pages.Get().(*[]byte)
	defer h.pages.Put(buf)
	p := page{w: w, r: r, buf: (*buf)[:0]}
	switch f {
	case formatJSON:
		p.json(h.config.Prefix, l)
	case formatText:
		p.text(l)
	default:
		header.Set("Content-Security-Policy", h.layout.policy)
		if l.upload {
			header.Set("Content-Security-Policy", h.layout.uploads)
		}
		p.html(h.layout, h.config.Prefix, l, o)
	}
	p.end(l.whole)
	return nil
}

// furnish adds what only a page for people has. wget -r would take every archive and every order of every directory, for it
// does not know rel=nofollow.
func (h *Handler) furnish(r *http.Request, l *listing) error {
	l.mirrored = strings.HasPrefix(r.UserAgent(), "Wget/")
	l.archive = h.config.Options.Archive && !l.mirrored
	if h.config.Options.Upload {
		err := h.config.Pool.Do(r.Context(), func() error {
			l.upload = writable(l.dir)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return h.readReadme(r.Context(), l)
}

// page is the answer while it is written, chunk by chunk.
type page struct {
	w    http.ResponseWriter
	r    *http.Request
	buf  []byte
	sent bool // some of the body is, or with HEAD would be
}

func (p *page) add(s string) { p.buf = append(p.buf, s...) }

// room sends what there is unless the chunk has room for n more bytes.
func (p *page) room(n int) {
	if len(p.buf)+n > pageChunk {
		p.flush()
	}
}

// over says that the rest of the page is for nobody.
func (p *page) over() bool { return p.sent && p.r.Method == http.MethodHead }

// flush sends a chunk. It panics with http.ErrAbortHandler when the client has gone or takes too long, so that nobody takes
// what there is for all.
func (p *page) flush() {
	if p.r.Method == http.MethodHead {
		if !p.sent {
			p.w.WriteHeader(http.StatusOK)
		}
		p.buf, p.sent = p.buf[:0], true
		return
	}
	// Not every ResponseWriter has deadlines; those of net/http, where it matters, do.
	_ = http.NewResponseController(p.w).SetWriteDeadline(time.Now().Add(chunkTimeout))
	if p.r.Context().Err() != nil {
		panic(http.ErrAbortHandler)
	}
	if _, err := p.w.Write(p.buf); err != nil {
		panic(http.ErrAbortHandler)
	}
	p.buf, p.sent = p.buf[:0], true
}

// end sends the last chunk, with Content-Length if it is the only one.
func (p *page) end(whole bool) {
	if !p.sent && whole {
		p.w.Header().Set("Content-Length", strconv.Itoa(len(p.buf)))
	}
	p.flush()
	if p.r.Method != http.MethodHead {
		_ = http.NewResponseController(p.w).SetWriteDeadline(time.Time{}) // the connection's next answer has none
	}
}

// appendURL adds the entry's relative URL, in characters that neither HTML nor JSON escapes.
func (e *entry) appendURL(b []byte) []byte {
	b = append(b, "./"...) // keeps "a:b" from being a scheme
	if isPlain(e.name) {
		b = append(b, e.name...)
	} else {
		b = appendEscaped(b, e.name)
	}
	if e.isDir() {
		b = append(b, '/')
	}
	return b
}

// appendEscaped is url.PathEscape without the ampersand, which means something in HTML.
func appendEscaped(b []byte, segment string) []byte {
	for _, c := range []byte(url.PathEscape(segment)) {
		if c == '&' {
			b = append(b, "%26"...)
		} else {
			b = append(b, c)
		}
	}
	return b
}

// isPlain says whether a name is the same in a URL, in HTML and in JSON.
func isPlain(name string) bool {
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return true
}
