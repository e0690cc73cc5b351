package static

import (
	"html"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
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
	ctx := r.Context()
	if err := h.begin(ctx, l); err != nil {
		return err
	}
	// HEAD does not need the rest: so large a listing has no Content-Length.
	if !l.whole && r.Method != http.MethodHead {
		release, err := h.takeSlot(ctx)
		if err != nil {
			return err
		}
		defer release()
		if err := h.complete(ctx, l); err != nil {
			return err
		}
	}
	l.sort()
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	buf := h.pages.Get().(*[]byte)
	defer h.pages.Put(buf)
	p := page{w: w, r: r, buf: (*buf)[:0]}
	p.write(h.layout, l)
	return nil
}

// layout is listing.html, cut where a listing differs from others.
type layout struct{ head, foot string }

func newLayout() layout {
	head, foot, _ := strings.Cut(listingHTML, "{{rows}}\n")
	return layout{head, foot}
}

// page is the answer while it is written, chunk by chunk.
type page struct {
	w    http.ResponseWriter
	r    *http.Request
	buf  []byte
	sent bool // some of the body is
}

// write sends a page with Content-Length if it is one chunk. It panics with http.ErrAbortHandler when the client has gone
// or takes too long, so that nobody takes what there is for all.
func (p *page) write(y layout, l *listing) {
	title := "/"
	if l.name != "." {
		title += visible(l.name) + "/"
	}
	p.buf = append(p.buf, strings.ReplaceAll(y.head, "{{title}}", html.EscapeString(title))...)
	if l.name != "." {
		p.buf = append(p.buf, "<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n"...)
	}
	for i := range l.entries {
		p.buf = l.entries[i].appendRow(p.buf)
		if len(p.buf) < pageChunk {
			continue
		}
		if p.r.Method == http.MethodHead {
			p.w.WriteHeader(http.StatusOK)
			return
		}
		p.flush()
	}
	if l.cut {
		p.buf = append(p.buf, "<tr><td>… and more than the "+strconv.Itoa(maxListed)+" names that are listed</td><td></td><td></td></tr>\n"...)
	}
	p.buf = append(p.buf, y.foot...)
	if !p.sent && l.whole {
		p.w.Header().Set("Content-Length", strconv.Itoa(len(p.buf)))
	}
	if p.r.Method == http.MethodHead {
		p.w.WriteHeader(http.StatusOK)
		return
	}
	p.flush()
	_ = http.NewResponseController(p.w).SetWriteDeadline(time.Time{}) // the connection's next answer has none
}

func (p *page) flush() {
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

// appendRow adds the entry to a page.
func (e entry) appendRow(b []byte) []byte {
	slash := ""
	if e.isDir() {
		slash = "/"
	}
	// "./" keeps "a:b" from being a scheme.
	b = append(b, `<tr><td><a href="./`...)
	b = append(b, html.EscapeString(url.PathEscape(e.name))...)
	b = append(b, slash...)
	b = append(b, `">`...)
	b = append(b, html.EscapeString(visible(e.name))...)
	b = append(b, slash...)
	b = append(b, `</a></td><td>`...)
	if !e.isDir() {
		b = appendSize(b, e.size)
	}
	modified := time.Unix(e.modified, 0).UTC()
	b = append(b, `</td><td><time datetime="`...)
	b = modified.AppendFormat(b, time.RFC3339)
	b = append(b, `">`...)
	b = modified.AppendFormat(b, "2006-01-02 15:04")
	return append(b, "</time></td></tr>\n"...)
}

// appendSize writes a number of bytes in binary units.
func appendSize(b []byte, n int64) []byte {
	if n < 1024 {
		return append(strconv.AppendInt(b, n, 10), " B"...)
	}
	size, unit := float64(n)/1024, 0
	for size >= 1023.95 && unit < len(units)-1 {
		size /= 1024
		unit++
	}
	b = strconv.AppendFloat(b, size, 'f', 1, 64)
	return append(b, ' ', units[unit], 'i', 'B')
}

const units = "KMGTPE"

// visible returns a name for people: what is no UTF-8, and what would break the line or turn the direction of the text,
// stands as a symbol.
func visible(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ':
			return '␀' + r
		case r == 0x7f:
			return '␡'
		case unicode.IsControl(r), unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp):
			return unicode.ReplacementChar
		}
		return r
	}, name)
}
