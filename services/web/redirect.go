package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
)

// redirectMount makes the mount that sends clients elsewhere.
type redirectMount struct {
	status int
	exact  bool
}

// Flags implements Mounter.
func (m *redirectMount) Flags(fs *pflag.FlagSet) {
	fs.IntVar(&m.status, "status", http.StatusFound, "`CODE` of the answer: 301, 302, 303, 307 or 308; browsers remember 301 and 308")
	fs.BoolVar(&m.exact, "exact", false, "send everybody to this very URL, without what follows the path of the mount")
}

// Mount implements Mounter.
func (m *redirectMount) Mount(_ context.Context, at Place, _ *plugins.Env) (http.Handler, error) {
	switch m.status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, plugins.Usagef("status=%d: not 301, 302, 303, 307 or 308", m.status)
	}
	target, err := url.Parse(at.Arg)
	local := err == nil && target.Scheme == "" && target.Host == "" && strings.HasPrefix(target.Path, "/") && !strings.HasPrefix(target.Path, "//")
	if !local && (err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https") {
		return nil, &plugins.UsageError{Reason: "redirect: " + quote(at.Arg) + " is neither a URL nor a path", Suggestion: "give redirect:https://example.org or redirect:/elsewhere"}
	}
	return &redirect{path: at.Path, to: *target, status: m.status, exact: m.exact}, nil
}

// redirect sends clients to another place.
type redirect struct {
	path   string
	to     url.URL
	status int
	exact  bool
}

// local says whether the target is a path on this site.
func (h *redirect) local() bool { return h.to.Host == "" }

// behind leaves out the first n bytes that an escaped path stands for.
func behind(escaped string, n int) string {
	for ; n > 0 && escaped != ""; n-- {
		if escaped[0] == '%' {
			escaped = escaped[2:]
		}
		escaped = escaped[1:]
	}
	return escaped
}

// checkRedirects looks for redirects that lead back to themselves, on their own or by way of others.
func (s *site) checkRedirects() error {
	for _, m := range s.mounts {
		way := []*mount{}
		for at := m; at != nil && !slices.Contains(way, at); {
			way = append(way, at)
			r, ok := at.inner.(*redirect)
			if !ok || !r.local() {
				break
			}
			if at = s.router.find(at.host, r.to.Path); at == m {
				return plugins.Usagef("%s: %s leads back to where it comes from", m.spec.name(), r.to.Path)
			}
		}
	}
	return nil
}

// ServeHTTP implements http.Handler. What is appended to the target cannot change its host, since the target has a path or
// gets one.
func (h *redirect) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	location := h.to
	if !h.exact {
		rest := behind(r.URL.EscapedPath(), len(h.path))
		raw := strings.TrimSuffix(location.EscapedPath(), "/") + "/" + strings.TrimLeft(rest, "/\\")
		if rest == "" {
			raw = location.EscapedPath()
		}
		if path, err := url.PathUnescape(raw); err == nil {
			location.Path, location.RawPath = path, raw
		}
		if location.RawQuery == "" {
			location.RawQuery = r.URL.RawQuery
		}
	}
	w.Header().Set("Location", location.String())
	refuse(w, r, h.status)
}
