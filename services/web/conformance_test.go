package web_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/web"
)

const digits = "0123456789"

// changed is when the files of these tests were written.
var changed = time.Date(2026, 11, 20, 9, 31, 36, 123456789, time.UTC)

// datedDirectory is a directory whose files are all of the same time, and old enough to be kept in memory.
func datedDirectory(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := directory(t, files)
	for name := range files {
		if err := os.Chtimes(filepath.Join(dir, name), changed, changed); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(150 * time.Millisecond) // a file that changed a moment ago is not for memory
	return dir
}

// ways are the ways that an answer goes. It must be the same on all of them.
var ways = []struct {
	name  string
	args  []string
	http2 bool
}{
	{"memory", nil, false},
	{"disk", []string{"--memory", "0"}, false},
	{"http2", []string{"--tls"}, true},
}

// countingPool counts what is done in another one.
type countingPool struct {
	plugins.Pool
	calls *atomic.Int64
}

func (p countingPool) Do(ctx context.Context, fn func() error) error {
	p.calls.Add(1)
	return p.Pool.Do(ctx, fn)
}

// counted makes a service whose calls of the pool are counted.
type counted struct {
	plugins.Maker
	calls *atomic.Int64
}

func (c counted) Make(ctx context.Context, env *plugins.Env) (plugins.Service, error) {
	e := *env
	e.Pool = countingPool{env.Pool, c.calls}
	return c.Maker.Make(ctx, &e)
}

// startCounted starts the service, and returns also how many calls of the pool it makes.
func startCounted(t testing.TB, args ...string) (net.Addr, *atomic.Int64) {
	t.Helper()
	p, calls := web.Plugin(), new(atomic.Int64)
	p.New = func() plugins.Maker { return counted{web.Plugin().New(), calls} }
	return plugintest.Start(t, p, append([]string{"--port", "0", "--access-log", "off"}, args...)...).Addrs()[0], calls
}

// answer is what came back, the body read.
type answer struct {
	*http.Response
	body string
}

// client asks one service.
type client interface {
	// ask sends a request that is written as in HTTP/1.1, with "\n" for line ends and without Host and the empty line.
	ask(t testing.TB, request string) answer
}

// http1 sends each request as it stands, so that no client cleans it up, all on one connection as long as that is open.
type http1 struct {
	addr   net.Addr
	conn   net.Conn
	reader *bufio.Reader
}

func newHTTP1(t testing.TB, addr net.Addr) *http1 {
	c := &http1{addr: addr}
	t.Cleanup(func() {
		if c.conn != nil {
			_ = c.conn.Close()
		}
	})
	return c
}

func (c *http1) ask(t testing.TB, request string) answer {
	t.Helper()
	return c.send(t, request, "")
}

// send sends a request with a body, if it is not empty.
func (c *http1) send(t testing.TB, request, content string) answer {
	t.Helper()
	if c.conn == nil {
		conn, err := net.Dial(c.addr.Network(), c.addr.String())
		if err != nil {
			t.Fatal(err)
		}
		c.conn, c.reader = conn, bufio.NewReader(conn)
	}
	_ = c.conn.SetDeadline(time.Now().Add(time.Minute))
	request = strings.TrimSuffix(request, "\n") + "\n"
	if !strings.Contains(request, "\nHost:") {
		request += "Host: test\n"
	}
	if content != "" {
		request += "Content-Length: " + strconv.Itoa(len(content)) + "\n"
	}
	if _, err := io.WriteString(c.conn, strings.ReplaceAll(request+"\n", "\n", "\r\n")+content); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	res, err := http.ReadResponse(c.reader, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%.200q: %v", request, err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%.200q: body: %v", request, err)
	}
	if res.Close {
		_ = c.conn.Close()
		c.conn = nil
	}
	return answer{res, string(body)}
}

// http2 does the same in HTTP/2, where requests have no text.
type http2 struct {
	addr   net.Addr
	client *http.Client
}

