package proxy

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

const targetForms = "http://host:port, https://host:port or unix:/path/of/socket, and what takes the place of the mount's path behind it (http://host:port/base, unix:/path/of/socket:/base)"

// target is the address of an upstream.
type target struct {
	name    string // as given
	socket  string // path of a unix socket, or ""
	url     url.URL
	base    string // takes the place of the mount's path, without the slash at its end; see replaces
	rawBase string // the same, escaped
	// replaces says whether there was a path: "http://host/" replaces the mount's path by nothing, "http://host" does not.
	replaces bool
}

// parseTarget reads "http://host:port[/base]", "https://…" or "unix:/path[:/base]". The error does not name s.
func parseTarget(s string) (target, error) {
	if rest, ok := strings.CutPrefix(s, "unix:"); ok {
		return parseSocket(s, rest)
	}
	if s == "" {
		return target{}, errors.New("no address")
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Opaque != "" {
		return target{}, errors.New("not an address with its scheme")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return target{}, fmt.Errorf("%q is no scheme to proxy to", u.Scheme)
	case u.Hostname() == "" || !validHost(u.Host):
		return target{}, errors.New("no host")
	case !validPort(u.Port()) || strings.HasSuffix(u.Host, ":"):
		return target{}, errors.New("no port between 1 and 65535")
	case u.User != nil:
		return target{}, errors.New("a user name is not taken here")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(s, "#"):
		return target{}, errors.New("nothing may follow the path")
	}
	t := target{name: s, url: url.URL{Scheme: u.Scheme, Host: u.Host}}
	t.setBase(u)
	return t, nil
}

func parseSocket(s, rest string) (target, error) {
	socket, base := rest, ""
	if i := strings.Index(rest, ":/"); i >= 0 {
		socket, base = rest[:i], rest[i+1:]
	}
	if len(socket) < 2 || socket[0] != '/' && socket[0] != '@' || strings.ContainsRune(socket, 0) {
		return target{}, errors.New("not the absolute path of a socket")
	}
	t := target{name: s, socket: socket, url: url.URL{Scheme: "http", Host: "localhost"}}
	u, err := url.ParseRequestURI(base)
	switch {
	case base == "":
		return t, nil
	case err != nil || u.RawQuery != "" || u.ForceQuery:
		return target{}, errors.New("what follows the socket is not a path")
	}
	t.setBase(u)
	return t, nil
}

func (t *target) setBase(u *url.URL) {
	t.replaces = u.Path != ""
	t.base, t.rawBase = strings.TrimSuffix(u.Path, "/"), strings.TrimSuffix(u.EscapedPath(), "/")
}

func validPort(s string) bool {
	if s == "" {
		return true // the scheme's own
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// validHost reports whether a Host header may go on. Empty is a client's right in HTTP/1.0. RFC 3986 section 3.2.2 has
// the letters of a host; a lone percent sign is not told from an escape.
func validHost(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`/\@?#"<>^{|}`+"`", c) >= 0 {
			return false
		}
	}
	return true
}

// isToken reports whether s is a token of RFC 9110 section 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		alphanumeric := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alphanumeric && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// location returns what this upstream is asked for instead of u, in a mount at prefix. The query stays as it is.
func (t *target) location(prefix string, u *url.URL) *url.URL {
	out := &url.URL{Scheme: t.url.Scheme, Host: t.url.Host, RawQuery: u.RawQuery, ForceQuery: u.ForceQuery, Path: u.Path, RawPath: u.RawPath}
	if !t.replaces {
		return out
	}
	raw := behind(prefix, u)
	if raw != "" && raw[0] != '/' || raw == "" && t.rawBase == "" {
		raw = "/" + raw // an escaped slash ends the mount's path, too: the upstream shall see one all the same
	}
	out.RawPath = t.rawBase + raw
	path, err := url.PathUnescape(out.RawPath)
	if err != nil {
		return u // not with what net/url has parsed
	}
	out.Path = path
	return out
}

// behind returns what follows the prefix in u's path, escaped as it came.
func behind(prefix string, u *url.URL) string {
	raw := u.EscapedPath()
	if !strings.HasPrefix(u.Path, prefix) {
		return raw
	}
	i := 0
	for range len(prefix) {
		if raw[i] == '%' {
			i += 2
		}
		i++
	}
	return raw[i:]
}

// leaves reports whether dot segments lead above the place where path begins, whatever servers take for a segment: some
// split at backslashes, some cut off what follows a semicolon.
func leaves(path string) bool {
	if !strings.Contains(path, "..") {
		return false
	}
	depth := 0
	for segment := range strings.FieldsFuncSeq(path, func(c rune) bool { return c == '/' || c == '\\' }) {
		name, _, _ := strings.Cut(segment, ";")
		switch name {
		case "..":
			depth--
		case ".", "":
		default:
			depth++
		}
		if depth < 0 {
			return true
		}
	}
	return false
}
