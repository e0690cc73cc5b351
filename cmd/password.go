package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/gtwistd/gtwistd/internal/htpasswd"
	"github.com/gtwistd/gtwistd/plugins"
)

func (p *program) hashPasswordCommand(inv *invocation) *cobra.Command {
	return &cobra.Command{
		Use:   "hash-password [USER]",
		Short: "print the line of a password file for a user, or only the hash",
		Long: "print the line of a password file for a user, or only the hash. The password is asked for twice at a terminal, " +
			"and is the one line of standard input elsewhere; it is hashed with bcrypt",
		Example: p.name + " hash-password joe >> users",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return plugins.Usagef("hash-password: one user at a time, not %s", quoted(strings.Join(args, " ")))
			}
			user := strings.Join(args, "")
			if len(args) == 1 && user == "" {
				return plugins.Usagef(`hash-password "": no name; leave it out for the hash alone`)
			}
			inv.action = func(context.Context) error { return p.hashPassword(user) }
			return nil
		},
	}
}

func (p *program) hashPassword(user string) error {
	password, err := p.readPassword()
	if err != nil {
		return err
	}
	line, err := htpasswd.Hash(user, password)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.stdout, line)
	return err
}

// readPassword asks a person twice and takes a script at its word.
func (p *program) readPassword() (string, error) {
	if in, ok := p.stdin.(*os.File); ok && term.IsTerminal(int(in.Fd())) {
		return askTwice(in, p.stderr)
	}
	const enough = 4096
	data, err := io.ReadAll(io.LimitReader(p.stdin, enough))
	if err != nil {
		return "", err
	}
	line, rest, _ := bytes.Cut(data, []byte("\n"))
	if len(rest) > 0 {
		return "", errors.New("standard input has more than one line: the password is one")
	}
	return string(bytes.TrimSuffix(line, []byte("\r"))), nil
}

// askTwice prompts on out, so that the output may go to a file. The terminal reads Ctrl-C like a letter: a signal would leave
// it without echo.
func askTwice(in *os.File, out io.Writer) (string, error) {
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return "", fmt.Errorf("terminal: %w", err)
	}
	defer func() { _ = term.Restore(int(in.Fd()), before) }() // there is nothing to be done about it
	terminal := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, out}, "")
	password, err := terminal.ReadPassword("Password: ")
	again := password
	if err == nil && password != "" {
		again, err = terminal.ReadPassword("Again: ")
	}
	switch {
	case errors.Is(err, io.EOF): // Ctrl-C, Ctrl-D
		_, _ = io.WriteString(out, "\r\n")
		return "", errors.New("no password given")
	case err != nil:
		return "", fmt.Errorf("terminal: %w", err)
	case password == "":
		return "", errors.New("no password given")
	case again != password:
		return "", errors.New("the two passwords differ")
	}
	return password, nil
}
