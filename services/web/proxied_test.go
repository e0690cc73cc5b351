package web_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/web"
)

// A connection whose first request comes in one segment with its PROXY header takes both ways like any other.
func TestBehindPROXY(t *testing.T) {
	dir := directory(t, map[string]string{"a.txt": "small", "big": strings.Repeat("x", 1<<20)})
	for _, endpoint := range []string{"haproxy:tcp:127.0.0.1:0", "haproxy:unix:" + filepath.Join(t.TempDir(), "s")} {
		srv := plugintest.Start(t, web.Plugin(), "--listen", endpoint, "--path", dir)
		addr := srv.Addrs()[0]
		conn, err := net.Dial(addr.Network(), addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "PROXY TCP4 192.0.2.9 192.0.2.1 5000 80\r\n"+ask("/a.txt")+ask("/big")[:10])
		reader := bufio.NewReader(conn)
		expect := func(size int) {
			t.Helper()
			res, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(res.Body); len(body) != size || err != nil {
				t.Errorf("%s: %d bytes, %v, want %d", endpoint, len(body), err, size)
			}
		}
		expect(5)
		_, _ = io.WriteString(conn, ask("/big")[10:])
		expect(1 << 20)
		_, _ = io.WriteString(conn, ask("/a.txt"))
		expect(5)
		for _, line := range awaitRecords(t, srv, 3) {
			if !strings.HasPrefix(line, "192.0.2.9 ") {
				t.Errorf("%s: record %q, want the client's address", endpoint, line)
			}
		}
	}
}

func ask(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n" }
