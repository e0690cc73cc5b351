package live

import (
	"html"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// page lets next answer, with the script if a browser wants to show the answer.
func (l *Live) page(next http.Handler, w http.ResponseWriter, r *http.Request) {
	res := &response{ResponseWriter: w, head: r.Method == http.MethodHead}
	if wantsPage(r) {
		// What is read after this belongs to this version or a later one.
		v, _ := l.current()
		res.tag = `<script async src="` + html.EscapeString(l.config.Base) + scriptPath + "?since=" + v.String() + `"></script>`
		l.handedOut.Store(true)
		r = r.WithContext(r.Context())
		r.Header = r.Header.Clone()
		// A copy from before, without the script, is not to be confirmed; and into what is compressed nothing can be added.
		for _, name := range []string{"If-None-Match", "If-Modified-Since", "Accept-Encoding"} {
			r.Header.Del(name)
		}
	}
	next.ServeHTTP(res, r)
	res.finish()
}

// wantsPage reports whether a browser is going to show the answer: it names HTML as what it would like best, and does not say
// that a script asks (Fetch Metadata).
func wantsPage(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || r.Header.Get("Upgrade") != "" {
		return false
	}
	if r.Header.Get("Sec-Fetch-Dest") == "empty" {
		return false
	}
	return slices.ContainsFunc(r.Header.Values("Accept"), func(s string) bool {
		return strings.Contains(strings.ToLower(s), "text/html")
	})
}

// response adds a tag to the end of a page, and changes the header to match.
type response struct {
	http.ResponseWriter
	tag    string // "" if none is wanted
	head   bool
	wrote  bool // the final header
	tagged bool // by that header
}

// Unwrap lets http.ResponseController find flushing, hijacking and deadlines.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	if !w.wrote && status >= 200 {
		w.wrote = true
		w.prepare(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *response) Write(p []byte) (int, error) {
	if !w.wrote {
		header := w.Header()
		if _, known := header["Content-Type"]; !known && header.Get("Content-Encoding") == "" {
			header.Set("Content-Type", http.DetectContentType(p)) // as net/http would, but only later
		}
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

// ReadFrom implements io.ReaderFrom, without which a file would not go the way of sendfile.
func (w *response) ReadFrom(src io.Reader) (int64, error) {
	fast, ok := w.ResponseWriter.(io.ReaderFrom)
	if _, known := w.Header()["Content-Type"]; !ok || !w.wrote && !known {
		return io.Copy(struct{ io.Writer }{w}, src) // HTTP/2, or a type to be guessed
	}
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	return fast.ReadFrom(src)
}

// prepare changes the header before it is sent.
func (w *response) prepare(status int) {
	header := w.Header()
	w.tagged = w.tag != "" && mayBeTagged(status, header)
	if !w.tagged {
		if !strings.Contains(header.Get("Cache-Control"), "no-store") {
			// The page is loaded again for the sake of what is new in its parts.
			header.Set("Cache-Control", "no-cache")
		}
		return
	}
	header.Set("Cache-Control", "no-store")
	// What speaks of the bytes without the tag.
	for _, name := range []string{"Etag", "Last-Modified", "Accept-Ranges", "Content-Md5", "Digest", "Content-Digest", "Repr-Digest"} {
		header.Del(name)
	}
	if length, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64); err == nil {
		header.Set("Content-Length", strconv.FormatInt(length+int64(len(w.tag)), 10))
	}
	policies := slices.Clone(header["Content-Security-Policy"]) // not the handler's, which may keep it for other answers
	for i := range policies {
		policies[i] = allowScript(policies[i])
	}
	if len(policies) > 0 {
		header["Content-Security-Policy"] = policies
	}
}

// mayBeTagged reports whether an answer is a whole page: also one that says what is wrong, but no part and no redirection.
func mayBeTagged(status int, header http.Header) bool {
	switch {
	case status == http.StatusNoContent, status == http.StatusResetContent, status == http.StatusPartialContent:
		return false
	case status >= 300 && status < 400:
		return false
	}
	if strings.HasPrefix(strings.ToLower(header.Get("Content-Disposition")), "attachment") {
		return false // goes to a file
	}
	kind, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	coding := header.Get("Content-Encoding")
	return err == nil && kind == "text/html" && (coding == "" || coding == "identity")
}

// finish adds the tag. It is not called when the handler panics: a page that is not whole stays so.
func (w *response) finish() {
	if w.tagged && !w.head {
		_, _ = io.WriteString(w.ResponseWriter, w.tag) // whoever has gone does not need it
	}
}
