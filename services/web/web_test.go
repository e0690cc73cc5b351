package web_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"go.uber.org/goleak"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// directory writes files below a new directory; a name that ends with a slash is a directory.
func directory(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name+"x")), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			continue
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestContract(t *testing.T) {
	dir := directory(t, map[string]string{"a.txt": "a"})
	plugintest.Run(t, web.Plugin(), plugintest.Config{
		Args: []string{"--port", "0", "--listen", "tcp:0", "--path", dir},
		BadArgs: [][]string{
			{"--no-such-flag"}, {"argument"}, {"--path", ""}, {"--access-log", ""}, {"--index", "", "--index", "a"}, {"--index", "a/b"}, {"--index", ".."},
		},
		Dial: halfRequest,
	})
}

// halfRequest keeps the service busy: without the end of the headers nobody answers.
func halfRequest(t testing.TB, addrs []net.Addr) net.Conn {
	t.Helper()
	conn, err := net.Dial(addrs[0].Network(), addrs[0].String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\n"); err != nil {
		t.Fatal(err)
	}
	return conn
}

// get returns what a client without keep-alive gets.
func get(t testing.TB, addr net.Addr, path string) (status int, body string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get("http://" + addr.String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(all)
}

func TestPortAndListen(t *testing.T) {
	dir := directory(t, map[string]string{"a.txt": "a", "start.htm": "start"})
	socket := filepath.Join(t.TempDir(), "s")
	srv := plugintest.Start(t, web.Plugin(), "-p", "0", "--listen", "tcp:0", "--listen", "unix:"+socket, "--path", dir, "--index", "start.htm")
	addrs := srv.Addrs()
	if len(addrs) != 3 {
		t.Fatalf("listens on %v, want three addresses", addrs)
	}
	for _, addr := range addrs[:2] {
		if status, body := get(t, addr, "/"); status != 200 || body != "start" {
			t.Errorf("GET / from %v = %d %q, want 200 start", addr, status, body)
		}
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /a.txt HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if all, err := io.ReadAll(conn); err != nil || !strings.HasSuffix(string(all), "\r\n\r\na") {
		t.Errorf("GET /a.txt from %s = %q, %v", socket, all, err)
	}
}

// makeOn makes the service on a host whose endpoints it returns, and closes nothing: the host does.
func makeOn(t *testing.T, args ...string) (plugins.Service, []string, error) {
	t.Helper()
	host := plugintest.NewHost(t, "web")
	listen, specs := host.Env.Listen, []string{}
	host.Env.Listen = func(ctx context.Context, spec string) (net.Listener, error) {
		specs = append(specs, spec)
		return listen(ctx, "tcp:0")
	}
	maker, flags := web.Plugin().New(), pflag.NewFlagSet("web", pflag.ContinueOnError)
	maker.Flags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	svc, err := maker.Make(t.Context(), host.Env)
	return svc, specs, err
}

func TestDefaults(t *testing.T) {
	dir := directory(t, map[string]string{"a.txt": "a"})
	t.Chdir(dir)
	svc, specs, err := makeOn(t)
	if err != nil {
		t.Fatal(err)
	}
	if len(specs) != 1 || specs[0] != "tcp:8080" {
		t.Errorf("listens on %q, want tcp:8080", specs)
	}
	want, err := filepath.EvalSymlinks(dir)
	report := svc.(plugins.Reporter).Report()
	if err != nil || len(report) != 1 || report[0].Key != "root" || report[0].Value.String() != want {
		t.Errorf("Report() = %v, want root=%s", report, want)
	}
	if _, specs, err := makeOn(t, "--port", "8081", "--listen", "unix:/x"); err != nil || strings.Join(specs, " ") != "8081 unix:/x" {
		t.Errorf("listens on %q, %v, want what --port says and what --listen says", specs, err)
	}
}

func TestPathsMeanTheStartingDirectory(t *testing.T) {
	dir, elsewhere := directory(t, map[string]string{"public/a.txt": "a"}), t.TempDir()
	for path, args := range map[string][]string{dir: nil, filepath.Join(dir, "public"): {"--path", "public"}} {
		t.Chdir(dir)
		maker, flags := web.Plugin().New(), pflag.NewFlagSet("web", pflag.ContinueOnError)
		maker.Flags(flags)
		if err := flags.Parse(append(args, "--port", "0")); err != nil {
			t.Fatal(err)
		}
		t.Chdir(elsewhere)
		svc, err := maker.Make(t.Context(), plugintest.Env(t, "web"))
		if err != nil {
			t.Errorf("%q: %v", args, err)
			continue
		}
		want, err := filepath.EvalSymlinks(path)
		if got := svc.(plugins.Reporter).Report()[0].Value.String(); err != nil || got != want {
			t.Errorf("%q serves %s, want %s (%v)", args, got, want, err)
		}
	}
}

func TestMakeErrors(t *testing.T) {
	t.Chdir(directory(t, map[string]string{"a.txt": "a"}))
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"missing directory", []string{"--path", "x"}, `--path "x": no such directory`},
		{"below a file", []string{"--path", "a.txt/x"}, `--path "a.txt/x": not a directory`},
		{"log in a missing directory", []string{"--access-log", "x/log"}, `--access-log "x/log": `},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			svc, _, err := makeOn(t, tt.args...)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) || svc != nil {
				t.Errorf("Make() = %v, %v, want %q", svc, err, tt.want)
			}
			var usage *plugins.UsageError
			if errors.As(err, &usage) {
				t.Errorf("Make() = %v: that is no usage error", err)
			}
		})
	}
	if _, _, err := makeOn(t, "--path", "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Make() = %v, want one that wraps %v", err, fs.ErrNotExist)
	}
}

