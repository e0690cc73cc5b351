package proxy_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// buffered reads what may have been read already.
type buffered struct {
	net.Conn
	in *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.in.Read(p) }

// TestNamedHeaders says that the headers that an answer names in Connection stay behind, also beside "close", with which net/http
// hides the header.
func TestNamedHeaders(t *testing.T) {
	lent := httptest.NewUnstartedServer(nil) // for its certificate
	lent.StartTLS()
	config := &tls.Config{Certificates: lent.TLS.Certificates}
	lent.Close()
	for name, head := range map[string]string{
		"alone":                  "Connection: X-Foo\r\n",
		"behind close":           "Connection: close, x-foo\r\n",
		"before close":           "Connection: X-Foo, close\r\n",
		"in a header of its own": "Connection: close\r\nX-Bar: 1\r\nconnection: X-Foo\r\n",
		"behind an early answer": "103 Early\r\nConnection: X-Other\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close, X-Foo\r\n",
		"with newlines alone":    "Connection: close, X-Foo\n",
		"behind a large header":  "X-Large: " + strings.Repeat("x", 40<<10) + "\r\nConnection: close, X-Foo\r\n",
	} {
		for _, scheme := range []string{"http", "https"} {
			t.Run(name+" by "+scheme, func(t *testing.T) {
				each := func(conn io.ReadWriter, in *bufio.Reader) {
					for {
						if _, err := http.ReadRequest(in); err != nil {
							return
						}
						text := "HTTP/1.1 200 OK\r\n" + head
						if head[0] == '1' {
							text = "HTTP/1.1 " + head
						}
						_, _ = io.WriteString(conn, text+"X-Foo: secret\r\nX-Kept: 1\r\nContent-Length: 2\r\n\r\nhi")
					}
				}
				addr := rawUpstream(t, func(conn net.Conn, in *bufio.Reader) {
					if scheme == "http" {
						each(conn, in)
						return
					}
					secure := tls.Server(buffered{conn, in}, config)
					each(secure, bufio.NewReader(secure))
				})
				var options []string
				if scheme == "https" {
					options = []string{"tls-insecure=true"}
				}
				f := serve(t, "", strings.Replace(addr, "http", scheme, 1), options...)
				for range 2 { // the second goes over the same connection, if it stays
					res, err := http.Get(f.URL)
					if err != nil {
						t.Fatal(err)
					}
					body, err := io.ReadAll(res.Body)
					res.Body.Close()
					if string(body) != "hi" || err != nil || res.Header.Get("X-Kept") != "1" {
						t.Errorf("answer %q, %v, header %v", body, err, res.Header)
					}
					if got := res.Header.Get("X-Foo"); got != "" {
						t.Errorf("X-Foo: %s", got)
					}
				}
			})
		}
	}
}
