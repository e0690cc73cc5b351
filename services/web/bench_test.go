package web_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/web"
)

// BenchmarkSmallFile asks for 1 KiB again and again on one connection, with the access log and without.
func BenchmarkSmallFile(b *testing.B) {
	dir := directory(b, map[string]string{"a.txt": strings.Repeat("x", 1024)})
	for _, log := range []string{"off", "file"} {
		b.Run("access-log-"+log, func(b *testing.B) {
			target := log
			if log == "file" {
				target = os.DevNull
			}
			srv := plugintest.Start(b, web.Plugin(), "--port", "0", "--path", dir, "--access-log", target)
			fetch(b, srv.Addrs()[0], "/a.txt")
		})
	}
}

// BenchmarkListing asks for the listing of 10,000 files.
func BenchmarkListing(b *testing.B) {
	dir := b.TempDir()
	for i := range 10000 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("file-%05d.txt", i)), nil, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	srv := plugintest.Start(b, web.Plugin(), "--port", "0", "--path", dir, "--access-log", "off")
	fetch(b, srv.Addrs()[0], "/")
}

// fetch sends b.N requests over one connection.
func fetch(b *testing.B, addr net.Addr, path string) {
	conn, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	reader := bufio.NewReader(conn)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\nUser-Agent: bench\r\n\r\n")
		res, err := http.ReadResponse(reader, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			b.Fatal(err)
		}
	}
}
