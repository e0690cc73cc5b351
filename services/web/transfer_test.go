package web_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/web"
)

const fileSize = 8 << 20

// transferVariable makes TestTransfer run, under strace.
const transferVariable = "GTWISTD_TEST_TRANSFER"

// TestTransfer sends a file of 8 MiB through all of the service, access log included. TestSendfile counts its system calls.
func TestTransfer(t *testing.T) {
	if os.Getenv(transferVariable) == "" {
		t.Skip("runs as part of TestSendfile")
	}
	dir := directory(t, map[string]string{"big": strings.Repeat("x", fileSize)})
	srv := plugintest.Start(t, web.Plugin(), "--port", "0", "--path", dir, "--access-log", filepath.Join(t.TempDir(), "log"))
	if status, body := get(t, srv.Addrs()[0], "/big"); status != 200 || len(body) != fileSize {
		t.Errorf("GET /big = %d, %d bytes, want 200, %d bytes", status, len(body), fileSize)
	}
}

// TestSendfile says that nothing of a large file goes through this process, and that it comes without splice(2), too.
func TestSendfile(t *testing.T) {
	plugintest.NeedTool(t, "strace", "strace")
	carried := func(options ...string) map[string]int {
		trace := filepath.Join(t.TempDir(), "trace")
		options = append([]string{"-f", "-qq", "-e", "trace=sendfile,splice", "-o", trace}, options...)
		cmd := exec.CommandContext(t.Context(), "strace", append(options, os.Args[0], "-test.run=^TestTransfer$", "-test.v")...)
		cmd.Env = append(os.Environ(), transferVariable+"=1", "GORACE=atexit_sleep_ms=0")
		out, err := cmd.CombinedOutput()
		if bytes.Contains(out, []byte("Operation not permitted")) {
			t.Skipf("strace may not trace here: %s", out)
		}
		if err != nil || !bytes.Contains(out, []byte("--- PASS: TestTransfer")) {
			t.Fatalf("%v: %s", err, out)
		}
		text, err := os.ReadFile(trace)
		if err != nil {
			t.Fatal(err)
		}
		sent := map[string]int{}
		for _, match := range regexp.MustCompile(`(?m)(sendfile|splice).* = (\d+)$`).FindAllSubmatch(text, -1) {
			n, _ := strconv.Atoi(string(match[2]))
			sent[string(match[1])] += n
		}
		return sent
	}
	const first = 4 << 10 // may go with the headers
	sent := carried()
	piped := sent["splice"] / 2 // into a pipe and out of it
	if sent["sendfile"] < 1<<20 || piped == 0 || sent["sendfile"]+piped < fileSize-first {
		t.Errorf("sendfile carried %d bytes and a pipe %d, want the first megabyte and the rest of %d", sent["sendfile"], piped, fileSize)
	}
	if sent := carried("-e", "inject=splice:error=EOPNOTSUPP"); sent["sendfile"] < fileSize-first {
		t.Errorf("without splice, sendfile carried %d bytes, want %d or nearly", sent["sendfile"], fileSize)
	}
}

func TestCurl(t *testing.T) {
	plugintest.NeedTool(t, "curl", "curl")
	dir := directory(t, map[string]string{"a.txt": "0123456789", "sub/index.html": "<p>index"})
	srv := plugintest.Start(t, web.Plugin(), "--port", "0", "--path", dir)
	base := "http://" + srv.Addrs()[0].String()
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"get", []string{base + "/a.txt"}, "0123456789"},
		{"range", []string{"-r", "2-4", base + "/a.txt"}, "234"},
		{"resume", []string{"-C", "7", base + "/a.txt"}, "789"},
		{"redirect", []string{"-L", base + "/sub"}, "<p>index"},
		{"head", []string{"-I", "-w", "%{http_code} %{content_type}", "-o", os.DevNull, base + "/a.txt"}, "200 text/plain; charset=utf-8"},
		{"not modified", []string{"-z", "01 Jan 2099", "-w", "%{http_code}", base + "/a.txt"}, "304"},
		{"path as is", []string{"--path-as-is", "-w", "%{http_code}", "-o", os.DevNull, base + "/../a.txt"}, "404"},
		{"keep-alive", []string{"-w", "%{num_connects}", base + "/a.txt", base + "/a.txt"}, "012345678910123456789" + "0"},
		{"upload refused", []string{"-T", filepath.Join(dir, "a.txt"), "-w", "%{http_code}", "-o", os.DevNull, base + "/new"}, "405"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := exec.CommandContext(t.Context(), "curl", append([]string{"-sS", "--noproxy", "*"}, tt.args...)...).CombinedOutput()
			if err != nil || string(out) != tt.want {
				t.Errorf("curl %q = %q, %v, want %q", tt.args, out, err, tt.want)
			}
		})
	}
}

