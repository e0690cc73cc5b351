package proxy

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// trustKey is for the context value that Trust sets.
type trustKey struct{}

// Trust returns the context for a request that a trusted proxy has sent, whose address is peer. Such a request keeps its
// Forwarded and X-Forwarded-* headers, and peer, without a port, is added to X-Forwarded-For. From all others these
// headers are dropped, and X-Forwarded-For says what the request's RemoteAddr does.
func Trust(ctx context.Context, peer string) context.Context {
	return context.WithValue(ctx, trustKey{}, peer)
}

// hopByHop reports whether a header is for this connection alone: RFC 9110 section 7.6.1, the older ones that a client
// may still send, and those of an upgrade to HTTP/2. The name is in canonical form.
func hopByHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer",
		"Transfer-Encoding", "Upgrade", "Http2-Settings":
		return true
	}
	return false
}

// aboutClient reports whether upstreams believe a header to say who the client is. Some, WSGI and CGI among them, take an
// underscore for a hyphen.
func aboutClient(name string) bool {
	if name[0] != 'X' && name[0] != 'F' {
		return false
	}
	name = strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	return name == "forwarded" || name == "x-real-ip" || strings.HasPrefix(name, "x-forwarded")
}

// copyEndToEnd copies what is not hop-by-hop. The values are shared.
func copyEndToEnd(dst, src http.Header) {
	connection := src["Connection"]
	for name, values := range src {
		if !hopByHop(name) && !names(connection, name) {
			dst[name] = values
		}
	}
}

// names reports whether a header that is a list names a token.
func names(list []string, token string) bool {
	for _, value := range list {
		for one := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(one), token) {
				return true
			}
		}
	}
	return false
}

// requestHeader returns what the upstream gets. upgrade is the protocol to switch to, or "".
func (x *exchange) requestHeader(t *target, upgrade string) http.Header {
	in := x.r.Header
	peer, trusted := x.r.Context().Value(trustKey{}).(string)
	out := make(http.Header, len(in)+6)
	// Only then is ours added: a client could name it in Connection.
	copyEndToEnd(out, in)
	if !trusted {
		for name := range out {
			if aboutClient(name) {
				delete(out, name)
			}
		}
	}
	values := values{header: out, all: make([]string, 0, 8)}
	if _, ok := out["User-Agent"]; !ok {
		values.set("User-Agent", "") // or net/http sends its own
	}
	if names(in["Te"], "trailers") {
		values.set("Te", "trailers") // gRPC servers insist
	}
	if upgrade != "" {
		values.set("Connection", "Upgrade")
		values.set("Upgrade", upgrade)
	}
	x.setForwarded(&values, peer, trusted)
	if t.replaces && x.h.prefix != "" {
		values.set("X-Forwarded-Prefix", x.h.prefix)
	}
	return out
}

// values sets headers to one value each, from one array.
type values struct {
	header http.Header
	all    []string
}

func (v *values) set(name, value string) {
	n := len(v.all)
	v.all = append(v.all, value)
	v.header[name] = v.all[n : n+1 : n+1]
}

// setForwarded says who the client is, and what it asked whom.
func (x *exchange) setForwarded(out *values, peer string, trusted bool) {
	if !trusted {
		peer = address(x.r.RemoteAddr)
	}
	if prior := out.header["X-Forwarded-For"]; peer != "" {
		if len(prior) > 0 {
			peer = strings.Join(prior, ", ") + ", " + peer
		}
		out.set("X-Forwarded-For", peer)
	}
	if _, ok := out.header["X-Forwarded-Host"]; !ok && x.r.Host != "" {
		out.set("X-Forwarded-Host", x.r.Host)
	}
	if _, ok := out.header["X-Forwarded-Proto"]; !ok {
		scheme := "http"
		if x.r.TLS != nil {
			scheme = "https"
		}
		out.set("X-Forwarded-Proto", scheme)
	}
}

// address returns a RemoteAddr without its port, or "" for what names nobody, such as a unix socket.
func address(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	if _, err := netip.ParseAddr(host); err != nil {
		return ""
	}
	return host
}

// upgradeOf returns the protocol that the request may switch to, or "" for none. HTTP/1.0 and HTTP/2 have no upgrades
// (RFC 9110 section 7.8), and what follows a body would be ambiguous.
func (h *Handler) upgradeOf(t *target, r *http.Request) string {
	asked := r.Header["Upgrade"]
	if len(asked) == 0 || r.ProtoMajor != 1 || r.ProtoMinor < 1 || r.ContentLength != 0 || !names(r.Header["Connection"], "Upgrade") {
		return ""
	}
	for _, allowed := range h.options.upgrades {
		if h.options.http2 && (t.url.Scheme == "http" || allowed != "websocket") {
			continue // for WebSocket over TLS net/http takes HTTP/1.1
		}
		if names(asked, allowed) {
			return allowed
		}
	}
	return ""
}

// hostFor returns the Host header for an upstream; empty means that of its address.
func (h *Handler) hostFor(t *target, r *http.Request) string {
	if h.options.host == hostUpstream || h.options.host == hostAuto && t.url.Scheme == "https" {
		return ""
	}
	return r.Host
}
