package static

import (
	"io/fs"
	"mime"
	"net/http"
	"os"
	"strconv"
	"time"
)

// resource is what a request path stands for: a file, a directory asked for without its slash, or a directory to be listed.
type resource struct {
	file        *os.File // closed by whoever got the resource
	info        fs.FileInfo
	contentType string
	saveAs      string // a name to suggest to the client that the URL does not have; usually ""

	moved bool
	dir   *os.File // closed by whoever got the resource
}

// serve answers with the file. http.ServeContent takes the conditions in the order of RFC 9110 section 13.2.2.
func (res *resource) serve(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Type", res.contentType)
	if res.saveAs != "" {
		header.Set("Content-Disposition", mime.FormatMediaType("inline", map[string]string{"filename": res.saveAs}))
	}
	modified := res.info.ModTime()
	if modified.Unix() <= 1 {
		// Reproducible builds and package stores give every file the time 0 or 1: it says nothing about a change.
		modified = time.Time{}
	} else {
		header.Set("Etag", etag(res.info))
	}
	if time.Until(modified) > 0 {
		modified = time.Time{} // RFC 9110 section 8.8.2.1: never later than the Date
	}
	http.ServeContent(w, standardized(r, res.info.Size()), "", modified, res.file)
}

// etag returns a strong validator (RFC 9110 section 8.8.3). The inode is not in it: the same tree on two machines behind
// one name has the same tags.
func etag(info fs.FileInfo) string {
	b := append(make([]byte, 0, 40), '"')
	b = strconv.AppendInt(b, info.ModTime().UnixNano(), 36)
	b = append(b, '-')
	b = strconv.AppendInt(b, info.Size(), 36)
	return string(append(b, '"'))
}
