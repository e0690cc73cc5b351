package static

import (
	"io"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"strconv"
	"time"
)

// resource is what a request path stands for: a file, a place to be sent to, or a directory to be listed.
type resource struct {
	file        *os.File // closed by whoever got the resource
	info        fs.FileInfo
	name        string // below the root, without the suffix of a side file
	contentType string
	coding      coding // of the file's bytes
	vary        bool   // another client might get another coding
	saveAs      string // a name to suggest to the client that the URL does not have; usually ""

	moved string   // the name below the root under which the client is to ask; "" if it is right as it is
	dir   *os.File // closed by whoever got the resource
}

// close closes what is open. The resource may be the zero value.
func (res *resource) close() {
	for _, f := range []*os.File{res.file, res.dir} {
		if f != nil {
			_ = f.Close() // it was only read from
		}
	}
}

// validators returns what tells one state of a file from another, empty for a file whose time says nothing: reproducible
// builds and package stores give every file the time 0 or 1.
func validators(info fs.FileInfo, c coding) (etag string, modified time.Time) {
	modified = info.ModTime()
	if modified.Unix() <= 1 {
		return "", time.Time{}
	}
	if time.Until(modified) > 0 {
		modified = time.Time{} // RFC 9110 section 8.8.2.1: never later than the Date
	}
	return etagOf(info, c), modified
}

// etagOf returns a strong validator (RFC 9110 section 8.8.3). The inode is not in it: the same tree on two machines behind
// one name has the same tags.
func etagOf(info fs.FileInfo, c coding) string {
	b := append(make([]byte, 0, 48), '"')
	b = strconv.AppendInt(b, info.ModTime().UnixNano(), 36)
	b = append(b, '-')
	b = strconv.AppendInt(b, info.Size(), 36)
	if c != identity {
		b = append(b, '-')
		b = append(b, codingNames[c]...)
	}
	return string(append(b, '"'))
}

// header returns the fields of an answer with the file, but for those of the message (Content-Length, ranges).
func (h *Handler) header(res *resource, etag string) http.Header {
	header := http.Header{
		"Content-Type":           {res.contentType},
		"X-Content-Type-Options": {"nosniff"},
	}
	if etag != "" {
		header["Etag"] = []string{etag}
	}
	if res.coding != identity {
		header["Content-Encoding"] = []string{codingNames[res.coding]}
	}
	if res.vary {
		header["Vary"] = []string{"Accept-Encoding"}
	}
	if res.saveAs != "" {
		header["Content-Disposition"] = []string{mime.FormatMediaType("inline", map[string]string{"filename": res.saveAs})}
	}
	if value := h.config.Options.cacheControl(res.name); value != "" {
		header["Cache-Control"] = []string{value}
	}
	return header
}

// serve answers with the file, from the disk to the socket. http.ServeContent takes the conditions in the order of RFC 9110
// section 13.2.2.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, res *resource) {
	if c := h.compresses(res, r); c != identity {
		res.coding, res.vary = c, true
		etag, modified := validators(res.info, c)
		setHeader(w, h.header(res, etag))
		h.compress(w, r, res, modified)
		return
	}
	etag, modified := validators(res.info, res.coding)
	setHeader(w, h.header(res, etag))
	sendContent(w, r, res.coding, modified, res.info.Size(), h.disk(r.Context(), res.file))
}

// sendContent sends what w's header is about, whole or in parts.
func sendContent(w http.ResponseWriter, r *http.Request, c coding, modified time.Time, size int64, content io.ReadSeeker) {
	// ServeContent leaves out the length of what is encoded. A 412, which has no body, keeps what is set here.
	if c != identity && r.Header["If-Match"] == nil && r.Header["If-Unmodified-Since"] == nil {
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	}
	http.ServeContent(w, standardized(r, size), "", modified, content)
}

func setHeader(w http.ResponseWriter, header http.Header) {
	to := w.Header()
	for name, values := range header {
		if name == "Vary" {
			to[name] = append(to[name], values...)
			continue
		}
		to[name] = values
	}
}

// sameState says whether two looks at a file saw the same one, unchanged as far as its time tells.
func sameState(a, b fs.FileInfo) bool {
	return a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && os.SameFile(a, b) && changeTime(a) == changeTime(b)
}
