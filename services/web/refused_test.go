package web_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/web"
)

// TestRefusedIsRecorded says that a request which no handler gets has its record, too.
func TestRefusedIsRecorded(t *testing.T) {
	srv := plugintest.Start(t, web.Plugin(), "--port", "127.0.0.1:0", "--path", directory(t, map[string]string{"a": "a"}), "--max-header", "2K", "--header-timeout", "1s")
	for _, tt := range []struct{ name, request, record string }{
		{"no host", "GET /a HTTP/1.1\r\n\r\n", `"GET /a HTTP/1.1" 400 `},
		{"no target", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", `"GET /%zz HTTP/1.1" 400 `},
		{"no line", "GARBAGE\r\n\r\n", `"GARBAGE" 400 `},
		{"unknown expectation", "GET /a HTTP/1.1\r\nHost: a\r\nExpect: b\r\n\r\n", `"GET /a HTTP/1.1" 417 `},
		{"unknown coding", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: b\r\n\r\n", `"POST /a HTTP/1.1" 501 `},
		{"too large", "GET /a HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 3000) + "\r\n\r\n", `"GET /a HTTP/1.1" 431 `},
		{"too slow", "GET /a HTTP/1.1\r\nHost: ", `"GET /a HTTP/1.1" 408 `},
		{"after a good one", "OPTIONS /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\n\r\n", `"GET /b HTTP/1.1" 400 `},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", srv.Addrs()[0].String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			if _, err := io.WriteString(conn, tt.request); err != nil {
				t.Fatal(err)
			}
			r := bufio.NewReader(conn)
			for {
				res, err := http.ReadResponse(r, nil)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, res.Body)
				if res.StatusCode >= 400 {
					break
				}
			}
			if _, err := r.ReadByte(); err != io.EOF {
				t.Errorf("the connection does not end: %v", err)
			}
			for deadline := time.Now().Add(20 * time.Second); !strings.Contains(srv.AccessLog(), tt.record); time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("no record %s in\n%s", tt.record, srv.AccessLog())
				}
			}
		})
	}
}
