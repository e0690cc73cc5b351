package lane_test

import (
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/web/lane"
)

// ready returns an Answer that costs nothing itself.
func ready(size int) func(*lane.Request) (lane.Answer, bool) {
	a := lane.Answer{Status: 200, Head: []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"), Body: make([]byte, size)}
	return func(*lane.Request) (lane.Answer, bool) { return a, true }
}

// shortWay is the configuration of a busy site.
func shortWay(size int) lane.Config {
	return lane.Config{
		Answer: ready(size), Record: func(*lane.Request, int, int64, time.Time, time.Duration) {},
		HeaderTimeout: time.Minute, IdleTimeout: time.Minute, MinRate: 256, Stall: time.Minute, MaxHeader: 64 << 10, MaxConns: 1 << 20, MaxPerIP: 1 << 20,
	}
}

// exchange sends a request and reads so many bytes.
func exchange(t testing.TB, c net.Conn, buf []byte) {
	if _, err := c.Write(request); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, buf); err != nil {
		t.Fatal(err)
	}
}

var request = []byte("GET /a.txt HTTP/1.1\r\nHost: example.org\r\nUser-Agent: bench\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n\r\n")

// answerSize is how many bytes an answer has.
func answerSize(t testing.TB, s *server) int {
	c := s.dial(t)
	c.send(strings.Replace(string(request), "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1))
	b, err := io.ReadAll(c.r)
	if err != nil {
		t.Fatal(err)
	}
	return len(b) - len("Connection: close\r\n")
}

// A request from memory allocates nothing.
func TestAllocations(t *testing.T) {
	for _, size := range []int{0, 1 << 10, 100 << 10} {
		s := start(t, shortWay(size), echo)
		buf := make([]byte, answerSize(t, s))
		c := s.dial(t).Conn
		exchange(t, c, buf)
		// The text of the date is made anew each second, a pool is emptied by each collection, and the race detector drops a
		// part of what is put into one.
		most := 0.5
		if raceDetector {
			most = 4
		}
		if n := testing.AllocsPerRun(2000, func() { exchange(t, c, buf) }); n > most {
			t.Errorf("an answer of %d bytes: %v allocations a request, want none", size, n)
		}
	}
}

func BenchmarkShortWay(b *testing.B) {
	s := start(b, shortWay(1<<10), echo)
	buf := make([]byte, answerSize(b, s))
	c := s.dial(b).Conn
	b.ReportAllocs()
	for b.Loop() {
		exchange(b, c, buf)
	}
}

// BenchmarkIdle tells how much memory a connection takes that waits after an answer from memory, its client's end not counted.
func BenchmarkIdle(b *testing.B) {
	const conns = 9000 // both ends are files of this process
	config := shortWay(1 << 10)
	answer := config.Answer
	config.Answer = func(r *lane.Request) (lane.Answer, bool) {
		deep(20) // a file is looked for, and read
		return answer(r)
	}
	s := start(b, config, echo)
	buf := make([]byte, answerSize(b, s))
	for b.Loop() {
		before := memoryInUse()
		clients := make([]net.Conn, 0, conns)
		for range conns {
			nc, err := net.Dial("tcp", s.addr.String())
			if err != nil {
				b.Fatal(err)
			}
			clients = append(clients, nc)
		}
		between := memoryInUse()
		for _, nc := range clients {
			exchange(b, nc, buf)
		}
		after := memoryInUse()
		b.ReportMetric(float64(after.HeapInuse-before.HeapInuse)/conns, "heap-B/conn")
		b.ReportMetric(float64(after.StackInuse-before.StackInuse)/conns, "stack-B/conn")
		b.ReportMetric(float64(between.StackInuse-before.StackInuse)/conns, "fresh-stack-B/conn")
		for _, nc := range clients {
			nc.Close()
		}
		s.lane.AwaitCount(0)
	}
}

// A connection that waits after an answer from memory holds no buffer. The client's end is counted as well.
func TestIdleMemory(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector takes memory of its own")
	}
	const conns, most = 500, 3 << 10
	s := start(t, shortWay(1<<10), echo)
	buf := make([]byte, answerSize(t, s))
	before := memoryInUse()
	for range conns {
		exchange(t, s.dialBare(t), buf)
	}
	if each := (int64(memoryInUse().HeapAlloc) - int64(before.HeapAlloc)) / conns; each > most {
		t.Errorf("%d bytes for each of %d connections, want at most %d", each, conns, most)
	}
}

// dialBare has no reader with a buffer.
func (s *server) dialBare(t testing.TB) net.Conn {
	t.Helper()
	nc, err := net.Dial(s.addr.Network(), s.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return nc
}

// deep takes n times a quarter of a KiB of stack.
//
//go:noinline
func deep(n int) byte {
	var frame [256]byte
	if n > 0 {
		frame[n] = deep(n - 1)
	}
	return frame[n/2]
}

func memoryInUse() (m runtime.MemStats) {
	for range 3 { // what a pool holds lives through two
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m
}

const exchangesVariable = "GTWISTD_TEST_EXCHANGES"

// TestExchanges is what TestSystemCalls counts.
func TestExchanges(t *testing.T) {
	if os.Getenv(exchangesVariable) == "" {
		t.Skip("runs as part of TestSystemCalls")
	}
	s := start(t, shortWay(1<<10), http.NotFoundHandler())
	buf := make([]byte, answerSize(t, s))
	c := s.dial(t).Conn
	for range exchanges {
		exchange(t, c, buf)
		time.Sleep(time.Millisecond) // so that the server is back at waiting, or else it may be lucky
	}
}

const exchanges = 200

// A request costs three system calls: one that reads it, one that writes the answer, and one that finds nothing more to read.
func TestSystemCalls(t *testing.T) {
	plugintest.NeedTool(t, "strace", "strace")
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := exec.CommandContext(t.Context(), "strace", "-f", "-qq", "-yy", "-o", trace, os.Args[0], "-test.run=^TestExchanges$", "-test.v")
	cmd.Env = append(os.Environ(), exchangesVariable+"=1", "GORACE=atexit_sleep_ms=0")
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "Operation not permitted") {
		t.Skipf("strace may not trace here: %s", out)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: TestExchanges") {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	listening := regexp.MustCompile(`accept4\(\d+<TCP:\[(127\.0\.0\.1:\d+)\]>`).FindSubmatch(text)
	if listening == nil {
		t.Fatalf("no accept4 in the trace:\n%.2000s", text)
	}
	calls := map[string]int{}
	ofServer := regexp.MustCompile(`(?m)^\d+ +(\w+)\(\d+<TCP:\[` + string(listening[1]) + `->`)
	for _, m := range ofServer.FindAllSubmatch(text, -1) {
		calls[string(m[1])]++
	}
	const first = 1 // the request that finds out how long the answer is
	const ends = 4  // of two connections, each looked at once more before the first request and at the end
	if calls["write"] != exchanges+first || calls["read"] < exchanges || calls["read"] > 2*(exchanges+first)+ends {
		t.Errorf("%d requests cost %v", exchanges+first, calls)
	}
	delete(calls, "write")
	delete(calls, "read")
	for name, n := range calls {
		if n > 20 { // options are set once a connection
			t.Errorf("%d requests cost %d calls of %s", exchanges+first, n, name)
		}
	}
}
