package lane

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestScan(t *testing.T) {
	tests := []struct {
		name, text string
		size       int
		odd        bool
	}{
		{"nothing", "", 0, false},
		{"a line", "GET / HTTP/1.1\r\n", 0, false},
		{"two lines", "GET / HTTP/1.1\r\nHost: x\r\n", 0, false},
		{"all but the last byte", "GET / HTTP/1.1\r\nHost: x\r\n\r", 0, false},
		{"all", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27, false},
		{"more", "GET / HTTP/1.1\r\nHost: x\r\n\r\nbody\r\n\r\n", 27, false},
		{"LF", "GET / HTTP/1.1\nHost: x\n\n", 24, true},
		{"LF in the middle", "GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", 32, true},
		{"LF at the end", "GET / HTTP/1.1\r\nHost: x\r\n\n", 26, true},
		{"an empty first line", "\r\nGET / HTTP/1.1\r\n", 2, true},
		{"CR CR LF", "GET / HTTP/1.1\r\r\n\r\r\n\r\n", 22, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var whole, piecewise scan
			size := whole.end([]byte(tt.text))
			if size != tt.size || size > 0 && whole.odd != tt.odd {
				t.Errorf("end(%q) = %d, odd %v, want %d, %v", tt.text, size, whole.odd, tt.size, tt.odd)
			}
			for n := range len(tt.text) {
				if size := piecewise.end([]byte(tt.text[:n+1])); size != 0 {
					if size != tt.size || size != n+1 || piecewise.odd != tt.odd {
						t.Errorf("end(%q) = %d, odd %v, want %d, %v", tt.text[:n+1], size, piecewise.odd, tt.size, tt.odd)
					}
					break
				}
			}
		})
	}
}

func TestParse(t *testing.T) {
	const simple, usual, unsure = "simple", "usual", "unsure"
	tests := []struct {
		name, line, fields string
		want               string
		body               int64
	}{
		{"simple", "GET /a", "", simple, 0},
		{"HEAD", "HEAD /a?b", "", simple, 0},
		{"fields of no consequence", "GET /a", "Cookie: a=b\r\nAccept: */*\r\nX-Y: z\r\n", simple, 0},
		{"keep-alive", "GET /a", "connection: Keep-Alive\r\n", simple, 0},
		{"range", "GET /a", "RANGE: bytes=0-1\r\n", usual, 0},
		{"If-Match", "GET /a", "if-match: x\r\n", usual, 0},
		{"If-Range", "GET /a", "if-range: x\r\n", usual, 0},
		{"If-Unmodified-Since", "GET /a", "If-Unmodified-Since: x\r\n", usual, 0},
		{"If-None-Match twice", "GET /a", "If-None-Match:\r\nIf-None-Match: x\r\n", usual, 0},
		{"Expect", "GET /a", "Expect: x\r\n", usual, 0},
		{"Upgrade", "GET /a", "Upgrade: x\r\n", usual, 0},
		{"another Connection", "GET /a", "Connection: te\r\n", usual, 0},
		{"a second Host", "GET /a", "Host: y\r\n", usual, 0},
		{"a dotfile", "GET /.a", "", usual, 0},
		{"a dot segment", "GET /a/../b", "", usual, 0},
		{"an empty segment", "GET //a", "", usual, 0},
		{"percent", "GET /%61", "", usual, 0},
		{"no slash", "GET a", "", usual, 0},
		{"POST", "POST /a", "", usual, 0},
		{"a body", "POST /a", "Content-Length: 12\r\n", usual, 12},
		{"a body in a GET", "GET /a", "content-length: 12\r\n", usual, 12},
		{"two lengths", "POST /a", "Content-Length: 12\r\nContent-Length: 12\r\n", unsure, loose},
		{"a length that is none", "POST /a", "Content-Length: 1_2\r\n", unsure, loose},
		{"a length beyond all", "POST /a", "Content-Length: 1000000000000000000\r\n", unsure, loose},
		{"chunked", "POST /a", "Transfer-Encoding: chunked\r\n", unsure, loose},
		{"chunked and a length", "POST /a", "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", unsure, loose},
		{"a length and chunked", "POST /a", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", unsure, loose},
		{"a folded line", "GET /a", "A: b\r\n c\r\n", unsure, loose},
		{"space before the colon", "GET /a", "A : b\r\n", unsure, loose},
		{"no colon", "GET /a", "A\r\n", unsure, loose},
		{"a control character", "GET /a", "A: b\x01\r\n", unsure, loose},
		{"a bare CR", "GET /a", "A: b\rc\r\n", unsure, loose},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := tt.line + " HTTP/1.1\r\nHost: x\r\n" + tt.fields + "\r\n"
			var r Request
			h := r.parse([]byte(text))
			if h.size != len(text) || h.simple != (tt.want == simple) || h.body != tt.body {
				t.Errorf("parse(%q) = %+v, want %s, body %d", text, h, tt.want, tt.body)
			}
		})
	}
}

// FuzzParse holds what is said of a head against what net/http says.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"GET /a?b HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
		"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var s scan
		size := s.end(text)
		if size == 0 || s.odd || !usualLine(text[:s.line]) {
			return
		}
		var r Request
		h := r.parse(text[:size])
		if h.body == loose {
			if h.simple {
				t.Errorf("parse(%q) = %+v", text, h)
			}
			return
		}
		req, err := http.ReadRequest(bufio.NewReader(io.MultiReader(bytes.NewReader(text[:size]), neverEnding{})))
		switch {
		case err != nil:
			if h.simple {
				t.Errorf("parse(%q) = %+v, net/http says %v", text, h, err)
			}
		case req.ContentLength != h.body:
			t.Errorf("parse(%q) = %+v, net/http finds %d bytes of body", text, h, req.ContentLength)
		case h.simple && (req.URL.Path != string(r.Path) || req.URL.RawQuery != string(r.Query) || req.Host != string(r.Host) ||
			req.Method != string(r.Method) || req.Proto != string(r.Proto) || req.RequestURI != string(r.Target) ||
			req.UserAgent() != string(r.UserAgent) || req.Referer() != string(r.Referer) || wantsClose(req) != r.last ||
			req.Header.Get("Accept-Encoding") != string(r.AcceptEncoding) || req.Header.Get("If-None-Match") != string(r.IfNoneMatch)):
			t.Errorf("parse(%q) = %+v, net/http reads %+v", text, r, req)
		}
	})
}

func wantsClose(r *http.Request) bool {
	return r.Close || strings.EqualFold(r.Header.Get("Connection"), "close")
}

// neverEnding is the body of any request.
type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