func newHTTP2(t testing.TB, addr net.Addr) *http2 {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true, DisableCompression: true, //nolint:gosec // self-made
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, addr.Network(), addr.String())
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http2{addr, &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (c *http2) ask(t testing.TB, request string) answer {
	t.Helper()
	line, fields, _ := strings.Cut(request, "\n")
	words := strings.Fields(line)
	r := (&http.Request{Method: words[0], Header: http.Header{}, URL: &url.URL{Scheme: "https", Host: "test", Opaque: "//test" + words[1]}}).WithContext(t.Context())
	if words[1] == "*" {
		r.URL.Opaque = "*"
	}
	for field := range strings.SplitSeq(fields, "\n") {
		if name, value, ok := strings.Cut(field, ":"); ok && name != "Content-Length" {
			r.Header.Add(name, strings.TrimSpace(value))
		}
	}
	res, err := c.client.Do(r)
	if err != nil {
		t.Fatalf("%.200q: %v", request, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%.200q: body: %v", request, err)
	}
	if res.ProtoMajor != 2 {
		t.Fatalf("%.200q: answered in %s", request, res.Proto)
	}
	return answer{res, string(body)}
}

// site is the same directory, served in all ways.
type site struct{ clients []client }

func newSite(t testing.TB, dir string, args ...string) *site {
	t.Helper()
	s := &site{}
	for _, way := range ways {
		addr, _ := startCounted(t, slices.Concat([]string{"--path", dir}, way.args, args)...)
		if way.http2 {
			s.clients = append(s.clients, newHTTP2(t, addr))
		} else {
			s.clients = append(s.clients, newHTTP1(t, addr))
		}
	}
	return s
}

// ask asks in all ways and wants one answer. What HTTP/2 does not have is asked in HTTP/1 only.
func (s *site) ask(t testing.TB, request string) answer {
	t.Helper()
	words := strings.Fields(request)
	only1 := len(words) < 3 || words[2] != "HTTP/1.1" || words[0] == "CONNECT" || words[1][0] != '/' && words[1] != "*"
	var first answer
	for i, c := range s.clients {
		if ways[i].http2 && only1 {
			continue
		}
		got := c.ask(t, request)
		if i == 0 {
			first = got
			continue
		}
		if got.StatusCode != first.StatusCode || got.body != first.body && !isParts(got) {
			t.Errorf("%.200q: from %s %d %.200q, from %s %d %.200q", request,
				ways[0].name, first.StatusCode, first.body, ways[i].name, got.StatusCode, got.body)
		}
		if a, b := comparable(first), comparable(got); !maps.EqualFunc(a, b, slices.Equal) {
			t.Errorf("%.200q: from %s\n%v\nfrom %s\n%v", request, ways[0].name, a, ways[i].name, b)
		}
	}
	return first
}

func isParts(a answer) bool {
	return strings.HasPrefix(a.Header.Get("Content-Type"), "multipart/byteranges")
}

// comparable is a header without what differs from one answer, or one version of HTTP, to the next.
func comparable(a answer) http.Header {
	h := a.Header.Clone()
	h.Del("Date")
	h.Del("Connection")
	if isParts(a) {
		h.Del("Content-Type") // has a boundary
	}
	if h.Get("Content-Length") == "0" {
		h.Del("Content-Length")
	}
	if h.Get("Content-Encoding") != "" {
		h.Del("Content-Length") // nobody knows how long it will be what is compressed on its way from the disk
		h.Del("Accept-Ranges")
	}
	return h
}

func (s *site) get(t testing.TB, path string, headers ...string) answer {
	t.Helper()
	headers = slices.DeleteFunc(headers, func(h string) bool { return h == "" })
	return s.ask(t, "GET "+path+" HTTP/1.1\n"+strings.Join(headers, "\n"))
}

// TestMemoryAnswers says that the way that is called memory is one.
func TestMemoryAnswers(t *testing.T) {
	dir := datedDirectory(t, map[string]string{"a.txt": digits, "index.html": "start"})
	for _, way := range ways {
		addr, calls := startCounted(t, slices.Concat([]string{"--path", dir}, way.args)...)
		c := client(newHTTP1(t, addr))
		if way.http2 {
			c = newHTTP2(t, addr)
		}
		const times = 20
		for range times {
			for _, request := range []string{"GET /a.txt HTTP/1.1", "GET / HTTP/1.1", "HEAD /a.txt HTTP/1.1", "GET /a.txt HTTP/1.1\nRange: bytes=0-1"} {
				if res := c.ask(t, request); res.StatusCode >= 300 {
					t.Errorf("%s: %q = %d", way.name, request, res.StatusCode)
				}
			}
		}
		if n := calls.Load(); (n < 4*times) != (way.name != "disk") {
			t.Errorf("%s: %d calls of the pool for %d requests", way.name, n, 4*times)
		}
	}
}

// TestConditions is RFC 9110 section 13.
func TestConditions(t *testing.T) {
	s := newSite(t, datedDirectory(t, map[string]string{"a.txt": digits}))
	tag := s.get(t, "/a.txt").Header.Get("ETag")
	if !strings.HasPrefix(tag, `"`) || !strings.HasSuffix(tag, `"`) || len(tag) < 5 {
		t.Fatalf("ETag %q, want a strong one", tag)
	}
	stamp := func(d time.Duration) string { return changed.Add(d).Format(http.TimeFormat) }
	same, before, after := stamp(0), stamp(-time.Minute), stamp(time.Minute)
	if got := s.get(t, "/a.txt").Header.Get("Last-Modified"); got != same {
		t.Fatalf("Last-Modified %q, want %q", got, same)
	}
	tests := []struct {
		name, headers string
		status        int
	}{
		{"no condition", "", 200},
		{"none-match same", "If-None-Match: " + tag, 304},
		{"none-match weak", "If-None-Match: W/" + tag, 304},
		{"none-match other", `If-None-Match: "other"`, 200},
		{"none-match list", `If-None-Match: "other", ` + tag, 304},
		{"none-match two lines", "If-None-Match: \"other\"\nIf-None-Match: " + tag, 304},
		{"none-match any", "If-None-Match: *", 304},
		{"none-match list with blanks", "If-None-Match: , \"a,b\" ,\t" + tag + " ,", 304},
		{"none-match list of weak ones", `If-None-Match: W/"other", W/` + tag, 304},
		{"none-match list of others", `If-None-Match: "other", W/"another"`, 200},
		{"none-match part of a tag", "If-None-Match: " + tag[:len(tag)-2] + `"`, 200},
		{"none-match without quotes", "If-None-Match: " + strings.Trim(tag, `"`), 200},
		{"none-match empty", "If-None-Match:", 200},
		{"none-match empty and modified-since", "If-None-Match:\nIf-Modified-Since: " + same, 304},
		{"none-match garbage", "If-None-Match: other", 200},
		{"match same", "If-Match: " + tag, 200},
		{"match weak", "If-Match: W/" + tag, 412},
		{"match other", `If-Match: "other"`, 412},
		{"match two lines", "If-Match: \"other\"\nIf-Match: " + tag, 200},
		{"match any", "If-Match: *", 200},
		{"match list", `If-Match: "other", ` + tag, 200},
		{"match list of weak ones", `If-Match: W/"other", W/` + tag, 412},
		{"match and none-match same", "If-Match: " + tag + "\nIf-None-Match: " + tag, 304},
		{"match same and modified-since", "If-Match: " + tag + "\nIf-Modified-Since: " + same, 304},
		{"match other and a range", "If-Match: \"other\"\nRange: bytes=0-1", 412},
		{"modified-since same", "If-Modified-Since: " + same, 304},
		{"modified-since before", "If-Modified-Since: " + before, 200},
		{"modified-since after", "If-Modified-Since: " + after, 304},
		{"modified-since garbage", "If-Modified-Since: yesterday", 200},
		{"modified-since rfc 850", "If-Modified-Since: Friday, 20-Nov-26 09:31:36 GMT", 304},
		{"modified-since asctime", "If-Modified-Since: Fri Nov 20 09:31:36 2026", 304},
		{"modified-since asctime before", "If-Modified-Since: Fri Nov 20 09:31:35 2026", 200},
		{"modified-since another zone", "If-Modified-Since: Fri, 20 Nov 2026 09:31:36 CET", 200},
		{"modified-since a number", "If-Modified-Since: 1795167096", 200},
		{"modified-since empty", "If-Modified-Since:", 200},
		{"modified-since same with a range", "If-Modified-Since: " + same + "\nRange: bytes=0-1", 304},
		{"unmodified-since same", "If-Unmodified-Since: " + same, 200},
		{"unmodified-since before", "If-Unmodified-Since: " + before, 412},
		{"unmodified-since after", "If-Unmodified-Since: " + after, 200},
		{"unmodified-since rfc 850", "If-Unmodified-Since: Friday, 20-Nov-26 09:30:36 GMT", 412},
		{"unmodified-since asctime", "If-Unmodified-Since: Fri Nov 20 09:30:36 2026", 412},
		{"unmodified-since garbage", "If-Unmodified-Since: yesterday", 200},
		{"unmodified-since before none-match", "If-Unmodified-Since: " + before + "\nIf-None-Match: " + tag, 412},
		{"unmodified-since and modified-since", "If-Unmodified-Since: " + same + "\nIf-Modified-Since: " + same, 304},
		{"none-match beats modified-since", "If-None-Match: \"other\"\nIf-Modified-Since: " + same, 200},
		{"match beats unmodified-since", "If-Match: " + tag + "\nIf-Unmodified-Since: " + before, 200},
		{"match before none-match", "If-Match: \"other\"\nIf-None-Match: " + tag, 412},
		{"condition before range", "If-None-Match: " + tag + "\nRange: bytes=0-1", 304},
		{"if-range tag", "If-Range: " + tag + "\nRange: bytes=0-1", 206},
		{"if-range weak", "If-Range: W/" + tag + "\nRange: bytes=0-1", 200},
		{"if-range other", "If-Range: \"other\"\nRange: bytes=0-1", 200},
		{"if-range date", "If-Range: " + same + "\nRange: bytes=0-1", 206},
		{"if-range earlier date", "If-Range: " + before + "\nRange: bytes=0-1", 200},
		{"if-range later date", "If-Range: " + after + "\nRange: bytes=0-1", 200},
		{"if-range and no overlap", "If-Range: \"other\"\nRange: bytes=20-", 200},
		{"if-range without range", `If-Range: "other"`, 200},
		{"if-range any", "If-Range: *\nRange: bytes=0-1", 200},
		{"if-range list", `If-Range: "other", ` + tag + "\nRange: bytes=0-1", 200},
		{"if-range garbage", "If-Range: yesterday\nRange: bytes=0-1", 200},
		{"if-range rfc 850", "If-Range: Friday, 20-Nov-26 09:31:36 GMT\nRange: bytes=0-1", 206},
		{"if-range asctime", "If-Range: Fri Nov 20 09:31:36 2026\nRange: bytes=0-1", 206},
		{"if-range and no such range", "If-Range: " + tag + "\nRange: bytes=20-", 416},
		{"all five, all well", "If-Match: " + tag + "\nIf-Unmodified-Since: " + before + "\nIf-None-Match: \"other\"\nIf-Modified-Since: " + same +
			"\nIf-Range: " + tag + "\nRange: bytes=0-1", 206},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, method := range []string{"GET", "HEAD"} {
				want := tt.status
				if method == "HEAD" && (want == 206 || want == 416) {
					want = 200 // RFC 9110 section 14.2
				}
				res := s.ask(t, method+" /a.txt HTTP/1.1\n"+tt.headers)
				if res.StatusCode != want {
					t.Errorf("%s with %q = %d, want %d", method, tt.headers, res.StatusCode, want)
				}
				if want != 412 && want != 416 && res.Header.Get("ETag") != tag {
					t.Errorf("%s with %q: ETag %q, want %q", method, tt.headers, res.Header.Get("ETag"), tag)
				}
				if (want == 304 || want == 412) && res.body != "" {
					t.Errorf("%s with %q: %d with body %q", method, tt.headers, want, res.body)
				}
			}
		})
	}
}

