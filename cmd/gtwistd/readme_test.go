//go:build unix

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestReadmeCommands runs the two commands that the README says do all: the first with a port of our own, the second
// without doing anything.
func TestReadmeCommands(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(readme), "\n```sh\n")
	block, _, _ = strings.Cut(block, "\n```\n")
	var commands [][]string
	for line := range strings.Lines(block) {
		line, _, _ = strings.Cut(line, "#")
		commands = append(commands, strings.Fields(line))
	}
	if len(commands) != 2 || commands[0][0] != "go" || commands[1][0] != "make" {
		t.Fatalf("the first block of README.md has the commands %q, want go and make", commands)
	}
	t.Run("go run", func(t *testing.T) {
		build := exec.CommandContext(t.Context(), "go", "build", "-o", os.DevNull, "./cmd/gtwistd") // which has its time for it
		build.Dir = filepath.Join("..", "..")
		if text, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", build, err, text)
		}
		runServer(t, commands[0])
	})
	t.Run("make", func(t *testing.T) {
		if _, err := exec.LookPath("make"); err != nil {
			t.Skip("make is not installed (Debian package make)")
		}
		c := exec.CommandContext(t.Context(), "make", append([]string{"--no-print-directory", "-n"}, commands[1][1:]...)...)
		c.Dir = filepath.Join("..", "..")
		if text, err := c.CombinedOutput(); err != nil || !bytes.Contains(text, []byte("go test -race")) {
			t.Errorf("%v: %v\n%s", c, err, text)
		}
	})
}

// runServer runs a command line with --port, which it replaces, until it answers, and stops it.
func runServer(t *testing.T, command []string) {
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	for i, arg := range command {
		if arg == "--port" {
			command[i+1] = port
		}
	}
	pidfile := filepath.Join(t.TempDir(), "readme.pid")
	c := exec.CommandContext(t.Context(), command[0], command[1:]...)
	c.Dir = filepath.Join("..", "..")
	c.Env = append(os.Environ(), "GTWISTD_PIDFILE="+pidfile)
	var output bytes.Buffer
	c.Stdout, c.Stderr = &output, &output
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	answer := exec.CommandContext(t.Context(), "http", "-retry", "http://127.0.0.1:"+port+"/README.md")
	text, err := answer.Output()
	if err != nil || !bytes.HasPrefix(text, []byte("# gtwistd")) {
		t.Errorf("%v: %v, %.100q", answer, err, text)
	}
	stop := exec.CommandContext(t.Context(), "gtwistd", "stop", "--pidfile", pidfile)
	if text, err := stop.CombinedOutput(); err != nil {
		t.Errorf("%v: %v\n%s", stop, err, text)
		_ = c.Process.Kill()
	}
	c.WaitDelay = time.Second
	if err := c.Wait(); err != nil {
		t.Errorf("%q: %v\n%s", command, err, output.Bytes())
	}
}
