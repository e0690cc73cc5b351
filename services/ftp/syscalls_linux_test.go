package ftp_test

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

// tracedVariable makes TestTraced run, under strace.
const (
	tracedVariable = "GTWISTD_TEST_TRACED"
	tracedSize     = 8 << 20
	tracedEntries  = 2000
)

// TestTraced fetches a file, stores one and lists two directories. TestSystemCalls counts.
func TestTraced(t *testing.T) {
	if os.Getenv(tracedVariable) == "" {
		t.Skip("runs as part of TestSystemCalls")
	}
	dir := directory(t, map[string]string{"big": strings.Repeat("x", tracedSize)})
	if err := os.Mkdir(filepath.Join(dir, "many"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range tracedEntries {
		if err := os.Symlink("../big", filepath.Join(dir, "many", strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable")
	c := anonymous(t, srv)
	if got := c.get("RETR big"); len(got) != tracedSize {
		t.Errorf("RETR = %d bytes", len(got))
	}
	c.put("STOR new", strings.Repeat("y", tracedSize))
	if got := c.get("LIST many"); strings.Count(got, "\n") != tracedEntries {
		t.Errorf("LIST = %d lines", strings.Count(got, "\n"))
	}
	if got := c.get("LIST"); strings.Count(got, "\n") != 3 {
		t.Errorf("LIST = %q", got)
	}
}

// TestSystemCalls says that a file goes out by sendfile and then by splice, comes in by large writes and then by splice, that a
// listing is not sent line by line, and that it mounts nothing.
func TestSystemCalls(t *testing.T) {
	plugintest.NeedTool(t, "strace", "strace")
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := exec.CommandContext(t.Context(), "strace", "-f", "-qq", "-s", "12", "-e", "trace=sendfile,splice,write,statx", "-o", trace,
		os.Args[0], "-test.run=^TestTraced$", "-test.v")
	cmd.Env = append(os.Environ(), tracedVariable+"=1", "GORACE=atexit_sleep_ms=0")
	out, err := cmd.CombinedOutput()
	if bytes.Contains(out, []byte("Operation not permitted")) {
		t.Skipf("strace may not trace here: %s", out)
	}
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestTraced")) {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	sent := carried(text, "sendfile")
	if sent < 1<<20 || sent >= tracedSize {
		t.Errorf("sendfile carried %d bytes, want the first megabyte, and more only while the client is slow", sent)
	}
	// Into a pipe and out of it, all the rest that goes and, but for the first, all that comes.
	rest := 2 * (tracedSize - sent)
	if moved := carried(text, "splice"); moved < rest+tracedSize || moved > rest+2*tracedSize {
		t.Errorf("splice carried %d bytes, want %d and most of %d twice", moved, rest, tracedSize)
	}
	if n := len(regexp.MustCompile(`(?m)write\(\d+, "xxxx`).FindAll(text, -1)); n > 1 {
		t.Errorf("%d writes of what is downloaded, want the one that makes the file", n)
	}
	// The client of the test writes all its bytes in few calls, too: what counts is the number of writes.
	if n := len(regexp.MustCompile(`(?m)write\(\d+, "yyyy`).FindAll(text, -1)); n > tracedSize/(16<<10) {
		t.Errorf("%d writes for an upload of %d bytes", n, tracedSize)
	}
	if n := len(regexp.MustCompile(`(?m)write\(\d+, "-rw`).FindAll(text, -1)); n > 20 {
		t.Errorf("%d writes for a listing of %d entries", n, tracedEntries)
	}
	looks := regexp.MustCompile(`(?m)statx\(.*`).FindAll(text, -1)
	for _, look := range looks {
		if !bytes.Contains(look, []byte("AT_NO_AUTOMOUNT")) {
			t.Errorf("a listing mounts automount points: %s", look)
		}
	}
	if len(looks) == 0 {
		t.Error("no statx, so nothing is known of automount points")
	}
}

// carried adds up what the calls of a trace have returned.
func carried(trace []byte, call string) (sum int) {
	for _, match := range regexp.MustCompile(`(?m)`+call+`.* = (\d+)$`).FindAllSubmatch(trace, -1) {
		n, _ := strconv.Atoi(string(match[1]))
		sum += n
	}
	return sum
}

func TestUmask(t *testing.T) {
	old := syscall.Umask(0o027)
	defer syscall.Umask(old)
	dir := t.TempDir()
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable")
	c := anonymous(t, srv)
	c.put("STOR f", "x")
	c.do("MKD d", "257")
	if err := os.Chmod(filepath.Join(dir, "f"), 0o604); err != nil {
		t.Fatal(err)
	}
	c.put("STOR f", "what is replaced gives its mode")
	for name, want := range map[string]os.FileMode{"f": 0o604, "d": 0o750 | os.ModeDir} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
	c.put("STOR g", "x")
	if info, err := os.Stat(filepath.Join(dir, "g")); err != nil || info.Mode() != 0o640 {
		t.Errorf("g: %v, %v", info.Mode(), err)
	}
}

// TestSpecialFiles says that FIFOs and sockets are not there, and that nobody waits for one.
func TestSpecialFiles(t *testing.T) {
	dir := directory(t, map[string]string{"a.txt": "a"})
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", filepath.Join(dir, "sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable")
	c := anonymous(t, srv)
	if got := c.get("NLST"); got != "a.txt\r\n" {
		t.Errorf("NLST = %q", got)
	}
	_ = c.pasv()
	for _, line := range []string{"RETR fifo", "SIZE fifo", "STOR fifo", "APPE fifo", "DELE fifo", "RNFR fifo", "RMD fifo", "RETR sock", "STOR sock", "DELE sock"} {
		if got := c.do(line, "550"); strings.Contains(got, "regular") {
			t.Errorf("%s: %q tells what is there", line, got)
		}
	}
	for _, name := range []string{"fifo", "sock"} {
		c.do("RNFR a.txt", "350")
		c.do("RNTO "+name, "550 /"+name+": permission denied.")
		if info, err := os.Lstat(filepath.Join(dir, name)); err != nil || info.Mode().IsRegular() {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

// TestUnixSocket is for who stands behind something on this machine.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ftp.sock")
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--listen", "unix:"+path, "--root", t.TempDir())
	conn, err := net.Dial("unix", srv.Addrs()[1].String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	buf := make([]byte, 100)
	if n, err := conn.Read(buf); err != nil || !strings.HasPrefix(string(buf[:n]), "220 ") {
		t.Errorf("%q, %v", buf[:n], err)
	}
}
