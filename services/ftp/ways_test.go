package ftp_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
)

// way is how a client comes by its data.
type way struct{ private, active bool }

func (w way) String() string {
	name := "clear"
	if w.private {
		name = "TLS"
	}
	if w.active {
		return name + ", active"
	}
	return name + ", passive"
}

// everyWay runs a test in clear and under TLS, passive and active. The server must have --tls allow.
func everyWay(t *testing.T, srv *plugintest.Server, fn func(c *traveller)) {
	t.Helper()
	for _, w := range []way{{false, false}, {false, true}, {true, false}, {true, true}} {
		t.Run(w.String(), func(t *testing.T) { fn(travel(t, srv, w)) })
	}
}

// traveller is a client that goes one of the ways.
type traveller struct {
	*raw
	way
	t      *testing.T
	config *tls.Config
}

// travel logs in.
func travel(t *testing.T, srv *plugintest.Server, w way) *traveller {
	t.Helper()
	c := &traveller{raw: dial(t, srv.Addrs()[0]), way: w, t: t, config: trusting()}
	if !w.private {
		c.enterAnonymous()
		return c
	}
	c.want("220")
	c.startTLS(c.config)
	c.do("USER anonymous", "331")
	c.do("PASS me@example.org", "230")
	c.do("PBSZ 0", "200")
	c.do("PROT P", "200")
	return c
}

// begin sends a command and returns its data connection, below what may be TLS, when the server has said 150.
func (c *traveller) begin(line string) *net.TCPConn {
	c.t.Helper()
	if !c.active {
		data := c.pasv()
		c.do(line, "150")
		return data
	}
	ln, n := listenAt(c.t, "127.0.0.1")
	c.do("PORT "+port("127.0.0.1", n), "200")
	c.send(line)
	data, err := ln.Accept()
	if err != nil {
		c.t.Fatal(err)
	}
	_ = data.SetDeadline(time.Now().Add(time.Minute))
	c.t.Cleanup(func() { _ = data.Close() })
	c.want("150")
	return data.(*net.TCPConn)
}

// over is what is read and written on a data connection.
func (c *traveller) over(data net.Conn) net.Conn {
	if !c.private {
		return data
	}
	return tls.Client(data, c.config)
}

// fetch returns what a command sends. Under TLS, an end without its notice is an error.
func (c *traveller) fetch(line string) string {
	c.t.Helper()
	got, err := io.ReadAll(c.over(c.begin(line)))
	if err != nil {
		c.t.Errorf("%s: after %d bytes: %v", line, len(got), err)
	}
	c.want("226")
	return string(got)
}

// store sends content after a command.
func (c *traveller) store(line, content string) {
	c.t.Helper()
	data := c.over(c.begin(line))
	if _, err := io.WriteString(data, content); err != nil {
		c.t.Errorf("%s: %v", line, err)
	}
	_ = data.Close()
	c.want("226")
}

// records counts TLS records on the way to the client.
type records struct {
	net.Conn
	buf   []byte
	count int // with data
	bytes int
}

func (r *records) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.buf = append(r.buf, p[:n]...)
	const header, applicationData = 5, 23 // RFC 8446 section 5.1
	for len(r.buf) >= header {
		size := header + int(r.buf[3])<<8 + int(r.buf[4])
		if len(r.buf) < size {
			break
		}
		if r.buf[0] == applicationData {
			r.count++
			r.bytes += size
		}
		r.buf = r.buf[size:]
	}
	return n, err
}

func (r *records) String() string { return fmt.Sprintf("%d records of %d bytes", r.count, r.bytes) }
