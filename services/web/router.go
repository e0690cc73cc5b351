package web

import (
	"cmp"
	"net/http"
	"path"
	"slices"
	"strings"
)

// router finds the mount that a request is for. It never changes once it is made.
type router struct {
	hosts map[string][]*mount // by name, "*.example.org" for all names below it, "" for any; longest path first
	named bool                // there are other hosts than ""
}

// add puts a mount in its place.
func (t *router) add(m *mount) {
	if t.hosts == nil {
		t.hosts = map[string][]*mount{}
	}
	t.named = t.named || m.host != ""
	list := append(t.hosts[m.host], m)
	slices.SortStableFunc(list, func(a, b *mount) int { return cmp.Compare(len(b.path), len(a.path)) })
	t.hosts[m.host] = list
}

// find returns the mount of a host, as it stands in a request, with the longest path that the request's is below. The mounts
// of the very host come before those of a name with a star, and these before the ones for any host. It is nil if there is none.
func (t *router) find(host, path string) *mount {
	if t.named {
		host = hostname(host)
		if m := below(t.hosts[host], path); m != nil && host != "" {
			return m
		}
		for rest := host; ; {
			_, parent, found := strings.Cut(rest, ".")
			if !found {
				break
			}
			if m := below(t.hosts["*."+parent], path); m != nil {
				return m
			}
			rest = parent
		}
	}
	return below(t.hosts[""], path)
}

// below returns the first mount of the list that the path belongs to.
func below(list []*mount, path string) *mount {
	for _, m := range list {
		if strings.HasPrefix(path, m.path) && (len(path) == len(m.path) || path[len(m.path)] == '/') {
			return m
		}
	}
	return nil
}

// hostname takes the port off, and the dot at the end of a name that is complete.
func hostname(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// detour says whether a path has empty segments or those of dots, which what is behind a mount may leave out.
func detour(path string) bool { return strings.Contains(path, "//") || strings.Contains(path, "/.") }

// ServeHTTP implements http.Handler.
func (t *router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m := t.find(r.Host, r.URL.Path)
	if detour(r.URL.Path) && t.find(r.Host, path.Clean(r.URL.Path)) != m {
		m = nil // what guards the one must not be left out by asking the other
	}
	if m != nil {
		m.handler.ServeHTTP(w, r)
		return
	}
	if r.RequestURI == "*" && r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent) // RFC 9110 section 9.3.7: a ping
		return
	}
	refuse(w, r, http.StatusNotFound)
}
