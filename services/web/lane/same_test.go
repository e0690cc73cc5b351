package lane_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/services/web/lane"
)

// conversations are what clients send, good and bad, each on a connection of its own.
var conversations = []struct{ name, text string }{
	{"nothing", ""},
	{"simple", getHot},
	{"HEAD", "HEAD /hot HTTP/1.1\r\nHost: x\r\n\r\n" + getHot},
	{"simple, twice", getHot + getHot},
	{"simple, other, simple", getHot + get("/other") + getHot},
	{"simple, POST", getHot + post("/p", "body") + getHot},
	{"POST, simple", post("/p", "body") + getHot + get("/other")},
	{"POST, POST, simple", post("/p", "body") + post("/unread", "body") + getHot},
	{"a body like a request", post("/p", getHot) + getHot},
	{"a body like a request, not read", post("/unread", getHot) + getHot},
	{"a body like a request, read in part", post("/some", getHot+getHot) + getHot},
	{"a GET with a body", "GET /hot HTTP/1.1\r\nHost: x\r\nContent-Length: 31\r\n\r\n" + getHot + getHot},
	{"a large body", post("/p", strings.Repeat(getHot, 3000)) + getHot},
	{"a large body, not read", post("/unread", strings.Repeat(getHot, 3000)) + getHot},
	{"a huge body, not read", post("/unread", strings.Repeat(getHot, 30000)) + getHot},
	{"a body cut short", post("/p", "body")[:50]},
	{"header fields", "GET /hot?q=1 HTTP/1.1\r\nHOST: a.example:80\r\nAccept-Encoding:\tgzip \r\nIf-None-Match: \"x\"\r\nIf-Modified-Since: now\r\nUser-Agent: u\r\nReferer: r\r\n\r\n"},
	{"empty fields", "GET /hot HTTP/1.1\r\nHost: x\r\nAccept-Encoding:\r\nIf-None-Match: \r\nUser-Agent:\r\n\r\n"},
	{"fields twice", "GET /hot HTTP/1.1\r\nHost: x\r\nAccept-Encoding:\r\nAccept-Encoding: gzip\r\n\r\n" +
		"GET /hot HTTP/1.1\r\nHost: x\r\nUser-Agent: a\r\nUser-Agent: b\r\nReferer: a\r\nReferer: b\r\n\r\n"},
	{"no Host", "GET /hot HTTP/1.1\r\n\r\n"},
	{"an empty Host", "GET /hot HTTP/1.1\r\nHost:\r\n\r\n" + getHot},
	{"two Hosts", "GET /hot HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + getHot},
	{"a bad Host", "GET /hot HTTP/1.1\r\nHost: a b\r\n\r\n" + getHot},
	{"close", "GET /hot HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + getHot},
	{"Close, not simple", "GET /other HTTP/1.1\r\nHost: x\r\nConnection: Close\r\n\r\n" + getHot},
	{"close and keep-alive", "GET /hot HTTP/1.1\r\nHost: x\r\nConnection: close, keep-alive\r\n\r\n" + getHot},
	{"close, then keep-alive", "GET /hot HTTP/1.1\r\nHost: x\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n" + getHot},
	{"the handler closes", get("/close") + getHot},
	{"the handler gives up", getHot + get("/abort") + getHot},
	{"HTTP/1.0", "GET /hot HTTP/1.0\r\n\r\n" + getHot},
	{"HTTP/1.0 keep-alive", "GET /hot HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + getHot},
	{"HTTP/1.0 POST", "POST /p HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nbody" + getHot},
	{"HTTP/0.9", "GET /hot\r\n\r\n"},
	{"HTTP/0.9 without an empty line", "GET /hot\r\n"},
	{"HTTP/1.2", "GET /hot HTTP/1.2\r\nHost: x\r\n\r\n" + getHot},
	{"HTTP/2.0", "GET /hot HTTP/2.0\r\nHost: x\r\n\r\n" + getHot},
	{"no request", "hello\r\n"},
	{"no request after one", getHot + "hello\r\n" + getHot},
	{"half a head", "GET /hot HTTP/1.1\r\nHost"},
	{"half a head after a request", getHot + "GET /hot HTTP/1.1\r\nHost: x\r\n"},
	{"half a head after another", get("/other") + "GET /hot HTTP/1.1\r\nHost: x\r\n"},
	{"a zero", "GET /hot HTTP/1.1\r\nHost: x\r\nA: \x00\r\n\r\n" + getHot},
	{"a zero in the target", "GET /hot\x00 HTTP/1.1\r\nHost: x\r\n\r\n" + getHot},
	{"8-bit values", "GET /hot HTTP/1.1\r\nHost: x\r\nUser-Agent: \xff\xfe\r\n\r\n" + getHot},
	{"an 8-bit name", "GET /hot HTTP/1.1\r\nHost: x\r\nA\xff: b\r\n\r\n" + getHot},
	{"bare LF", "GET /hot HTTP/1.1\nHost: x\n\n" + getHot},
	{"one bare LF", "GET /hot HTTP/1.1\r\nHost: x\nA: b\r\n\r\n" + getHot},
	{"a bare LF ends the head", "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 31\r\n\n" + getHot + getHot},
	{"a bare CR", "GET /hot HTTP/1.1\r\nHost: x\r\nA: b\rContent-Length: 9\r\n\r\n" + getHot},
	{"CR CR LF", "GET /hot HTTP/1.1\r\nHost: x\r\nA: b\r\r\n\r\n" + getHot},
	{"empty lines first", "\r\n\r\n" + getHot},
	{"an empty line after a POST", post("/p", "body") + "\r\n" + getHot + getHot},
	{"an empty line after a GET", getHot + "\r\n" + getHot},
	{"a folded line", "POST /p HTTP/1.1\r\nHost: x\r\nA: b\r\n Content-Length: 5\r\n\r\n" + getHot},
	{"a folded length", "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n 5\r\n\r\nhello" + getHot},
	{"the first line folded", "GET /hot HTTP/1.1\r\n Host: x\r\n\r\n" + getHot},
	{"space before the colon", "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length : 31\r\n\r\n" + getHot},
	{"no colon", "GET /hot HTTP/1.1\r\nHost: x\r\nContent-Length\r\n\r\n" + getHot},
	{"an empty name", "GET /hot HTTP/1.1\r\nHost: x\r\n: 5\r\n\r\n" + getHot},
	{"length twice, the same", "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nbody" + getHot},
	{"length twice, not the same", "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 31\r\n\r\n" + getHot},
	{"a list of lengths", "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 4, 4\r\n\r\nbody" + getHot},
	{"a length with a plus", "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: +4\r\n\r\nbody" + getHot},
	{"a negative length", "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: -4\r\n\r\nbody" + getHot},
	{"a hexadecimal length", "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 0x4\r\n\r\nbody" + getHot},
	{"an empty length", "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n" + getHot},
	{"zeros before a length", "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 0004\r\n\r\nbody" + getHot},
	{"too long a length", "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 9223372036854775807\r\n\r\nbody" + getHot},
	{"far too long a length", "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551620\r\n\r\nbody" + getHot},
	{"chunked", "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n" + getHot + get("/other")},
	{"chunked and length", "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + getHot},
	{"length and chunked in a GET", "GET /hot HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + getHot},
	{"chunked in HTTP/1.0", "POST /p HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + getHot},
	{"chunked twice", "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + getHot},
	{"an unknown coding", "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + getHot},
	{"an odd chunked", "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\x0bchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + getHot},
	{"trailers", "POST /p HTTP/1.1\r\nHost: x\r\nTrailer: A\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n" + getHot},
	{"Expect", "POST /p HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody" + getHot},
	{"Expect, not read", "POST /unread HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 31\r\n\r\n" + getHot + getHot},
	{"Expect in a GET", "GET /hot HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n" + getHot},
	{"an unknown Expect", "GET /hot HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n" + getHot},
	{"absolute form", "GET http://a/hot HTTP/1.1\r\nHost: x\r\n\r\n" + getHot},
	{"authority form", "CONNECT a:80 HTTP/1.1\r\nHost: x\r\n\r\n" + getHot},
	{"asterisk form", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n" + getHot},
	{"an opaque target", "GET a:80 HTTP/1.1\r\nHost: x\r\n\r\n" + getHot},
	{"no target", "GET  HTTP/1.1\r\nHost: x\r\n\r\n" + getHot},
	{"two spaces", "GET  /hot HTTP/1.1\r\nHost: x\r\n\r\n" + getHot},
	{"a space at the end", "GET /hot HTTP/1.1 \r\nHost: x\r\n\r\n" + getHot},
	{"a tab", "GET\t/hot HTTP/1.1\r\nHost: x\r\n\r\n" + getHot},
	{"a space in the target", "GET /hot it HTTP/1.1\r\nHost: x\r\n\r\n" + getHot},
	{"odd methods", "get /hot HTTP/1.1\r\nHost: x\r\n\r\nGE(T /hot HTTP/1.1\r\nHost: x\r\n\r\n" + getHot},
	{"an unknown method with a body", "BREW /hot HTTP/1.1\r\nHost: x\r\nContent-Length: 31\r\n\r\n" + getHot + getHot},
	{"PRI", "PRI * HTTP/2.0\r\n\r\nno\r\n\r\n" + getHot},
	{"PRI as HTTP/1.1", "PRI * HTTP/1.1\r\nHost: x\r\n\r\n" + getHot},
	{"an upgrade that nobody wants", "GET /hot HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n" + getHot},
	{"odd targets", get("/hot?") + get("/hot?a=%zz") + get("/%68ot") + get("/hot/../hot") + get("//hot") + get("/hot#f") + get("/hot?#f") + getHot},
	{"a bad target", get("/%zz") + getHot},
	{"a hijacked connection", get("/hijack") + getHot + "bytes"},
	{"hijacked after simple", getHot + get("/hijack") + getHot},
	{"hijacked with a body", post("/hijack", "body") + getHot},
}

// describe is the same text for a request that took either way.
func describe(method, target, host string, fields ...any) string {
	return fmt.Sprintf("%s %s %s %q", method, target, host, fields)
}

func describeHot(r *lane.Request) (lane.Answer, bool) {
	if string(r.Path) != "/hot" {
		return lane.Answer{}, false
	}
	text := func(b []byte) any {
		if b == nil {
			return nil
		}
		return string(b)
	}
	body := describe(string(r.Method), string(r.Target), string(r.Host), text(r.AcceptEncoding), text(r.IfNoneMatch), text(r.IfModifiedSince),
		string(r.Referer), string(r.UserAgent))
	head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n", len(body))
	if r.Head {
		head += "X-Head: 1\r\n"
	}
	return lane.Answer{Status: 200, Head: []byte(head), Body: []byte(body)}, true
}

func describeAny(w http.ResponseWriter, r *http.Request) {
	first := func(name string) any {
		if v := r.Header[name]; v != nil {
			return v[0]
		}
		return nil
	}
	text := describe(r.Method, r.RequestURI, r.Host, first("Accept-Encoding"), first("If-None-Match"), first("If-Modified-Since"),
		r.Referer(), r.UserAgent())
	switch r.URL.Path {
	case "/hot", "/unread":
	case "/some":
		b := make([]byte, 3)
		n, err := io.ReadFull(r.Body, b)
		text += fmt.Sprintf(" %q %v", b[:n], err)
	case "/close":
		w.Header().Set("Connection", "close")
	case "/abort":
		panic(http.ErrAbortHandler)
	case "/hijack":
		nc, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer nc.Close()
		b, err := io.ReadAll(rw)
		fmt.Fprintf(nc, "HTTP/1.1 101 Switching\r\n\r\nHTTP/1.1 200 OK\r\n\r\n%q %v", b, err)
		return
	default:
		b, err := io.ReadAll(r.Body)
		text += fmt.Sprintf(" %q %v", b, err)
	}
	if r.Method == http.MethodHead {
		w.Header().Set("X-Head", "1")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = io.WriteString(w, text)
}

// TestSameAsHTTP says that nobody can tell from the answers that there is a lane before the http.Server.
func TestSameAsHTTP(t *testing.T) {
	bare := bareServer(t)
	short := serve(t, lane.Config{Answer: describeHot}, http.HandlerFunc(describeAny), unixListener(t), nil, false)
	for _, tt := range conversations {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // net/http sleeps before it closes some
			want := talk(t, bare, tt.text, len(tt.text))
			for _, size := range []int{len(tt.text), 1000, 7, 1} {
				if size == 0 || len(tt.text)/size > 5000 {
					continue
				}
				if got := talk(t, short.addr, tt.text, size); got != want {
					t.Errorf("%d bytes at a time: %q is answered with\n%s\nwant\n%s", size, shortened(tt.text), got, want)
				}
			}
		})
	}
}

func shortened(s string) string { return s[:min(len(s), 500)] }

func bareHTTP() *http.Server {
	return &http.Server{Handler: http.HandlerFunc(describeAny), ErrorLog: log.New(io.Discard, "", 0), DisableGeneralOptionsHandler: true}
}

func bareServer(t testing.TB) net.Addr {
	srv := bareHTTP()
	ln := unixListener(t)
	var serving sync.WaitGroup
	serving.Go(func() { _ = srv.Serve(ln) })
	t.Cleanup(func() {
		srv.Close()
		serving.Wait()
	})
	return ln.Addr()
}

// talk sends a text in pieces, and its end, and returns all that comes back.
func talk(t *testing.T, addr net.Addr, text string, size int) string {
	t.Helper()
	nc, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(time.Minute))
	var sending sync.WaitGroup
	sending.Go(func() {
		for rest := text; rest != ""; {
			n := min(size, len(rest))
			if _, err := io.WriteString(nc, rest[:n]); err != nil {
				return // the server may end it earlier
			}
			rest = rest[n:]
		}
		_ = nc.(*net.UnixConn).CloseWrite()
	})
	defer sending.Wait()
	return transcript(bufio.NewReader(nc))
}

// transcript is all answers up to the end of the connection.
func transcript(r *bufio.Reader) string {
	var all strings.Builder
	for {
		a, err := readReply(r)
		switch {
		case a.status == 400:
			a.body = "" // the lane has more to say of a TLS handshake
		case a.status == 0 && !isTimeout(err):
			return all.String()
		}
		all.WriteString(a.String())
		if err != nil {
			fmt.Fprintf(&all, " %v", err)
			return all.String()
		}
		all.WriteString("\n")
	}
}

// memory is a connection whose client has sent everything in pieces and ended, and waits.
type memory struct {
	pieces [][]byte

	mu     sync.Mutex
	wrote  bytes.Buffer
	closed chan struct{}
	once   sync.Once
}

func (m *memory) Read(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-m.closed:
		return 0, net.ErrClosed
	default:
	}
	if len(m.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, m.pieces[0])
	if m.pieces[0] = m.pieces[0][n:]; len(m.pieces[0]) == 0 {
		m.pieces = m.pieces[1:]
	}
	return n, nil
}

func (m *memory) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.wrote.Write(p)
}

func (m *memory) Close() error {
	m.once.Do(func() { close(m.closed) })
	return nil
}

func (m *memory) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (m *memory) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (m *memory) SetDeadline(time.Time) error      { return nil }
func (m *memory) SetReadDeadline(time.Time) error  { return nil }
func (m *memory) SetWriteDeadline(time.Time) error { return nil }

// memories is a listener for them.
type memories struct {
	next  chan net.Conn
	ended chan struct{}
	once  sync.Once
}

func newMemories() *memories {
	return &memories{next: make(chan net.Conn), ended: make(chan struct{})}
}

func (m *memories) Accept() (net.Conn, error) {
	select {
	case c := <-m.next:
		return c, nil
	case <-m.ended:
		return nil, net.ErrClosed
	}
}

func (m *memories) Close() error {
	m.once.Do(func() { close(m.ended) })
	return nil
}

func (m *memories) Addr() net.Addr { return &net.TCPAddr{} }

// talk sends text in pieces, whose sizes are those of cuts, over and over.
func (m *memories) talk(text, cuts []byte) string {
	c := &memory{closed: make(chan struct{})}
	for i := 0; len(text) > 0; i++ {
		n := len(text)
		if len(cuts) > 0 {
			n = min(n, 1+int(cuts[i%len(cuts)]))
		}
		c.pieces = append(c.pieces, text[:n])
		text = text[n:]
	}
	m.next <- c
	select {
	case <-c.closed:
	case <-time.After(20 * time.Second):
		return "a connection that does not end"
	}
	return transcript(bufio.NewReader(&c.wrote))
}

// lenient matches where a POST may be followed by an empty line, which net/http overlooks then. It cannot know of requests
// that the lane answered since.
var lenient = regexp.MustCompile(`(?s)POST.*\n\r?\n?[\r\n]`)

// FuzzSameAsHTTP says the same as TestSameAsHTTP of any text, however it is cut.
func FuzzSameAsHTTP(f *testing.F) {
	for _, tt := range conversations {
		f.Add([]byte(tt.text), []byte{50, 3, 200})
	}
	bare, short := newMemories(), newMemories()
	srv := bareHTTP()
	var serving sync.WaitGroup
	serving.Go(func() { _ = srv.Serve(bare) })
	f.Cleanup(func() {
		srv.Close()
		serving.Wait()
	})
	serve(f, lane.Config{Answer: describeHot}, http.HandlerFunc(describeAny), short, nil, false)
	f.Fuzz(func(t *testing.T, text, cuts []byte) {
		want, got := bare.talk(text, cuts), short.talk(text, cuts)
		if got != want && !(lenient.Match(text) && strings.Contains(want, "400")) {
			t.Errorf("%q in pieces of %v is answered with\n%s\nwant\n%s", shortened(string(text)), cuts, got, want)
		}
	})
}
