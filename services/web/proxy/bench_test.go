package proxy_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
)

// sink is a ResponseWriter that keeps nothing.
type sink struct {
	header http.Header
	n      int64
}

func (s *sink) Header() http.Header { return s.header }
func (s *sink) WriteHeader(int)     {}
func (s *sink) FlushError() error   { return nil }
func (s *sink) Write(p []byte) (int, error) {
	s.n += int64(len(p))
	return len(p), nil
}

// BenchmarkHandler is what one request for 1 KiB costs without the server in front, beside httputil.ReverseProxy.
func BenchmarkHandler(b *testing.B) {
	answer := append([]byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\nServer: up\r\n\r\n"), make([]byte, 1024)...)
	up := rawUpstream(b, func(conn net.Conn, in *bufio.Reader) {
		for {
			for {
				line, err := in.ReadSlice('\n')
				if err != nil {
					return
				}
				if bytes.Equal(line, []byte("\r\n")) {
					break
				}
			}
			if _, err := conn.Write(answer); err != nil {
				return
			}
		}
	})
	h, err := make1(b, plugintest.NewHost(b, "web"), "", up)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = h.Close() })
	u, err := url.Parse(up)
	if err != nil {
		b.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 512}
	b.Cleanup(transport.CloseIdleConnections)
	std := &httputil.ReverseProxy{Transport: transport, BufferPool: &buffers{}, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(u)
		r.SetXForwarded()
		r.Out.Host = r.In.Host
	}}
	for _, bb := range []struct {
		name string
		http.Handler
	}{{"proxy", h}, {"httputil", std}} {
		b.Run(bb.name, func(b *testing.B) {
			req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader([]byte(
				"GET /a/b?c HTTP/1.1\r\nHost: site\r\nUser-Agent: curl/8\r\nAccept: */*\r\nAccept-Encoding: gzip\r\nCookie: a=b\r\n\r\n"))))
			if err != nil {
				b.Fatal(err)
			}
			req.RemoteAddr = "127.0.0.1:1234"
			req = req.WithContext(b.Context())
			b.ReportAllocs()
			b.SetBytes(1024)
			for b.Loop() {
				w := &sink{header: http.Header{}}
				bb.ServeHTTP(w, req)
				if w.n != 1024 {
					b.Fatalf("%d bytes", w.n)
				}
			}
		})
	}
}

type buffers struct{ pool sync.Pool }

func (p *buffers) Get() []byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, 32<<10)
}

func (p *buffers) Put(b []byte) { p.pool.Put(&b) }

// BenchmarkLarge streams an answer through a real server.
func BenchmarkLarge(b *testing.B) {
	const size = 16 << 20
	up := upstreamOf(b, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "16777216")
		_, _ = io.Copy(w, io.LimitReader(zeros{}, size))
	})
	f := serve(b, "", up.URL)
	b.SetBytes(size)
	for b.Loop() {
		res, err := http.Get(f.URL)
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, res.Body); n != size || err != nil {
			b.Fatal(n, err)
		}
		_ = res.Body.Close()
	}
}
