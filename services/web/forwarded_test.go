package web_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/web"
)

// TestForwardedToUpstreams says whom an upstream takes for the client: the word of a trusted peer and that peer, or the peer
// alone. A unix socket is nobody.
func TestForwardedToUpstreams(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.Join(r.Header["X-Forwarded-For"], " | ")+" "+r.Header.Get("X-Forwarded-Proto"))
	}))
	defer upstream.Close()
	tests := []struct{ name, listen, trusted, want string }{
		{"IPv4", "tcp:0:interface=127.0.0.1", "loopback", "203.0.113.9, 127.0.0.1 https"},
		{"IPv6", "tcp:0:interface=\\:\\:1", "loopback", "203.0.113.9, ::1 https"},
		{"unix socket", "unix:" + filepath.Join(t.TempDir(), "s"), "unix", "203.0.113.9 https"},
		{"not trusted", "tcp:0:interface=127.0.0.1", "unix", "127.0.0.1 http"},
		{"unix socket, not trusted", "unix:" + filepath.Join(t.TempDir(), "s"), "loopback", " http"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := plugintest.Start(t, web.Plugin(), "--listen", tt.listen, "--mount", "/=proxy:"+upstream.URL, "--trusted-proxy", tt.trusted)
			addr := srv.Addrs()[0]
			transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, addr.Network(), addr.String())
			}}
			defer transport.CloseIdleConnections()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://site/", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			r.Header = http.Header{"X-Forwarded-For": {"203.0.113.9"}, "X-Forwarded-Proto": {"https"}}
			res, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if got, err := io.ReadAll(res.Body); err != nil || string(got) != tt.want {
				t.Errorf("the upstream hears %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}
