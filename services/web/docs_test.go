package web_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/web"
)

const documented = "127.0.0.1:8080"

// loopback binds each endpoint of an example to a free port instead of the one that it names.
type loopback struct{ plugins.Maker }

func (l loopback) Make(ctx context.Context, env *plugins.Env) (plugins.Service, error) {
	e := *env
	e.Listen = func(ctx context.Context, _ string) (net.Listener, error) { return env.Listen(ctx, "tcp:0") }
	return l.Maker.Make(ctx, &e)
}

// start runs the web service of a documented command line.
func start(t *testing.T, command string) *plugintest.Server {
	t.Helper()
	_, args, _ := strings.Cut(command+" ", " web ")
	args, _, _ = strings.Cut(args, " + ")
	p := web.Plugin()
	p.New = func() plugins.Maker { return loopback{web.Plugin().New()} }
	return plugintest.Start(t, p, strings.Fields(args)...)
}

// blocks returns the lines of the fenced blocks of a kind.
func blocks(text, kind string) []string {
	var lines []string
	for _, part := range strings.Split(text, "```"+kind+"\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		lines = append(lines, strings.Split(strings.TrimSuffix(block, "\n"), "\n")...)
	}
	return lines
}

func TestDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../docs/web.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(directory(t, map[string]string{
		"public/report.txt": "All is well.\n", "public/sub/file": "", "public/.git/config": "secret", "start.html": "",
	}))
	commands := blocks(string(page), "sh")
	if len(commands) < 2 {
		t.Fatalf("found the examples %q", commands)
	}
	for _, command := range commands {
		srv := start(t, command)
		if status, _ := get(t, srv.Addrs()[0], "/"); status != 200 {
			t.Errorf("%s: GET / = %d, want 200", command, status)
		}
	}

	plugintest.NeedTool(t, "curl", "curl")
	addr := start(t, commands[1]).Addrs()[0].String()
	for session := range strings.SplitSeq(strings.Join(blocks(string(page), "console"), "\n"), "$ ") {
		if session == "" {
			continue
		}
		command, want, _ := strings.Cut(strings.ReplaceAll(session, documented, addr), "\n")
		got, err := exec.CommandContext(t.Context(), "sh", "-c", "no_proxy='*' "+command).CombinedOutput()
		if err != nil || strings.TrimSpace(string(got)) != strings.TrimSpace(want) {
			t.Errorf("%s\ngives %q, %v, want %q", command, got, err, want)
		}
	}
}