// awaitRecords waits until there are n access records.
func awaitRecords(t *testing.T, srv *plugintest.Server, n int) []string {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if lines := strings.Split(strings.TrimSuffix(srv.AccessLog(), "\n"), "\n"); lines[0] != "" && len(lines) >= n {
			return lines
		}
	}
	t.Fatalf("access log %q, want %d records", srv.AccessLog(), n)
	return nil
}

func TestAccessRecords(t *testing.T) {
	srv := plugintest.Start(t, web.Plugin(), "--port", "0", "--path", directory(t, map[string]string{"a.txt": "abc"}))
	conn, err := net.Dial("tcp", srv.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	reader := bufio.NewReader(conn)
	for _, line := range []string{"GET /a.txt?q=\"", "HEAD /a.txt", "GET /nothing", "OPTIONS *", "GET //a.txt"} {
		if _, err := io.WriteString(conn, line+" HTTP/1.1\r\nHost: x\r\nUser-Agent: test\xff\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		method, _, _ := strings.Cut(line, " ")
		res, err := http.ReadResponse(reader, &http.Request{Method: method})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
	}
	want := []string{
		`"GET /a.txt?q=\x22 HTTP/1.1" 200 3 "-" "test\xFF"`,
		`"HEAD /a.txt HTTP/1.1" 200 - "-" "test\xFF"`,
		`"GET /nothing HTTP/1.1" 404 10 "-" "test\xFF"`,
		`"OPTIONS * HTTP/1.1" 204 - "-" "test\xFF"`,
		`"GET //a.txt HTTP/1.1" 200 3 "-" "test\xFF"`,
	}
	shape := regexp.MustCompile(`^127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] (.*)$`)
	for i, line := range awaitRecords(t, srv, len(want)) {
		if m := shape.FindStringSubmatch(line); m == nil || m[1] != want[i] {
			t.Errorf("record %d = %s, want %s", i, line, want[i])
		}
	}
}

// TestRecordOfAnAbortedDownload says that what was sent is counted, not what should have been.
func TestRecordOfAnAbortedDownload(t *testing.T) {
	const size = 64 << 20 // more than socket buffers hold
	dir := directory(t, map[string]string{"big": ""})
	if err := os.Truncate(filepath.Join(dir, "big"), size); err != nil {
		t.Fatal(err)
	}
	srv := plugintest.Start(t, web.Plugin(), "--port", "0", "--path", dir)
	conn, err := net.Dial("tcp", srv.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := io.ReadFull(conn, make([]byte, 64<<10)); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	record := awaitRecords(t, srv, 1)[0]
	m := regexp.MustCompile(` 200 (\d+) "-" "-"$`).FindStringSubmatch(record)
	if m == nil {
		t.Fatalf("record %q, want status 200", record)
	}
	if n, _ := strconv.Atoi(m[1]); n < 60<<10 || n >= size {
		t.Errorf("record says %d bytes, want what was sent of %d", n, size)
	}
}

func TestAccessLogOffAndFile(t *testing.T) {
	dir := directory(t, map[string]string{"a.txt": "abc"})
	off := plugintest.Start(t, web.Plugin(), "--port", "0", "--path", dir, "--access-log", "off")
	get(t, off.Addrs()[0], "/a.txt")
	if err := off.Stop(); err != nil || off.AccessLog() != "" {
		t.Errorf("off: %v, records %q, want none", err, off.AccessLog())
	}
	file := filepath.Join(t.TempDir(), "access.log")
	srv := plugintest.Start(t, web.Plugin(), "--port", "0", "--path", dir, "--access-log", file)
	get(t, srv.Addrs()[0], "/a.txt")
	if err := srv.Stop(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(file); err != nil || strings.Count(string(text), "\n") != 1 || srv.AccessLog() != "" {
		t.Errorf("file: %q, %v, want one record there and none elsewhere (%q)", text, err, srv.AccessLog())
	}
}

// secured makes env.Listen yield *tls.Conn, as an ssl endpoint does.
type secured struct {
	plugins.Maker
	config *tls.Config
}

func (s secured) Make(ctx context.Context, env *plugins.Env) (plugins.Service, error) {
	e := *env
	e.Listen = func(ctx context.Context, spec string) (net.Listener, error) {
		l, err := env.Listen(ctx, spec)
		if err != nil {
			return nil, err
		}
		return tls.NewListener(l, s.config), nil
	}
	return s.Maker.Make(ctx, &e)
}

func TestHTTP2(t *testing.T) {
	certificates := httptest.NewTLSServer(http.NotFoundHandler())
	defer certificates.Close()
	client := certificates.Client()
	transport := client.Transport.(*http.Transport)
	transport.ForceAttemptHTTP2 = true
	config := &tls.Config{Certificates: certificates.TLS.Certificates, NextProtos: []string{"h2", "http/1.1"}}

	p := web.Plugin()
	p.New = func() plugins.Maker { return secured{web.Plugin().New(), config} }
	content := strings.Repeat("0123456789", 100000)
	srv := plugintest.Start(t, p, "--port", "0", "--path", directory(t, map[string]string{"a.txt": content}))
	res, err := client.Get("https://" + srv.Addrs()[0].String() + "/a.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer transport.CloseIdleConnections()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if res.ProtoMajor != 2 || err != nil || string(body) != content {
		t.Errorf("= %s, %d bytes, %v, want HTTP/2.0, %d bytes", res.Proto, len(body), err, len(content))
	}
	if record := awaitRecords(t, srv, 1)[0]; !strings.Contains(record, `"GET /a.txt HTTP/2.0" 200 1000000 `) {
		t.Errorf("record %s, want one of HTTP/2", record)
	}
	srv.Drain() // with a connection that is kept alive
	if err := srv.Wait(); err != nil {
		t.Errorf("Serve() = %v, want nil", err)
	}
}

// TestTransferUnderTLS takes a file and parts of it over one connection: what is sent at once is neither lost nor late.
func TestTransferUnderTLS(t *testing.T) {
	content := make([]byte, fileSize)
	for i := range content {
		content[i] = byte(i % 251)
	}
	srv := plugintest.Start(t, web.Plugin(), "--tls", "--port", "0", "--path", directory(t, map[string]string{"big": string(content)}))
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // which also turns HTTP/2 off
	defer transport.CloseIdleConnections()
	for _, tt := range []struct {
		name, ranges string
		want         []byte
	}{
		{"all", "", content},
		{"one byte", "bytes=7-7", content[7:8]},
		{"less than a record", "bytes=100-299", content[100:300]},
		{"some records", "bytes=1-1000000", content[1:1000001]},
		{"the end", "bytes=-70000", content[fileSize-70000:]},
		{"all again", "", content},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+srv.Addrs()[0].String()+"/big", nil)
			if err != nil {
				t.Fatal(err)
			}
			if tt.ranges != "" {
				req.Header.Set("Range", tt.ranges)
			}
			res, err := transport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			got, err := io.ReadAll(res.Body)
			if err != nil || res.ProtoMajor != 1 || !bytes.Equal(got, tt.want) {
				t.Errorf("%s %s, %d bytes, %v, want the %d bytes of the file", res.Proto, res.Status, len(got), err, len(tt.want))
			}
		})
	}
}
