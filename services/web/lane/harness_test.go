package lane_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gtwistd/gtwistd/services/web/lane"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a lane with its http.Server.
type server struct {
	lane *lane.Lane
	http *http.Server
	addr net.Addr
	stop func()
	log  *logBuffer

	listener net.Listener
	accepted *openConns
}

// logBuffer is a log in memory.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// openConns is a listener that knows which of its connections are open.
type openConns struct {
	net.Listener
	mu   sync.Mutex
	less *sync.Cond
	n    int
}

type countedConn struct {
	*net.TCPConn
	of   *openConns
	once sync.Once
}

func (o *openConns) Accept() (net.Conn, error) {
	nc, err := o.Listener.Accept()
	tcp, ok := nc.(*net.TCPConn)
	if err != nil || !ok {
		return nc, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.n++
	return &countedConn{TCPConn: tcp, of: o}, nil
}

func (c *countedConn) Close() error {
	c.once.Do(func() {
		c.of.mu.Lock()
		defer c.of.mu.Unlock()
		c.of.n--
		c.of.less.Broadcast()
	})
	return c.TCPConn.Close()
}

// awaitOpen waits until no more than n are open.
func (o *openConns) awaitOpen(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.n > n {
		o.less.Wait()
	}
}

// start serves until the test ends or stop is called, which checks that everything ends.
func start(t testing.TB, c lane.Config, handler http.Handler) *server {
	return startTLS(t, c, handler, nil, false)
}

func startTLS(t testing.TB, c lane.Config, handler http.Handler, secure *tls.Config, h2c bool) *server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &openConns{Listener: ln}
	o.less = sync.NewCond(&o.mu)
	s := serve(t, c, handler, o, secure, h2c)
	s.accepted = o
	return s
}

func serve(t testing.TB, c lane.Config, handler http.Handler, ln net.Listener, secure *tls.Config, h2c bool) *server {
	s := &server{addr: ln.Addr(), log: &logBuffer{}}
	if c.Answer == nil {
		c.Answer = hot
	}
	c.Log = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.lane = lane.New(c)
	s.http = &http.Server{
		Handler: handler, ConnState: s.lane.ConnState, ReadHeaderTimeout: c.HeaderTimeout, IdleTimeout: c.IdleTimeout,
		ErrorLog: log.New(s.log, "", 0), Protocols: new(http.Protocols), DisableGeneralOptionsHandler: true,
	}
	s.http.Protocols.SetHTTP1(true)
	s.http.Protocols.SetHTTP2(true)
	s.http.Protocols.SetUnencryptedHTTP2(h2c)
	s.listener = ln
	if secure != nil {
		s.listener = tls.NewListener(ln, secure)
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.lane.Serve(s.listener) })
	serving.Go(func() {
		if err := s.http.Serve(s.lane.Listener(s.addr)); !errors.Is(err, net.ErrClosed) && err != http.ErrServerClosed {
			t.Errorf("http.Server.Serve: %v", err)
		}
	})
	s.stop = sync.OnceFunc(func() {
		s.listener.Close()
		s.http.SetKeepAlivesEnabled(false)
		s.lane.Stop()
		if err := s.http.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		serving.Wait()
		s.lane.Wait()
	})
	t.Cleanup(s.stop)
	return s
}

func (s *server) dial(t testing.TB) *client {
	t.Helper()
	nc, err := net.Dial(s.addr.Network(), s.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return newClient(t, nc)
}

// client is a connection seen from outside.
type client struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

func newClient(t testing.TB, nc net.Conn) *client {
	_ = nc.SetDeadline(time.Now().Add(time.Minute)) // a hang shall fail here
	return &client{nc, t, bufio.NewReader(nc)}
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, text); err != nil {
		c.t.Fatalf("send %q: %v", text, err)
	}
}

// answer reads one.
func (c *client) answer() reply {
	c.t.Helper()
	a, err := readReply(c.r)
	if err != nil {
		c.t.Fatalf("no answer: %v", err)
	}
	return a
}

// ended fails unless the server has closed the connection without a further byte.
func (c *client) ended() {
	c.t.Helper()
	if b, err := io.ReadAll(c.r); len(b) > 0 || isTimeout(err) {
		c.t.Errorf("got %q, %v, want the end of the connection", b, err)
	}
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// reply is an answer, as far as it matters here.
type reply struct {
	status int
	header http.Header
	body   string
}

func (a reply) String() string {
	return fmt.Sprintf("%d connection=%q %q", a.status, a.header["Connection"], a.body)
}

// readReply knows that an answer to HEAD has X-Head.
func readReply(r *bufio.Reader) (a reply, err error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return a, err
	}
	words := strings.SplitN(line, " ", 3)
	if len(words) < 3 || !strings.HasPrefix(line, "HTTP/1.") {
		return a, fmt.Errorf("status line %q", line)
	}
	a.status, _ = strconv.Atoi(words[1])
	a.header = http.Header{}
	for {
		if line, err = r.ReadString('\n'); err != nil {
			return a, err
		}
		if line = strings.TrimSuffix(line, "\r\n"); line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ": ")
		a.header.Add(name, value)
	}
	length := a.header.Get("Content-Length")
	switch {
	case a.status < 200 || a.status == 304 || a.header.Get("X-Head") != "":
		return a, nil
	case length == "":
		b, err := io.ReadAll(r)
		a.body = string(b)
		if err != nil && !isTimeout(err) {
			err = nil // reset
		}
		return a, err
	}
	n, err := strconv.Atoi(length)
	if err != nil {
		return a, err
	}
	b := make([]byte, n)
	_, err = io.ReadFull(r, b)
	a.body = string(b)
	return a, err
}

const hotBody = "hot"

// hot answers /hot from memory.
func hot(r *lane.Request) (lane.Answer, bool) {
	if string(r.Path) != "/hot" {
		return lane.Answer{}, false
	}
	return lane.Answer{Status: 200, Head: []byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"), Body: []byte(hotBody)}, true
}

const getHot = "GET /hot HTTP/1.1\r\nHost: x\r\n\r\n"

func get(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n" }

func post(path, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
}

// echo answers with what it was asked, but for /hot: when the first byte of a request came before the end of the one before,
// net/http must answer it.
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	text := fmt.Sprintf("%s %s %q %v", r.Method, r.RequestURI, body, err)
	if r.URL.Path == "/hot" {
		text = hotBody
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = io.WriteString(w, text)
})

func unixListener(t testing.TB) net.Listener {
	t.Helper()
	dir, err := os.MkdirTemp("", "lane") // t.TempDir may be too long a name for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ln, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// awaitCount waits until n connections are counted, and none for an address that has none.
func (s *server) awaitCount(t testing.TB, n int) {
	t.Helper()
	s.lane.AwaitCount(n)
	if conns, addresses := s.lane.Count(); conns != n || addresses > n {
		t.Errorf("%d connections of %d addresses are counted, want %d", conns, addresses, n)
	}
}
