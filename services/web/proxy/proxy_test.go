package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/pflag"
	"go.uber.org/goleak"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/web/proxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// make1 returns a handler, with options as "name=value".
func make1(t testing.TB, host *plugintest.Host, prefix, arg string, options ...string) (*proxy.Handler, error) {
	t.Helper()
	var o proxy.Options
	fs := pflag.NewFlagSet("proxy", pflag.ContinueOnError)
	o.Flags(fs)
	for _, option := range options {
		name, value, _ := strings.Cut(option, "=")
		if err := fs.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	return proxy.New(t.Context(), prefix, arg, &o, host.Env)
}

// front is a web server with a proxy in it.
type front struct {
	*httptest.Server
	host    *plugintest.Host
	handler *proxy.Handler
}

func (f *front) addr() string { return f.Listener.Addr().String() }

// serve starts a front. around may be nil.
func serve(t testing.TB, prefix, arg string, options ...string) *front {
	t.Helper()
	return serveAround(t, func(h http.Handler) http.Handler { return h }, prefix, arg, options...)
}

func serveAround(t testing.TB, around func(http.Handler) http.Handler, prefix, arg string, options ...string) *front {
	t.Helper()
	host := plugintest.NewHost(t, "web")
	h, err := make1(t, host, prefix, arg, options...)
	if err != nil {
		t.Fatal(err)
	}
	f := &front{host: host, handler: h, Server: httptest.NewUnstartedServer(around(h))}
	f.Config.DisableGeneralOptionsHandler = true
	f.Start()
	t.Cleanup(func() {
		_ = h.Close()
		f.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return f
}

// upstreamOf starts a server for tests.
func upstreamOf(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// rawUpstream is a server that each does what it likes on each connection.
func rawUpstream(t testing.TB, each func(conn net.Conn, in *bufio.Reader)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				defer conn.Close()
				each(conn, bufio.NewReader(conn))
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		work.Wait()
	})
	return "http://" + l.Addr().String()
}

// readHead reads a request without a body as it is on the wire.
func readHead(in *bufio.Reader) string {
	var head strings.Builder
	for {
		line, err := in.ReadString('\n')
		head.WriteString(line)
		if err != nil || line == "\r\n" {
			return head.String()
		}
	}
}

// closedPort is an address where nobody listens.
func closedPort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

// send writes bytes to an address and returns the answer without judging it.
func send(t testing.TB, addr, request string) (*http.Response, string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return res, string(body)
}

func TestTargets(t *testing.T) {
	seen := func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.RequestURI) }
	up := upstreamOf(t, seen)
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	local := httptest.NewUnstartedServer(http.HandlerFunc(seen))
	_ = local.Listener.Close()
	local.Listener = l
	local.Start()
	t.Cleanup(local.Close)
	for _, tt := range []struct{ name, prefix, arg, target, want string }{
		{"root", "", up.URL, "/a/b?c=d", "/a/b?c=d"},
		{"path kept", "/api", up.URL, "/api/a", "/api/a"},
		{"prefix cut off", "/api", up.URL + "/", "/api/a", "/a"},
		{"prefix alone cut off", "/api", up.URL + "/", "/api", "/"},
		{"base", "/api", up.URL + "/v1", "/api/a", "/v1/a"},
		{"base for the prefix alone", "/api", up.URL + "/v1", "/api", "/v1"},
		{"base with a slash", "/api", up.URL + "/v1/", "/api/a", "/v1/a"},
		{"base at the root", "", up.URL + "/v1", "/a", "/v1/a"},
		{"escaped base", "/api", up.URL + "/v%2F1", "/api/a", "/v%2F1/a"},
		{"socket", "/api", "unix:" + socket, "/api/a", "/api/a"},
		{"socket with base", "/api", "unix:" + socket + ":/v1", "/api/a", "/v1/a"},
		{"escaped slash", "/api", up.URL + "/v1", "/api/a%2fb", "/v1/a%2fb"},
		{"escaped slash behind the prefix", "/api", up.URL + "/", "/api%2fa", "/%2fa"},
		{"escaped prefix", "/api", up.URL + "/v1", "/%61p%69/%61", "/v1/%61"},
		{"double slashes", "", up.URL, "//a//b//", "//a//b//"},
		{"dot segments at the root", "", up.URL, "/../a/./b/..", "/../a/./b/.."},
		{"dot segments inside", "/api", up.URL, "/api/a/../b", "/api/a/../b"},
		{"odd query", "", up.URL, "/?a;b=%zz&%", "/?a;b=%zz&%"},
		{"question mark alone", "", up.URL, "/?", "/?"},
		{"absolute form", "", up.URL, "http://elsewhere/a?b", "/a?b"},
		{"absolute form without a path", "", up.URL, "http://elsewhere", "/"},
		{"not UTF-8", "", up.URL, "/%ff%00", "/%ff%00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := serve(t, tt.prefix, tt.arg)
			res, got := send(t, f.addr(), "GET "+tt.target+" HTTP/1.1\r\nHost: a\r\n\r\n")
			if res.StatusCode != 200 || got != tt.want {
				t.Errorf("GET %s = %d, upstream saw %q, want %q", tt.target, res.StatusCode, got, tt.want)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	up := upstreamOf(t, func(w http.ResponseWriter, r *http.Request) { t.Errorf("upstream saw %q of %q", r.RequestURI, r.Host) })
	f := serve(t, "/api", up.URL)
	for _, tt := range []struct {
		name, request string
		want          int
	}{
		{"out of the mount", "GET /api/../x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"out of the mount, escaped", "GET /api/a/%2e%2e/%2E./x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"out of the mount, escaped slash", "GET /api/..%2f..%2fx HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"out of the mount, backslash", "GET /api/..%5cx HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"out of the mount, parameter", "GET /api/..;a=b/x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"connect", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 405},
		{"connect with a path", "CONNECT /api/a HTTP/1.1\r\nHost: a:80\r\n\r\n", 405},
		{"host with a path", "GET /api/a HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
		{"host with a user", "GET /api/a HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
		{"host with a letter beyond ASCII", "GET /api/a HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n", 400},
		{"opaque", "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if res, _ := send(t, f.addr(), tt.request); res.StatusCode != tt.want {
				t.Errorf("%q = %d, want %d", tt.request, res.StatusCode, tt.want)
			}
		})
	}
	for name, spoil := range map[string]func(r *http.Request){
		"query":  func(r *http.Request) { r.URL.RawQuery = "a HTTP/1.0" },
		"method": func(r *http.Request) { r.Method = "GET /x HTTP/1.1" },
		"header": func(r *http.Request) { r.Header["A b"] = []string{"c"} },
		"value":  func(r *http.Request) { r.Header["A"] = []string{"b\r\nc: d"} },
	} {
		// What HTTP/2 can bring, or whoever is before us.
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/api/a", nil)
		spoil(r)
		w := httptest.NewRecorder()
		if f.handler.ServeHTTP(w, r); w.Code != 400 {
			t.Errorf("bad %s = %d, want 400", name, w.Code)
		}
	}
	if log := f.host.Log(); strings.Contains(log, "level=WARN") {
		t.Errorf("logged:\n%s", log)
	}
}

// TestRequestOnTheWire says what an upstream gets, byte by byte, for what only a bad client sends.
func TestRequestOnTheWire(t *testing.T) {
	heads := make(chan string, 1)
	up := rawUpstream(t, func(conn net.Conn, in *bufio.Reader) {
		heads <- readHead(in)
		_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
	})
	host := strings.TrimPrefix(up, "http://")
	for _, tt := range []struct {
		name, request string
		options       []string
		has, hasNot   []string
	}{
		{name: "plain", request: "GET / HTTP/1.1\r\nHost: site:81\r\nA: b\r\n\r\n",
			has:    []string{"Host: site:81", "A: b", "X-Forwarded-For: 127.0.0.1", "X-Forwarded-Host: site:81", "X-Forwarded-Proto: http"},
			hasNot: []string{"User-Agent", "Accept-Encoding", "Via", "Content-Length", "Transfer-Encoding", "X-Forwarded-Prefix"}},
		{name: "no host", request: "GET / HTTP/1.0\r\n\r\n", has: []string{"Host: " + host}, hasNot: []string{"X-Forwarded-Host"}},
		{name: "own host", options: []string{"host=upstream"}, request: "GET / HTTP/1.1\r\nHost: site\r\n\r\n",
			has: []string{"Host: " + host, "X-Forwarded-Host: site"}},
		{name: "hop by hop", request: "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Secret ,\r\nConnection: close\r\nKeep-Alive: 1\r\nSecret: x\r\n" +
			"Proxy-Authorization: x\r\nProxy-Connection: x\r\nTE: gzip, trailers\r\nTrailer: x\r\n\r\n",
			has: []string{"Te: trailers"}, hasNot: []string{"Secret", "Keep-Alive", "Proxy-", "Connection", "gzip", "Trailer:"}},
		{name: "ours is not named", request: "GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto, Host\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n",
			has:    []string{"X-Forwarded-For: 127.0.0.1", "X-Forwarded-Host: a", "X-Forwarded-Proto: http", "Host: a"},
			hasNot: []string{"6.6.6.6"}},
		{name: "client's word about itself", request: "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\nX-FORWARDED_for: 6.6.6.6\r\n" +
			"Forwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nX-Forwarded-Prefix: /6.6.6.6\r\nX-Forwarded: 6.6.6.6\r\nx-forwarded-host: 6.6.6.6\r\n\r\n",
			has: []string{"X-Forwarded-For: 127.0.0.1", "X-Forwarded-Host: a"}, hasNot: []string{"6.6.6.6"}},
		{name: "h2c", request: "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
			hasNot: []string{"pgrade", "onnection", "ettings"}},
		{name: "h2c without its connection header", request: "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
			hasNot: []string{"pgrade", "onnection", "ettings"}},
		{name: "h2c beside websocket", request: "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c, websocket\r\n\r\n",
			has: []string{"Connection: Upgrade", "Upgrade: websocket"}, hasNot: []string{"h2c"}},
		{name: "upgrade in HTTP/1.0", request: "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", hasNot: []string{"pgrade"}},
		{name: "upgrade not for us", request: "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", hasNot: []string{"pgrade"}},
		{name: "upgrade not wanted", options: []string{"upgrade="}, request: "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
			hasNot: []string{"pgrade"}},
		{name: "upgrade named by the administrator", options: []string{"upgrade=tcp"}, request: "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: TCP\r\n\r\n",
			has: []string{"Upgrade: tcp"}},
		{name: "upgrade with a body", request: "POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\nx", hasNot: []string{"pgrade"}},
		{name: "two lengths", request: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
			has: []string{"Transfer-Encoding: chunked"}, hasNot: []string{"Content-Length"}},
		{name: "no length", request: "POST / HTTP/1.1\r\nHost: a\r\n\r\n", has: []string{"Content-Length: 0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := serve(t, "", up, tt.options...)
			if res, _ := send(t, f.addr(), tt.request); res.StatusCode != 204 {
				t.Fatalf("%q = %d", tt.request, res.StatusCode)
			}
			head := <-heads
			for _, line := range tt.has {
				if !strings.Contains(head, "\r\n"+line+"\r\n") {
					t.Errorf("no %q in\n%s", line, head)
				}
			}
			for _, text := range tt.hasNot {
				if strings.Contains(head, text) {
					t.Errorf("%q in\n%s", text, head)
				}
			}
		})
	}
}

func TestTrustedPeer(t *testing.T) {
	up := upstreamOf(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header["X-Forwarded-For"], r.Header["X-Forwarded-Proto"], r.Header["X-Forwarded-Host"], r.Header["X-Forwarded-Prefix"])
	})
	f := serveAround(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, r.WithContext(proxy.Trust(r.Context(), "10.0.0.7")))
		})
	}, "/api", up.URL+"/")
	_, got := send(t, f.addr(), "GET /api/ HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1, 2.2.2.2\r\nX-Forwarded-Proto: https\r\n\r\n")
	if want := "[1.1.1.1, 2.2.2.2, 10.0.0.7] [https] [a] [/api]"; got != want {
		t.Errorf("upstream saw %s, want %s", got, want)
	}
}

