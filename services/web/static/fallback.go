package static

import (
	"bytes"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// fallBack answers a request for what does not exist with the file that was named for it.
func (h *Handler) fallBack(w http.ResponseWriter, r *http.Request) bool {
	o := &h.config.Options
	if o.SPA != "" && asksForPage(r) && h.answer(w, r, o.SPA, false) == nil {
		return true
	}
	if o.NotFound == "" {
		return false
	}
	v, res, err := h.find(r, h.tree.Load(), o.NotFound, false)
	defer res.close()
	switch {
	case err != nil:
		h.config.Log.WarnContext(r.Context(), "cannot read the page for what is not found", "file", o.NotFound, "error", err)
		return false
	case v != nil:
		sendNotFound(w, r, v.header, bytes.NewReader(v.body), int64(len(v.body)))
		return true
	case res.file != nil:
		res.vary = res.vary || h.mayCompress(&res)
		sendNotFound(w, r, h.header(&res, ""), res.file, res.info.Size())
		return true
	}
	return false
}

// asksForPage tells pages from what is part of one: to answer for a script with a page hides that it is missing.
func asksForPage(r *http.Request) bool {
	ending := path.Ext(r.URL.Path)
	return ending == "" || ending == ".html" || strings.Contains(r.Header.Get("Accept"), "text/html")
}

func sendNotFound(w http.ResponseWriter, r *http.Request, header http.Header, body io.Reader, size int64) {
	setHeader(w, header)
	w.Header().Del("Etag")
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	w.WriteHeader(http.StatusNotFound)
	if r.Method != http.MethodHead {
		_, _ = io.CopyN(w, body, size) // what is missing then, net/http tells the client by closing the connection
	}
}
