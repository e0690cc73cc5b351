package endpoint_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/internal/endpoint"
)

const fileSize = 3 << 20

// serveFile is the traced program: it says where it listens and ends with its standard input.
func serveFile(spec, file string) int {
	s := endpoint.NewSet(endpoint.Options{})
	l, err := s.Listen(context.Background(), "web", spec)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(l.Addr())
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) }))
	io.Copy(io.Discard, os.Stdin)
	return 0
}

func TestSendfile(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("strace exists on Linux only")
	}
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("no strace; Debian package strace")
	}
	file := filepath.Join(t.TempDir(), "file.bin")
	if err := os.WriteFile(file, make([]byte, fileSize), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, spec, hello string }{
		{"tcp", anyPort, ""},
		{"haproxy", "haproxy:" + anyPort, "PROXY TCP4 192.0.2.9 192.0.2.1 5000 80\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			calls := traceDownload(t, tt.spec, tt.hello, file)
			t.Log(calls)
			if calls["sendfile"] == 0 || calls["sendfile"] > 40 {
				t.Errorf("%d calls of sendfile, want 1 to 40", calls["sendfile"])
			}
			// 3 MB by buffers of 32 KB are 96.
			if calls["write"] > 20 {
				t.Errorf("%d calls of write, want at most 20", calls["write"])
			}
		})
	}
}

// traceDownload fetches the file once and returns how many system calls that took.
func traceDownload(t *testing.T, spec, hello, file string) map[string]int {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := exec.CommandContext(t.Context(), "strace", "-f", "-qq", "-e", "trace=sendfile,write,writev,sendto", "-o", trace, self)
	cmd.Env = append(os.Environ(), "ENDPOINT_TEST_SERVE="+spec, "ENDPOINT_TEST_FILE="+file)
	cmd.Stderr = os.Stderr
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("server did not start: %v", err)
	}
	if n := download(t, "tcp", strings.TrimSpace(addr), hello); n != fileSize {
		t.Errorf("got %d bytes, want %d", n, fileSize)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^\d+ +(\w+)\(`).FindAllStringSubmatch(string(text), -1) {
		calls[m[1]]++
	}
	return calls
}