// TestPortThatIsNone says that only what cannot be an endpoint is refused here.
func TestPortThatIsNone(t *testing.T) {
	for _, port := range []string{"abc", "80x", "-1", "tcp", "localhost", " 80"} {
		_, specs, err := makeOn(t, "--port="+port)
		var usage *plugins.UsageError
		if want := `--port "` + port + `": not a port, nor an endpoint`; !errors.As(err, &usage) || err.Error() != want || usage.Hint() == "" || len(specs) != 0 {
			t.Errorf("Make() = %v, want the usage error %s", err, want)
		}
	}
	for _, port := range []string{"0", "80", "99999", "tpc:80", "127.0.0.1:80", "/run/x"} {
		if _, specs, err := makeOn(t, "--port", port); err != nil || len(specs) != 1 || specs[0] != port {
			t.Errorf("--port %q: listens on %q, %v, want it to be the endpoint", port, specs, err)
		}
	}
}

func TestNoIndex(t *testing.T) {
	dir := directory(t, map[string]string{"index.html": "start"})
	for _, arg := range []string{"--index=", "--index=index.html"} {
		srv := plugintest.Start(t, web.Plugin(), "--port", "0", "--path", dir, arg)
		_, body := get(t, srv.Addrs()[0], "/")
		if listed := strings.Contains(body, `href="./index.html"`); listed != (arg == "--index=") {
			t.Errorf("%s: GET / = %q", arg, body)
		}
	}
}

func TestAccessLogWords(t *testing.T) {
	t.Chdir(directory(t, map[string]string{"a.txt": "a"}))
	for _, word := range []string{"off", "OFF", "Off", "log", "LOG"} {
		if _, _, err := makeOn(t, "--access-log", word); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(word); err == nil {
			t.Errorf("--access-log %s makes a file", word)
		}
	}
}

