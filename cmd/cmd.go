// Package cmd is the runner: it turns a command line into services and carries them from start to stop in one straight
// function. It is the only package that knows all the others; a program lists its plugins and calls Main:
//
//	func main() { os.Exit(cmd.Main(web.Plugin(), echo.Plugin())) }
package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/gtwistd/gtwistd/daemon"
	"github.com/gtwistd/gtwistd/plugins"
)

// Exit codes, as documented by --help.
const (
	exitFailed     = 1
	exitUsage      = 2
	exitNotRunning = 3
)

// Main runs the program with the command line, environment and streams of the process and returns its exit code. The
// plugins become subcommands in the order given.
func Main(list ...plugins.Plugin) int {
	terminal := findTerminal() // before the next lines hide whether SIGHUP was ignored
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, otherSignals...) // from the first moment on: none of them ever ends a start
	p := &program{
		signals:  signals,
		terminal: terminal,
		name:     strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe"),
		argv0:    os.Args[0],
		args:     os.Args[1:],
		getenv:   os.Getenv,
		environ:  os.Environ,
		stdin:    os.Stdin,
		stdout:   os.Stdout,
		stderr:   os.Stderr,
		started:  time.Now(),
	}
	p.parent = daemon.Detached(os.Getenv)
	p.inherited = daemon.TakeInherited(p.parent)
	return p.main(list)
}

// program is what one run of the command has from the world.
type program struct {
	name           string // as the user called it
	argv0          string
	args           []string // without it
	getenv         func(string) string
	environ        func() []string
	stdin          io.Reader
	stdout, stderr *os.File
	started        time.Time
	parent         *daemon.Parent // whom a detached process reports to; nil in front
	inherited      *daemon.Inherited
	registry       plugins.Registry
	signals        chan os.Signal // those that do not stop
	terminal       *controllingTerminal
	notes          []string // for the person who typed the command, see tellNotes
}

func (p *program) main(list []plugins.Plugin) int {
	var err error
	if p.registry, err = newRegistry(list); err == nil {
		err = p.execute()
	}
	return p.fail(err)
}

func (p *program) execute() error {
	inv, err := p.parse(p.args)
	if err != nil {
		return err
	}
	switch {
	case inv.action != nil:
		signal.Reset(otherSignals...)
		return inv.action(context.Background())
	case len(inv.parts) > 0:
		return p.start(inv)
	}
	return nil // help was asked for and shown
}

// silentExit ends the program with a code when everything has been said already.
type silentExit int

func (e silentExit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// fail tells err, to the waiting parent if there is one and to the terminal otherwise, and returns the exit code.
func (p *program) fail(err error) int {
	if err == nil {
		return 0
	}
	var silent silentExit
	if errors.As(err, &silent) {
		return int(silent)
	}
	failure := daemon.StartError{Code: exitCode(err), Reason: err.Error(), Suggestion: hintOf(err)}
	if p.parent.Fail(failure) {
		return failure.Code
	}
	fmt.Fprintf(p.stderr, "%s: %s\n", p.name, failure.Reason)
	if failure.Suggestion != "" {
		fmt.Fprintf(p.stderr, "%s: hint: %s\n", p.name, failure.Suggestion)
	}
	return failure.Code
}

func exitCode(err error) int {
	var usage *plugins.UsageError
	var coded interface{ ExitCode() int }
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &coded):
		return coded.ExitCode()
	}
	return exitFailed
}

// hintOf returns the hint of the outermost error in the chain that has one to give.
func hintOf(err error) string {
	if hinter, ok := err.(interface{ Hint() string }); ok && hinter.Hint() != "" {
		return hinter.Hint()
	}
	switch wrapper := err.(type) {
	case interface{ Unwrap() error }:
		return hintOf(wrapper.Unwrap())
	case interface{ Unwrap() []error }:
		for _, inner := range wrapper.Unwrap() {
			if hint := hintOf(inner); hint != "" {
				return hint
			}
		}
	}
	return ""
}

// exitError is an error with an exit code and hint of its own.
type exitError struct {
	error
	code int
	hint string
}

func (e *exitError) ExitCode() int { return e.code }
func (e *exitError) Hint() string  { return e.hint }
func (e *exitError) Unwrap() error { return e.error }

// newRegistry also keeps plugins from hiding the program's own commands.
func newRegistry(list []plugins.Plugin) (plugins.Registry, error) {
	for _, p := range list {
		switch p.Name {
		case "status", "stop", "reload", "reopen", "logs", "plugins", "version", "hash-password", "completion", "help":
			return plugins.Registry{}, fmt.Errorf("plugin %s: the name belongs to a command of the program", p.Name)
		}
	}
	return plugins.NewRegistry(list...)
}