// TestRanges is RFC 9110 section 14.
func TestRanges(t *testing.T) {
	s := newSite(t, datedDirectory(t, map[string]string{"a.txt": digits, "empty": ""}))
	many := strings.Repeat("0-0,", 100)
	tests := []struct {
		name, value string
		status      int
		content     string // Content-Range
		body        string
	}{
		{"first", "bytes=0-0", 206, "bytes 0-0/10", "0"},
		{"middle", "bytes=2-4", 206, "bytes 2-4/10", "234"},
		{"open", "bytes=7-", 206, "bytes 7-9/10", "789"},
		{"suffix", "bytes=-3", 206, "bytes 7-9/10", "789"},
		{"suffix larger than the file", "bytes=-100", 206, "bytes 0-9/10", digits},
		{"suffix larger than any file", "bytes=-99999999999999999999", 206, "bytes 0-9/10", digits},
		{"end beyond", "bytes=8-100", 206, "bytes 8-9/10", "89"},
		{"end beyond any", "bytes=8-99999999999999999999", 206, "bytes 8-9/10", "89"},
		{"all", "bytes=0-9", 206, "bytes 0-9/10", digits},
		{"unit in capitals", "Bytes=0-0", 206, "bytes 0-0/10", "0"},
		{"blanks", "bytes= 2-4 ,", 206, "bytes 2-4/10", "234"},
		{"one hundred", "bytes=" + strings.Repeat("20-,", 99) + "2-4", 206, "bytes 2-4/10", "234"},
		{"one of two beyond", "bytes=2-4,20-30", 206, "bytes 2-4/10", "234"},
		{"one of two is no byte", "bytes=-0,2-4", 206, "bytes 2-4/10", "234"},

		{"beyond", "bytes=20-30", 416, "bytes */10", ""},
		{"at the end", "bytes=10-", 416, "bytes */10", ""},
		{"beyond any", "bytes=99999999999999999999-", 416, "bytes */10", ""},
		{"suffix of nothing", "bytes=-0", 416, "bytes */10", ""},
		{"all beyond", "bytes=20-30,40-", 416, "bytes */10", ""},

		{"none", "bytes=", 200, "", digits},
		{"only commas", "bytes=,,", 200, "", digits},
		{"other unit", "items=0-1", 200, "", digits},
		{"no unit", "0-1", 200, "", digits},
		{"letters", "bytes=a-b", 200, "", digits},
		{"sign", "bytes=+1-2", 200, "", digits},
		{"two signs", "bytes=--1", 200, "", digits},
		{"only a dash", "bytes=-", 200, "", digits},
		{"no dash", "bytes=1", 200, "", digits},
		{"blank before the sign", "bytes =0-1", 200, "", digits},
		{"blank inside", "bytes=0 - 1", 200, "", digits},
		{"hexadecimal", "bytes=0x0-0x1", 200, "", digits},
		{"semicolon", "bytes=0-1;2-3", 200, "", digits},
		{"other digits", "bytes=\u0660-\u0661", 200, "", digits},
		{"overlapping twice", "bytes=0-6,5-9", 200, "", digits},
		{"backwards", "bytes=4-2", 200, "", digits},
		{"one of two malformed", "bytes=0-1,x", 200, "", digits},
		{"overlapping to more than all", "bytes=0-9,0-9", 200, "", digits},
		{"too many", "bytes=" + many + "0-0", 200, "", digits},
		{"two lines", "bytes=0-1\nRange: bytes=2-3", 200, "", digits},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res := s.get(t, "/a.txt", "Range: "+tt.value)
			if res.StatusCode != tt.status || tt.status != 416 && res.body != tt.body {
				t.Errorf("Range %q = %d %q, want %d %q", tt.value, res.StatusCode, res.body, tt.status, tt.body)
			}
			if got := res.Header.Get("Content-Range"); got != tt.content {
				t.Errorf("Range %q: Content-Range %q, want %q", tt.value, got, tt.content)
			}
			res = s.ask(t, "HEAD /a.txt HTTP/1.1\nRange: "+tt.value)
			if res.StatusCode != 200 || res.Header.Get("Content-Length") != "10" {
				t.Errorf("HEAD with Range %q = %d, %s bytes, want 200, 10 bytes", tt.value, res.StatusCode, res.Header.Get("Content-Length"))
			}
		})
	}
	for _, value := range []string{"bytes=0-", "bytes=-1", "bytes=-0", "bytes=5-6", "bytes=0-0,2-2"} {
		if res := s.get(t, "/empty", "Range: "+value); res.StatusCode != 200 || res.Header.Get("Content-Range") != "" {
			t.Errorf("Range %q of an empty file = %d, %q, want 200", value, res.StatusCode, res.Header.Get("Content-Range"))
		}
	}
}

