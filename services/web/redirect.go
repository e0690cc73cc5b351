package web

import (
	"context"
	"net/http"
	"net/url"
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
	if local && at.Host == "" && !m.exact && (target.Path+"/" == at.Path+"/" || at.Path == "") {
		return nil, plugins.Usagef("redirect: %s leads back to where it comes from", at.Arg)
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

// ServeHTTP implements http.Handler. What is appended to the target cannot change its host, since the target has a path or
// gets one.
func (h *redirect) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	location := h.to
	if !h.exact {
		rest := strings.TrimPrefix(r.URL.EscapedPath(), h.path)
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