func TestReloadError(t *testing.T) {
	dir := directory(t, map[string]string{"www/a.txt": "a"})
	srv := plugintest.Start(t, web.Plugin(), "--port", "0", "--path", filepath.Join(dir, "www"))
	if err := os.Rename(filepath.Join(dir, "www"), filepath.Join(dir, "moved")); err != nil {
		t.Fatal(err)
	}
	err := srv.Service.(plugins.Reloader).Reload(t.Context())
	if err == nil || !strings.Contains(err.Error(), `www": no such directory (after --chroot it must exist inside, too)`) {
		t.Errorf("Reload() = %v, want an error about the directory", err)
	}
	if status, body := get(t, srv.Addrs()[0], "/a.txt"); status != 200 || body != "a" {
		t.Errorf("GET /a.txt = %d %q, want the file as before", status, body)
	}
}

// TestDrain says that a download that is under way ends whole, and that idle connections do not hold up the end.
func TestDrain(t *testing.T) {
	const size = 32 << 20 // more than socket buffers hold
	dir := t.TempDir()
	file := filepath.Join(dir, "big")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, size); err != nil {
		t.Fatal(err)
	}
	srv := plugintest.Start(t, web.Plugin(), "--port", "0", "--path", dir)
	addr := srv.Addrs()[0]

	dial := func(request string) (net.Conn, *http.Response) {
		conn, err := net.Dial(addr.Network(), addr.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if request == "" {
			return conn, nil
		}
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		return conn, res
	}
	fresh, _ := dial("")
	idle, _ := dial("OPTIONS / HTTP/1.1\r\nHost: x\r\n\r\n")
	_, download := dial("GET /big HTTP/1.1\r\nHost: x\r\n\r\n")

	srv.Drain()
	for name, conn := range map[string]net.Conn{"idle": idle, "fresh": fresh} {
		if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if n, err := conn.Read(make([]byte, 1)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s connection: Read() = %d, %v, want it closed", name, n, err)
		}
	}
	if n, err := io.Copy(io.Discard, download.Body); n != size || err != nil {
		t.Errorf("download got %d bytes, %v, want %d", n, err, size)
	}
	if err := srv.Wait(); err != nil {
		t.Errorf("Serve() = %v, want nil", err)
	}
}

// TestDoubtfulRequests sends what another server on the way may understand otherwise.
func TestDoubtfulRequests(t *testing.T) {
	srv := plugintest.Start(t, web.Plugin(), "--port", "0", "--path", directory(t, map[string]string{"a.txt": "a"}))
	tests := []struct {
		name, request string
		status        int
		closed        bool
	}{
		{"plain", "GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n", 200, false},
		{"length and chunks", "GET /a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200, true},
		{"length, chunks and another method", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 405, true},
		{"length", "GET /a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx", 200, false},
		{"opaque", "GET evil:80 HTTP/1.1\r\nHost: x\r\n\r\n", 400, false},
		{"opaque with a scheme", "GET http:a.txt HTTP/1.1\r\nHost: x\r\n\r\n", 400, false},
		{"asterisk", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 204, false},
		{"authority", "CONNECT evil:80 HTTP/1.1\r\nHost: x\r\n\r\n", 405, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", srv.Addrs()[0].String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			// The second request is answered only if the connection stays open.
			_, _ = io.WriteString(conn, tt.request+"OPTIONS / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			reader := bufio.NewReader(conn)
			res, err := http.ReadResponse(reader, nil)
			if err != nil || res.StatusCode != tt.status || res.Close != tt.closed {
				t.Fatalf("%q = %+v, %v, want %d, close %v", tt.request, res, err, tt.status, tt.closed)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			if _, err := http.ReadResponse(reader, nil); (err != nil) != tt.closed {
				t.Errorf("%q, then another request: %v, want it closed: %v", tt.request, err, tt.closed)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	srv := plugintest.Start(t, web.Plugin(), "--port", "0", "--path", t.TempDir())
	conn, err := net.Dial("tcp", srv.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", 128<<10))
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("128 KiB of headers: %v, %v, want 431", res, err)
	}
}