func TestMultipleRanges(t *testing.T) {
	s := newSite(t, datedDirectory(t, map[string]string{"a.txt": digits}))
	res := s.get(t, "/a.txt", "Range: bytes=0-1, 4-4,-2")
	kind, params, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if res.StatusCode != 206 || err != nil || kind != "multipart/byteranges" {
		t.Fatalf("= %d %q, want 206 multipart/byteranges", res.StatusCode, res.Header.Get("Content-Type"))
	}
	parts := multipart.NewReader(strings.NewReader(res.body), params["boundary"])
	for _, want := range []string{"bytes 0-1/10 01", "bytes 4-4/10 4", "bytes 8-9/10 89"} {
		part, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(part)
		if got := part.Header.Get("Content-Range") + " " + string(body); got != want {
			t.Errorf("part = %q, want %q", got, want)
		}
		if got := part.Header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
			t.Errorf("part: Content-Type %q", got)
		}
	}
	if _, err := parts.NextPart(); err != io.EOF {
		t.Errorf("after the last part: %v, want EOF", err)
	}
}

func TestMethods(t *testing.T) {
	s := newSite(t, datedDirectory(t, map[string]string{"a.txt": "hello"}))
	tests := []struct {
		name, request string
		status        int
		length        string
		body          string
		allow         string
	}{
		{"get", "GET /a.txt HTTP/1.1", 200, "5", "hello", ""},
		{"head", "HEAD /a.txt HTTP/1.1", 200, "5", "", ""},
		{"head without a file", "HEAD /b.txt HTTP/1.1", 404, "10", "", ""},
		{"http 1.0", "GET /a.txt HTTP/1.0", 200, "5", "hello", ""},
		{"absolute form", "GET http://test/a.txt HTTP/1.1", 200, "5", "hello", ""},
		{"options", "OPTIONS /a.txt HTTP/1.1", 204, "", "", "GET, HEAD, OPTIONS"},
		{"post", "POST /a.txt HTTP/1.1\nContent-Length: 0", 405, "19", "Method Not Allowed\n", "GET, HEAD, OPTIONS"},
		{"put", "PUT /new.txt HTTP/1.1\nContent-Length: 0", 405, "19", "Method Not Allowed\n", "GET, HEAD, OPTIONS"},
		{"options of nothing", "OPTIONS /b.txt HTTP/1.1", 204, "", "", "GET, HEAD, OPTIONS"},
		{"patch", "PATCH /a.txt HTTP/1.1\nContent-Length: 0", 405, "19", "Method Not Allowed\n", "GET, HEAD, OPTIONS"},
		{"lower case", "get /a.txt HTTP/1.1", 405, "19", "Method Not Allowed\n", "GET, HEAD, OPTIONS"},
		{"delete", "DELETE /a.txt HTTP/1.1", 405, "19", "Method Not Allowed\n", "GET, HEAD, OPTIONS"},
		{"trace", "TRACE /a.txt HTTP/1.1", 405, "19", "Method Not Allowed\n", "GET, HEAD, OPTIONS"},
		{"connect", "CONNECT test:80 HTTP/1.1", 405, "19", "Method Not Allowed\n", "GET, HEAD, OPTIONS"},
		{"unknown", "BREW /a.txt HTTP/1.1", 405, "19", "Method Not Allowed\n", "GET, HEAD, OPTIONS"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res := s.ask(t, tt.request)
			if res.StatusCode != tt.status || res.body != tt.body || res.Header.Get("Content-Length") != tt.length {
				t.Errorf("%q = %d, %q bytes, %q, want %d, %q bytes, %q", tt.request,
					res.StatusCode, res.Header.Get("Content-Length"), res.body, tt.status, tt.length, tt.body)
			}
			if got := res.Header.Get("Allow"); got != tt.allow {
				t.Errorf("%q: Allow %q, want %q", tt.request, got, tt.allow)
			}
			if got := res.Header.Get("X-Content-Type-Options"); got != "nosniff" {
				t.Errorf("%q: X-Content-Type-Options %q, want nosniff", tt.request, got)
			}
		})
	}
}

