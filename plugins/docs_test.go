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
		} {
			out, err := exec.Command(greeter, strings.Fields(tt.command)...).CombinedOutput()
			if err != nil || !strings.Contains(string(out), tt.want) {
				t.Errorf("greeter %s = %v, want %q in\n%s", tt.command, err, tt.want, out)
			}
		}
	})
	t.Run("usage error", func(t *testing.T) {
		cmd := exec.Command(greeter, "-n", "hello", "--greeting=")
		cmd.Dir = t.TempDir()
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "try --greeting hello") {
			t.Errorf("greeter hello --greeting= : %v, want exit code 2 and a hint in\n%s", err, out)
		}
	})
	t.Run("serve", func(t *testing.T) { converse(t, greeter) })
}

// converse starts the service, connects, and stops it by a signal.
func converse(t *testing.T, greeter string) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals on this system")
	}
	cmd := exec.Command(greeter, "-n", "hello", "--listen", "127.0.0.1:0", "--greeting", "good evening")
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
	greeting, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(greeting), "good evening, 127.0.0.1:") {
		t.Errorf("greeting = %q, %v", greeting, err)
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
		text, found := strings.CutPrefix(lines.Text(), "hello: ")
		if !found {
			continue
		}
		if u, err := url.Parse(text); err == nil {
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