func TestAnswerHeader(t *testing.T) {
	up := rawUpstream(t, func(conn net.Conn, in *bufio.Reader) {
		readHead(in)
		_, _ = io.WriteString(conn, "HTTP/1.1 418 Short and Stout\r\nConnection: Secret, Outer\r\nSecret: x\r\nKeep-Alive: x\r\nUpgrade: h2c\r\n"+
			"Proxy-Authenticate: x\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nVary: Accept\r\nServer: up\r\nX-Both: upstream\r\nContent-Length: 3\r\n\r\ntea")
	})
	f := serveAround(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for name, value := range map[string]string{"Vary": "Origin", "Set-Cookie": "e=f", "X-Both": "front", "Outer": "y"} {
				w.Header().Set(name, value)
			}
			h.ServeHTTP(w, r)
		})
	}, "", up)
	res, body := send(t, f.addr(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if res.StatusCode != 418 || body != "tea" {
		t.Errorf("answer = %s %q", res.Status, body)
	}
	res.Header.Del("Date")
	want := http.Header{"Set-Cookie": {"e=f", "a=b", "c=d"}, "Vary": {"Origin", "Accept"}, "Server": {"up"}, "X-Both": {"upstream"}, "Outer": {"y"},
		"Content-Length": {"3"}}
	if !maps.EqualFunc(res.Header, want, slices.Equal) {
		t.Errorf("header = %v, want %v", res.Header, want)
	}
}

func TestMethodsAndBodies(t *testing.T) {
	up := upstreamOf(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		w.Header().Set("Seen", fmt.Sprintf("%s %d %q %v", r.Method, r.ContentLength, body, err))
		w.Header().Set("Content-Length", "2")
		fmt.Fprint(w, "ok")
	})
	f := serve(t, "", up.URL)
	for _, tt := range []struct{ name, request, seen, body string }{
		{"head", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", `HEAD 0 "" <nil>`, ""},
		{"own method", "FROB / HTTP/1.1\r\nHost: a\r\n\r\n", `FROB 0 "" <nil>`, "ok"},
		{"length", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody", `PUT 4 "body" <nil>`, "ok"},
		{"chunks", "PATCH / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbod\r\n1\r\ny\r\n0\r\n\r\n", `PATCH -1 "body" <nil>`, "ok"},
		{"get with a body", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody", `GET 4 "body" <nil>`, "ok"},
		{"http/1.0", "GET / HTTP/1.0\r\n\r\n", `GET 0 "" <nil>`, "ok"},
		{"expectation", "POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\nx", `POST 1 "x" <nil>`, "ok"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res, body := send(t, f.addr(), tt.request)
			if got := res.Header.Get("Seen"); res.StatusCode != 200 || got != tt.seen || body != tt.body || res.Header.Get("Content-Length") != "2" {
				t.Errorf("%q = %d %q, upstream saw %s, want %s", tt.request, res.StatusCode, body, got, tt.seen)
			}
		})
	}
}

// TestCurl has a real client's conversation: upload with an expectation, HTTP/2 in front, a compressed answer.
func TestCurl(t *testing.T) {
	plugintest.NeedTool(t, "curl", "curl")
	up := upstreamOf(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%s %s %d %q", r.Method, r.RequestURI, n, r.Header.Get("Accept-Encoding"))
	})
	f := serve(t, "/api", up.URL+"/")
	secure := httptest.NewUnstartedServer(f.handler)
	secure.EnableHTTP2 = true
	secure.StartTLS()
	t.Cleanup(secure.Close)
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"get", []string{f.URL + "/api/a?b"}, `GET /a?b 0 ""`},
		{"compressed", []string{"--compressed", f.URL + "/api/a"}, `"deflate`},
		{"expect", []string{"-H", "Expect: 100-continue", "--data-binary", strings.Repeat("x", 100000), f.URL + "/api/a"}, `POST /a 100000 ""`},
		{"http2", []string{"-k", "--http2", "-w", " %{http_version}", "--data-binary", "xyz", secure.URL + "/api/a"}, `POST /a 3 "" 2`},
		{"chunked", []string{"-T", "-", f.URL + "/api/a"}, `PUT /a 4 ""`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command("curl", append([]string{"-sS", "--max-time", "60", "--noproxy", "*"}, tt.args...)...)
			cmd.Stdin = strings.NewReader("data")
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), tt.want) {
				t.Errorf("curl %.200q = %v %q, want %q", tt.args, err, out, tt.want)
			}
		})
	}
}