// TestOptionsOfAll is the ping of RFC 9110 section 9.3.7.
func TestOptionsOfAll(t *testing.T) {
	s := newSite(t, t.TempDir())
	if res := s.ask(t, "OPTIONS * HTTP/1.1"); res.StatusCode != 204 || res.body != "" {
		t.Errorf("OPTIONS * = %d %q, want 204", res.StatusCode, res.body)
	}
}

func TestPaths(t *testing.T) {
	s := newSite(t, datedDirectory(t, map[string]string{
		"a.txt":                  "a",
		"with space+plus&x.txt":  "space",
		"line\nbreak.txt":        "newline",
		"a:b":                    "colon",
		"ümläut.txt":             "utf-8",
		"\xff.txt":               "invalid",
		"back\\slash":            "backslash",
		"%41.txt":                "percent",
		"site/index.html":        "<index>",
		"old/index.htm":          "<old>",
		"odd/index.html/x":       "",
		"odd/index.htm":          "<second>",
		"plain/file":             "f",
		".secret":                "secret",
		".git/config":            "secret",
		"..dots":                 "secret",
		".well-known/acme":       "token",
		"host.example/inner/":    "",
		"\\host.example/":        "",
		"query/":                 "",
		"sub/.hidden/index.html": "secret",
	}))
	tests := []struct {
		name, path string
		status     int
		body       string // of a 200
		location   string
	}{
		{"plain", "/a.txt", 200, "a", ""},
		{"query is no part of the name", "/a.txt?x=/../y", 200, "a", ""},
		{"encoded", "/%61%2Etxt", 200, "a", ""},
		{"space and plus", "/with%20space+plus&x.txt", 200, "space", ""},
		{"newline", "/line%0Abreak.txt", 200, "newline", ""},
		{"colon", "/a:b", 200, "colon", ""},
		{"utf-8", "/%C3%BCml%C3%A4ut.txt", 200, "utf-8", ""},
		{"invalid utf-8", "/%FF.txt", 200, "invalid", ""},
		{"backslash", "/back%5Cslash", 200, "backslash", ""},
		{"percent is decoded once", "/%2541.txt", 200, "percent", ""},
		{"empty segments", "//plain///file", 200, "f", ""},
		{"empty query", "/a.txt?", 200, "a", ""},
		{"plus is no space", "/with+space%2Bplus&x.txt", 404, "", ""},
		{"decoded once", "/%252541.txt", 404, "", ""},
		{"carriage return", "/a%0Dtxt", 404, "", ""},
		{"overlong utf-8", "/%C0%AE%C0%AE/a.txt", 404, "", ""},
		{"semicolon", "/..;/a.txt", 404, "", ""},
		{"encoded slash", "/plain%2Ffile", 200, "f", ""},
		{"index", "/site/", 200, "<index>", ""},
		{"second index", "/old/", 200, "<old>", ""},
		{"index that is a directory", "/odd/", 200, "<second>", ""},
		{"well-known", "/.well-known/acme", 200, "token", ""},

		{"directory without slash", "/site", 301, "", "/site/"},
		{"query kept", "/query?a=1&b=%2F", 301, "", "/query/?a=1&b=%2F"},
		{"no open redirect", "//host.example/inner", 301, "", "/host.example/inner/"},
		{"no open redirect with three", "///host.example", 301, "", "/host.example/"},
		{"no open redirect by backslash", "/%5Chost.example", 301, "", "/%5Chost.example/"},

		{"missing", "/nothing", 404, "", ""},
		{"missing directory", "/nothing/", 404, "", ""},
		{"file with a slash", "/a.txt/", 404, "", ""},
		{"below a file", "/a.txt/b", 404, "", ""},
		{"dot dot", "/../a.txt", 404, "", ""},
		{"dot dot inside", "/plain/../a.txt", 404, "", ""},
		{"encoded dot dot", "/%2e%2e/a.txt", 404, "", ""},
		{"encoded slash and dots", "/..%2fa.txt", 404, "", ""},
		{"dot", "/./a.txt", 404, "", ""},
		{"nul", "/a.txt%00", 404, "", ""},
		{"only nul", "/%00", 404, "", ""},
		{"dotfile", "/.secret", 404, "", ""},
		{"dot directory", "/.git/config", 404, "", ""},
		{"dot directory itself", "/.git", 404, "", ""},
		{"two dots begin a name", "/..dots", 404, "", ""},
		{"dot directory below", "/sub/.hidden/", 404, "", ""},
		{"long name", "/" + strings.Repeat("n", 300), 404, "", ""},
		{"long path", strings.Repeat("/n", 8000), 404, "", ""},
		{"very long path", strings.Repeat("/n", 31000), 404, "", ""},
		{"very long name", "/" + strings.Repeat("n", 62000), 404, "", ""},
		{"very many slashes", strings.Repeat("/", 62000), 200, "", ""},
		{"very long query", "/query?" + strings.Repeat("q", 62000), 301, "", "/query/?" + strings.Repeat("q", 62000)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res := s.get(t, tt.path)
			if res.StatusCode != tt.status || tt.status == 200 && tt.body != "" && res.body != tt.body {
				t.Errorf("GET %s = %d %q, want %d %q", tt.path, res.StatusCode, res.body, tt.status, tt.body)
			}
			if got := res.Header.Get("Location"); got != tt.location {
				t.Errorf("GET %s: Location %q, want %q", tt.path, got, tt.location)
			}
			if strings.Contains(res.body, "secret") {
				t.Errorf("GET %s shows what is hidden: %q", tt.path, res.body)
			}
		})
	}
}
