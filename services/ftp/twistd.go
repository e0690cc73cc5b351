package ftp

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
)

// gone are options of twistd's ftp that have nothing to do any more but to say what there is in their place.
type gone struct {
	helpAuth     bool
	helpAuthType string
}

func (g *gone) flags(fs *pflag.FlagSet) {
	fs.BoolVar(&g.helpAuth, "help-auth", false, "show the checkers of twistd")
	fs.StringVar(&g.helpAuthType, "help-auth-type", "", "show one `CHECKER` of twistd")
	for _, name := range []string{"help-auth", "help-auth-type"} {
		if err := fs.MarkHidden(name); err != nil {
			panic(err) // there is no such option
		}
	}
}

func (g *gone) check() error {
	const hint = "--auth FILE takes a password file, and gtwistd hash-password NAME prints its lines"
	switch {
	case g.helpAuth:
		return &plugins.UsageError{Reason: "--help-auth: there are no checkers to choose from", Suggestion: hint}
	case g.helpAuthType != "":
		return &plugins.UsageError{Reason: fmt.Sprintf("--help-auth-type %q: there are no checkers to choose from", g.helpAuthType), Suggestion: hint}
	}
	return nil
}

// authError is what was wrong with the file of --auth, or of the option's old name. Who gave one of twistd's checkers, such as
// memory:NAME:PASSWORD, is told what there is instead, without the password.
func (o *options) authError(err error) error {
	flag := "--auth"
	if o.passwordFile.Given != "" {
		flag = "--password-file"
	}
	checker, rest, _ := strings.Cut(o.auth.Given, ":")
	hint := ""
	switch {
	case !errors.Is(err, fs.ErrNotExist):
	case checker == "memory", checker == "unix", checker == "sshkey":
		hint = fmt.Sprintf("gtwistd hash-password %s >> passwords, and then --auth passwords", userIn(checker, rest))
	case checker == "anonymous" && o.anonymous == anonymousOn:
		hint = "people without an account are let in already: leave it out"
	case checker == "anonymous":
		hint = "leave it and --anonymous off out: people without an account are let in then"
	}
	if hint != "" {
		return &plugins.UsageError{Reason: fmt.Sprintf("%s %s: there is no such checker, only password files", flag, checker), Suggestion: hint}
	}
	return fmt.Errorf("%s %q: %w", flag, o.auth.Given, bare(err))
}

// userIn is the name in memory:NAME:PASSWORD, if it is one to be typed again.
func userIn(checker, rest string) string {
	name, _, _ := strings.Cut(rest, ":")
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_'
	}
	if checker != "memory" || name == "" || strings.TrimFunc(name, plain) != "" {
		return "NAME"
	}
	return name
}
