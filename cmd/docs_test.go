package cmd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/services/echo"
	"github.com/gtwistd/gtwistd/services/ftp"
	"github.com/gtwistd/gtwistd/services/web"
)

// testProgram parses command lines like the real one, with output to the null device.
func testProgram(t *testing.T) *program {
	t.Helper()
	registry, err := newRegistry([]plugins.Plugin{web.Plugin(), web.SecurePlugin(), ftp.Plugin(), echo.Plugin()})
	if err != nil {
		t.Fatal(err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { null.Close() })
	return &program{
		name: "gtwistd", registry: registry, stdin: null, stdout: null, stderr: null,
		getenv: func(string) string { return "" }, environ: func() []string { return nil },
	}
}

// TestDocumentedCommands parses every gtwistd command line of the documentation and of the help texts.
func TestDocumentedCommands(t *testing.T) {
	p := testProgram(t)
	texts := map[string]string{}
	for _, pattern := range []string{"../README.md", "../CONTRIBUTING.md", "../docs/*.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", pattern, files, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			texts[file] = string(data)
		}
	}
	for _, plugin := range p.registry.All() {
		texts[plugin.Name+" --help"] = plugin.Example
	}
	found := 0
	for source, text := range texts {
		for _, line := range commandLines(text) {
			found++
			if _, err := p.parse(shellWords(t, line)[1:]); err != nil {
				t.Errorf("%s: %s: %v (%s)", source, line, err, hintOf(err))
			}
		}
	}
	if found < 10 {
		t.Errorf("found %d command lines, want at least 10: does the search still work?", found)
	}
}

// shellWords splits a line as a shell does.
func shellWords(t *testing.T, line string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-f", "-c", `printf '%s\n' `+line).Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

// commandLines are the lines of a text that begin with the program's name, perhaps behind a prompt or in a unit of systemd,
// without comments. A line may go on behind a backslash.
func commandLines(text string) []string {
	var lines []string
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
		line = strings.TrimPrefix(strings.TrimPrefix(line, "$ "), "ExecStart=/usr/local/bin/")
		line = strings.TrimSuffix(strings.TrimSpace(line), " &")
		if line == "gtwistd" || strings.HasPrefix(line, "gtwistd -") || isCommand(line) {
			lines = append(lines, line)
		}
	}
	return lines
}

func isCommand(line string) bool {
	words := strings.Fields(line)
	if len(words) < 2 || words[0] != "gtwistd" {
		return false
	}
	switch words[1] {
	case "web", "ssl-web", "echo", "status", "stop", "reload", "reopen", "logs", "plugins", "version", "hash-password", "help", "completion":
		return len(words) == 2 || strings.HasPrefix(words[2], "-") || words[1] == "help" || words[1] == "completion"
	}
	return false
}
