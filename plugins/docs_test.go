package plugins_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDocumentedProgram builds the program that docs/plugins.md prints as a module of its own, runs its tests, and has a
// person's conversation with it.
func TestDocumentedProgram(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	root := repository(t)
	module := t.TempDir()
	writeDocumentedFiles(t, filepath.Join(root, "docs", "plugins.md"), module)
	writeModuleFiles(t, root, module)
	goTool(t, module, "vet", "./...")
	goTool(t, module, "test", "./...")
	greeter := filepath.Join(module, "greeter")
	goTool(t, module, "build", "-o", greeter, ".")

	t.Run("help", func(t *testing.T) {
		for _, tt := range []struct{ command, want string }{
			{"--help", "greet whoever connects"},
			{"hello --help", "GTWISTD_HELLO_GREETING"},
			{"hello --help", "greeter -n hello"},
			{"plugins", "hello"},
			{"help mounts", "clock:Europe/Vienna"},
		} {
			out, err := exec.Command(greeter, strings.Fields(tt.command)...).CombinedOutput()
			if err != nil || !strings.Contains(string(out), tt.want) {
				t.Errorf("greeter %s = %v, want %q in\n%s", tt.command, err, tt.want, out)
			}
		}
	})
	t.Run("usage error", func(t *testing.T) {
		for args, want := range map[string]string{
			"hello --greeting=":              "try --greeting hello",
			"web --mount /=clock:Nowhere":    "name a zone such as",
			"web --mount /=clock:UTC,zone=1": "it has add-header, auth, auth-realm, cors, format",
		} {
			cmd := exec.Command(greeter, append([]string{"-n"}, strings.Fields(args)...)...)
			cmd.Dir = t.TempDir()
			out, err := cmd.CombinedOutput()
			if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), want) {
				t.Errorf("greeter %s: %v, want exit code 2 and %q in\n%s", args, err, want, out)
			}
		}
	})
	t.Run("service", func(t *testing.T) {
		converse(t, "", "good evening, 127.0.0.1:", greeter, "-n", "hello", "--listen", "127.0.0.1:0", "--greeting", "good evening")
	})
	t.Run("mount", func(t *testing.T) {
		converse(t, "GET /now HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK\r\nCache-Control: no-store\r\n",
			greeter, "-n", "web", "--port", "127.0.0.1:0", "--mount", "/now=clock:UTC")
	})
}

// converse starts a service, says something, hears what begins with want, and stops the service by a signal.
func converse(t *testing.T, say, want string, command ...string) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals on this system")
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = t.TempDir()
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hang := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer hang.Stop()

	var seen bytes.Buffer
	address := announced(io.TeeReader(output, &seen))
	if address == "" {
		_ = cmd.Process.Kill()
		t.Fatalf("no address in\n%s(%v)", seen.String(), cmd.Wait())
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, say); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(got), want) {
		t.Errorf("heard %q, %v, want %q", got, err, want)
	}

	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(&seen, output)
	if err := cmd.Wait(); err != nil {
		t.Errorf("after TERM: %v, want exit code 0\n%s", err, seen.String())
	}
}

// announced reads until the line that names the service's address, such as "hello: tcp://127.0.0.1:7070".
func announced(output io.Reader) string {
	for lines := bufio.NewScanner(output); lines.Scan(); {
		_, text, found := strings.Cut(lines.Text(), ": ")
		if u, err := url.Parse(text); found && err == nil && u.Port() != "" {
			return u.Host
		}
	}
	return ""
}

var documentedFile = regexp.MustCompile("(?m)^File `(.+)`:\n\n```go\n((?:.*\n)*?)```$")

func writeDocumentedFiles(t *testing.T, page, dir string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	blocks := documentedFile.FindAllSubmatch(text, -1)
	if all := bytes.Count(text, []byte("\n```go\n")); len(blocks) == 0 || len(blocks) != all {
		t.Fatalf("%s: %d of %d Go blocks name their file", page, len(blocks), all)
	}
	for _, block := range blocks {
		path := filepath.Join(dir, filepath.FromSlash(string(block[1])))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, block[2], 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// writeModuleFiles makes a module that uses the versions we use, so that nothing is fetched.
func writeModuleFiles(t *testing.T, root, dir string) {
	t.Helper()
	ours, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	const us = "github.com/gtwistd/gtwistd"
	theirs := strings.Replace(string(ours), "module "+us+"\n", "module example.com/greeter\n", 1)
	theirs += "\nrequire " + us + " v0.0.0\n\nreplace " + us + " => " + root + "\n"
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(theirs), 0o644); err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o644); err != nil {
		t.Fatal(err)
	}
}

func goTool(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	// Without cgo, as the program is built: then the compiler's cache has most of it already.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// repository is the directory of our go.mod, above that of this test.
func repository(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	t.Fatalf("no go.mod above the working directory (%v)", err)
	return ""
}
