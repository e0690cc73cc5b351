package ftp_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
)

// raw is a client that says what a test tells it to.
type raw struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

func dial(t testing.TB, addr net.Addr) *raw {
	t.Helper()
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	t.Cleanup(func() { _ = conn.Close() })
	return &raw{t, conn, bufio.NewReader(conn)}
}

// anonymous connects and logs in.
func anonymous(t testing.TB, srv *plugintest.Server) *raw {
	t.Helper()
	c := dial(t, srv.Addrs()[0])
	c.enterAnonymous()
	return c
}

func (c *raw) send(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, line+"\r\n"); err != nil {
		c.t.Fatal(err)
	}
}

// answer reads one answer, all its lines.
func (c *raw) answer() string {
	c.t.Helper()
	var all strings.Builder
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			c.t.Fatalf("after %q: %v", all.String(), err)
		}
		all.WriteString(line)
		if regexp.MustCompile(`^\d{3} `).MatchString(line) {
			return strings.TrimSuffix(all.String(), "\r\n")
		}
	}
}

// want reads one answer, which begins like that.
func (c *raw) want(prefix string) string {
	c.t.Helper()
	got := c.answer()
	if !strings.HasPrefix(got, prefix) {
		c.t.Errorf("answer %q, want %q", got, prefix)
	}
	return got
}

func (c *raw) do(line, prefix string) string {
	c.t.Helper()
	c.send(line)
	got := c.answer()
	if !strings.HasPrefix(got, prefix) {
		c.t.Errorf("%s: %q, want %q", line, got, prefix)
	}
	return got
}

// gone says that the server has hung up.
func (c *raw) gone() {
	c.t.Helper()
	if rest, err := io.ReadAll(c.r); err != nil || len(rest) > 0 {
		c.t.Errorf("%q, %v, want the server to hang up", rest, err)
	}
}

// pasv opens a data connection.
func (c *raw) pasv() *net.TCPConn {
	c.t.Helper()
	got := c.do("PASV", "227")
	n := regexp.MustCompile(`\((\d+),(\d+),(\d+),(\d+),(\d+),(\d+)\)`).FindStringSubmatch(got)
	if n == nil {
		c.t.Fatalf("PASV: %q", got)
	}
	high, _ := strconv.Atoi(n[5])
	low, _ := strconv.Atoi(n[6])
	return c.connect(fmt.Sprintf("%s.%s.%s.%s:%d", n[1], n[2], n[3], n[4], high<<8|low))
}

func (c *raw) epsv() *net.TCPConn {
	c.t.Helper()
	got := c.do("EPSV", "229")
	n := regexp.MustCompile(`\(\|\|\|(\d+)\|\)`).FindStringSubmatch(got)
	if n == nil {
		c.t.Fatalf("EPSV: %q", got)
	}
	host, _, _ := net.SplitHostPort(c.conn.RemoteAddr().String())
	return c.connect(net.JoinHostPort(host, n[1]))
}

func (c *raw) connect(addr string) *net.TCPConn {
	c.t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		c.t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	c.t.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.TCPConn)
}

// get fetches what a command sends.
func (c *raw) get(line string) string {
	c.t.Helper()
	data := c.pasv()
	c.do(line, "150")
	got, err := io.ReadAll(data)
	if err != nil {
		c.t.Error(err)
	}
	c.want("226")
	return string(got)
}

// put sends content after a command.
func (c *raw) put(line, content string) {
	c.t.Helper()
	data := c.pasv()
	c.do(line, "150")
	if _, err := io.WriteString(data, content); err != nil {
		c.t.Error(err)
	}
	_ = data.Close()
	c.want("226")
}

// startTLS goes on under TLS.
func (c *raw) startTLS(config *tls.Config) {
	c.t.Helper()
	c.do("AUTH TLS", "234")
	conn := tls.Client(c.conn, config)
	if err := conn.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	c.conn, c.r = conn, bufio.NewReader(conn)
}
