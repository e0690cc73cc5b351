package lane_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/services/web/lane"
)

// sparse is a file that only looks large.
type sparse struct{ *os.File }

// Disk implements what has a file sent by the system.
func (s sparse) Disk() (*os.File, func(func() error) error) {
	return s.File, func(f func() error) error { return f() }
}

const sparseSize = 100 << 20

func sparseFile(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "sparse")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, sparseSize); err != nil {
		t.Fatal(err)
	}
	return name
}

// outcome is what a handler knows about an answer at its end.
type outcome struct {
	n, lost int64
	err     error
}

// sparseServer sends the file, and tells what came of it.
func sparseServer(t *testing.T, config lane.Config, secure *tls.Config) (*server, <-chan outcome) {
	t.Helper()
	name := sparseFile(t)
	outcomes := make(chan outcome, 1)
	return startTLS(t, config, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, err := os.Open(name)
		if err != nil {
			t.Error(err)
		}
		defer f.Close()
		w.Header().Set("Content-Length", strconv.Itoa(sparseSize))
		n, err := io.CopyN(w, sparse{f}, sparseSize)
		outcomes <- outcome{n, lane.Lost(r.Context()), err}
	}), secure, false), outcomes
}

// read takes so many bytes a second, a hundredth at a time, until there are no more or done is closed.
func (c *client) read(rate int, done <-chan struct{}) (sum int64) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		n, err := io.CopyN(io.Discard, c.r, max(1, int64(rate/100)))
		sum += n
		if err != nil {
			return sum
		}
		select {
		case <-done:
			return sum
		case <-tick.C:
		}
	}
}

func eitherServer(t *testing.T, config lane.Config, secure bool) (*server, *client, <-chan outcome) {
	t.Helper()
	var cfg, trust *tls.Config
	if secure {
		cfg, trust = certificate(t, "http/1.1")
	}
	s, outcomes := sparseServer(t, config, cfg)
	c := dialEither(t, s, trust)
	c.send(get("/sparse"))
	return s, c, outcomes
}

// However much the system has taken for it, a client that reads next to nothing is cut off.
func TestTooSlow(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("secure=%v", secure), func(t *testing.T) {
			t.Parallel()
			s, c, outcomes := eitherServer(t, lane.Config{MinRate: 1 << 20, Stall: 400 * time.Millisecond}, secure)
			done := make(chan struct{})
			var reading sync.WaitGroup
			reading.Go(func() { c.read(100, done) })
			out := <-outcomes
			close(done)
			reading.Wait()
			if !errors.Is(out.err, os.ErrDeadlineExceeded) || s.lane.Slow() != 1 {
				t.Errorf("sending ended with %v, %d clients cut off", out.err, s.lane.Slow())
			}
			if (out.lost == 0) != secure || out.lost > out.n {
				t.Errorf("%d of %d bytes are lost", out.lost, out.n)
			}
			s.accepted.awaitOpen(0)
			if log := s.log.String(); !strings.Contains(log, "the client takes too little") {
				t.Errorf("the log does not tell:\n%s", log)
			}
		})
	}
}

// A client at twice the rate stays, though it has a small window and the system a large buffer.
func TestSlowButFastEnough(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("secure=%v", secure), func(t *testing.T) {
			t.Parallel()
			const stall = 400 * time.Millisecond
			s, c, outcomes := eitherServer(t, lane.Config{MinRate: 256 << 10, Stall: stall}, secure)
			if nc, ok := c.Conn.(*net.TCPConn); ok {
				if err := nc.SetReadBuffer(32 << 10); err != nil {
					t.Fatal(err)
				}
			}
			done := make(chan struct{})
			timer := time.AfterFunc(10*stall, func() { close(done) })
			defer timer.Stop()
			c.read(512<<10, done)
			select {
			case out := <-outcomes:
				t.Errorf("sending ended with %v after %d bytes", out.err, out.n)
			default:
			}
			c.Close()
			if out := <-outcomes; errors.Is(out.err, os.ErrDeadlineExceeded) || s.lane.Slow() != 0 {
				t.Errorf("sending ended with %v, %d clients cut off", out.err, s.lane.Slow())
			}
		})
	}
}
