package endpoint_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"testing"

	"github.com/gtwistd/gtwistd/internal/endpoint"
	"go.uber.org/goleak"
)

// TestMain lets the test binary be the server that TestSendfile traces.
func TestMain(m *testing.M) {
	if spec := os.Getenv("ENDPOINT_TEST_SERVE"); spec != "" {
		os.Exit(serveFile(spec, os.Getenv("ENDPOINT_TEST_FILE")))
	}
	goleak.VerifyTestMain(m)
}

// newSet returns a set that the test closes.
func newSet(t testing.TB, o endpoint.Options) *endpoint.Set {
	t.Helper()
	s := endpoint.NewSet(o)
	t.Cleanup(func() { s.Close() })
	return s
}

// listen binds spec or fails the test.
func listen(t testing.TB, s *endpoint.Set, owner, spec string) net.Listener {
	t.Helper()
	l, err := s.Listen(context.Background(), owner, spec)
	if err != nil {
		t.Fatalf("Listen(%q) = %v (%s)", spec, err, hint(err))
	}
	return l
}

// pair returns both ends of a connection through l.
func pair(t testing.TB, l net.Listener) (server, client net.Conn) {
	t.Helper()
	client, err := net.Dial(l.Addr().Network(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server, client
}

// expectEOF fails the test unless the other side of c is gone.
func expectEOF(t testing.TB, c net.Conn) {
	t.Helper()
	if n, err := io.Copy(io.Discard, c); n != 0 {
		t.Errorf("read %d bytes, %v, want the end", n, err)
	}
}

// download fetches "/" over HTTP and returns the length of the body.
func download(t testing.TB, network, addr, hello string) int64 {
	t.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, hello+"GET / HTTP/1.0\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil {
		t.Error(err)
	}
	return n
}
