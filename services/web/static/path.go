package static

import (
	"net/http"
	"net/url"
	"path"
	"path/filepath"
	"strings"

	"github.com/gtwistd/gtwistd/internal/part"
)

// localName takes the prefix off the path of a URL and returns the name below the root that the rest stands for.
func (h *Handler) localName(p string) (name string, slash, ok bool) {
	rest, below := strings.CutPrefix(p, h.config.Prefix)
	switch {
	case !below, rest != "" && rest[0] != '/' && h.config.Prefix != "":
		return "", false, false
	case rest == "" && h.config.Prefix != "":
		return ".", false, true
	}
	return localName(rest, h.config.Options.Hidden)
}

// localName turns the path of a URL into a name below the root: "." for the root itself. slash says whether the path ends
// with one and so means a directory. ok is false if the path cannot or must not name a file: one with a dot segment, a
// hidden name or a NUL. Empty segments count for nothing, as in nginx and Apache.
func localName(p string, showHidden bool) (name string, slash, ok bool) {
	if p == "" {
		return ".", true, true // absolute-form with an empty path, RFC 9112 section 3.2.2
	}
	if p[0] != '/' || strings.IndexByte(p, 0) >= 0 {
		return "", false, false
	}
	if filepath.Separator != '/' && strings.ContainsAny(p, `\:`) {
		return "", false, false
	}
	for segment := range strings.SplitSeq(p, "/") {
		if segment == "." || segment == ".." || hidden(segment) && !showHidden || part.Is(segment) {
			return "", false, false
		}
	}
	name = strings.Trim(p, "/")
	switch {
	case name == "":
		name = "."
	case strings.Contains(name, "//"):
		name = path.Clean(name)
	}
	return name, strings.HasSuffix(p, "/"), true
}

// keyOf is the path, without its first slash, that localName turns into a name.
func keyOf(name string, slash bool) string {
	switch {
	case name == "." && slash:
		return ""
	case slash:
		return name + "/"
	}
	return name
}

// hidden says whether a name is kept from clients unless they are to be shown, in requests and listings alike.
func hidden(name string) bool { return strings.HasPrefix(name, ".") && name != ".well-known" }

// redirect sends the client to another name below the root: that of a directory ends with a slash. The target begins with
// exactly one slash and has its backslashes encoded: with two, or one of each, browsers would take the first segment for a host.
func (h *Handler) redirect(w http.ResponseWriter, r *http.Request, name string) {
	if name == "./" {
		name = ""
	}
	target := url.URL{Path: h.config.Prefix + "/" + name, RawQuery: r.URL.RawQuery}
	w.Header().Set("Location", target.String())
	refuse(w, http.StatusMovedPermanently)
}
