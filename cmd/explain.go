package cmd

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/internal/suggest"
	"github.com/gtwistd/gtwistd/plugins"
)

// habits are words that people bring along from twistd and from other servers, with what is meant here.
var habits = map[string]string{
	"start":        "name a service to start: gtwistd web",
	"run":          "name a service to run: gtwistd web",
	"restart":      "gtwistd stop, then the command that started it",
	"kill":         "gtwistd stop",
	"directory":    "did you mean --path?",
	"dir":          "did you mean --path?",
	"root":         "did you mean --path?",
	"bind":         "did you mean --listen tcp:8080:interface=127.0.0.1?",
	"host":         "did you mean --listen tcp:8080:interface=127.0.0.1?",
	"port":         "did you mean --listen?",
	"https":        "did you mean --listen ssl:8443:privateKey=key.pem:certKey=cert.pem?",
	"daemon":       "to detach is the default; -n stays in front",
	"daemonize":    "to detach is the default; -n stays in front",
	"foreground":   "did you mean --nodaemon (-n)?",
	"user":         "did you mean --uid?",
	"group":        "did you mean --gid?",
	"chdir":        "did you mean --rundir?",
	"notracebacks": "tracebacks are never shown to clients; leave it out",
}

// noArguments refuses words that are neither options nor values, with a guess at what was meant.
func noArguments(registry plugins.Registry) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return &plugins.UsageError{
			Reason:     fmt.Sprintf("%s: unexpected argument %s", c.Name(), quoted(args[0])),
			Suggestion: meantArgument(registry, c, args[0]),
		}
	}
}

func meantArgument(registry plugins.Registry, c *cobra.Command, word string) string {
	service := c.Annotations["kind"] == "service"
	_, joined := registry.Lookup(strings.Trim(word, "+"))
	switch {
	case service && joined:
		return fmt.Sprintf(`join services by a "+" that stands alone: %s + %s`, c.Name(), strings.Trim(word, "+"))
	case service && strings.HasPrefix(word, "+"):
		return `a "+" between services stands alone`
	case service && digits(word) && c.Flags().Lookup("port") != nil:
		return fmt.Sprintf("did you mean %s --port %s?", c.Name(), word)
	case service && digits(word):
		return fmt.Sprintf("did you mean %s --listen tcp:%s?", c.Name(), word)
	case service && c.Flags().Lookup("path") != nil:
		if _, err := os.Stat(word); err == nil {
			return fmt.Sprintf("did you mean %s --path %s?", c.Name(), word)
		}
	}
	return c.CommandPath() + " --help lists the options"
}

func digits(word string) bool { return word != "" && strings.Trim(word, "0123456789") == "" }

// quoted cuts what is too long to be read.
func quoted(word string) string {
	if len(word) > 200 {
		return fmt.Sprintf("%q…", word[:200])
	}
	return fmt.Sprintf("%q", word)
}

// unknownCommand guesses what a first word was meant to be: a command, a service or one of the others.
func (p *program) unknownCommand(root *cobra.Command, word string, others ...string) error {
	names := slices.Clone(others)
	for _, c := range p.rootCommand(&invocation{opts: newOptions()}).Commands() {
		if c.Name() == word {
			return plugins.Usagef(`%s cannot be joined by "+": only services can`, word)
		}
		names = append(names, c.Name())
	}
	err := &plugins.UsageError{
		Reason:     "unknown service or command " + quoted(word),
		Suggestion: p.name + " --help lists services and commands",
	}
	lower := strings.ToLower(word)
	first, _, joined := strings.Cut(word, "+")
	switch {
	case habits[lower] != "":
		err.Suggestion = habits[lower]
	case joined && slices.Contains(names, first):
		err.Suggestion = `a "+" between services stands alone`
	case word == "true" || word == "false":
		err.Suggestion = "the value of an option that is on or off follows a =, as in --log-compress=" + word
	default:
		if name := suggest.Nearest(lower, names); name != "" {
			err.Suggestion = fmt.Sprintf("did you mean %q?", name)
		}
	}
	return err
}

// explain turns what pflag found wrong into one clear line and a guess at what was meant.
func (p *program) explain(err error, c *cobra.Command, segment []string) error {
	if c == nil {
		c = p.rootCommand(&invocation{opts: newOptions()})
	}
	prefix := ""
	if c.HasParent() {
		prefix = c.Name() + ": "
	}
	var unknown *pflag.NotExistError
	var noValue *pflag.ValueRequiredError
	var badValue *pflag.InvalidValueError
	var badSyntax *pflag.InvalidSyntaxError
	switch {
	case errors.As(err, &unknown):
		o := unknownOption{unknown.GetSpecifiedName(), unknown.GetSpecifiedShortnames() != ""}
		return &plugins.UsageError{Reason: prefix + "unknown option " + o.dashed(), Suggestion: p.meantOption(o, c, segment)}
	case errors.As(err, &noValue):
		return plugins.Usagef("%s--%s needs a value", prefix, noValue.GetFlag().Name)
	case errors.As(err, &badValue):
		return plugins.Usagef("%s--%s %s: %s", prefix, badValue.GetFlag().Name, quoted(badValue.GetValue()), why(badValue.GetFlag(), badValue.Unwrap()))
	case errors.As(err, &badSyntax):
		return plugins.Usagef("%soption %s: not of the form --name or --name=value", prefix, quoted(badSyntax.GetSpecifiedFlag()))
	}
	return err
}

// why says what is wrong with the value of an option; the words of strconv and time are about Go, not about it.
func why(f *pflag.Flag, err error) string {
	switch f.Value.Type() {
	case "bool":
		return "neither true nor false"
	case "int", "uint", "int64", "uint64":
		return "not a whole number"
	case "duration":
		if _, ours := f.Value.(*age); !ours {
			return "not a duration such as 30s or 5m"
		}
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err.Error()
}

type unknownOption struct {
	name  string
	short bool
}

func (o unknownOption) dashed() string {
	if o.short {
		return "-" + o.name
	}
	return "--" + o.name
}

func (o unknownOption) in(c *cobra.Command) *pflag.Flag {
	if o.short {
		return c.Flags().ShorthandLookup(o.name)
	}
	return c.Flags().Lookup(o.name)
}

// meantOption guesses: an option in the wrong place, a habit, or a slip of the finger.
func (p *program) meantOption(o unknownOption, c *cobra.Command, segment []string) string {
	if c.HasParent() {
		if f := o.in(p.rootCommand(&invocation{opts: newOptions()})); f != nil && !f.Hidden {
			return strings.Join(strings.Fields(fmt.Sprintf("options of the runner come before the first service: %s %s %s %s",
				p.name, o.dashed(), annotation(f, valueKey), c.Name())), " ")
		}
	} else if hint := p.misplaced(o, c, segment); hint != "" {
		return hint
	}
	if hint := habits[o.name]; hint != "" && !o.short {
		return hint
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	if near := suggest.Nearest(o.name, names); near != "" && !o.short {
		return fmt.Sprintf("did you mean --%s?", near)
	}
	return strings.TrimSpace(c.CommandPath()) + " --help lists the options"
}

// misplaced finds a service that has the option: named later, or taken for the value of an option of the runner.
func (p *program) misplaced(o unknownOption, root *cobra.Command, segment []string) string {
	for _, c := range root.Commands() {
		at := slices.Index(segment, c.Name())
		if c.Annotations["kind"] != "service" || at < 0 || o.in(c) == nil {
			continue
		}
		if option := slices.IndexFunc(segment, func(word string) bool { return strings.HasPrefix(word, o.dashed()) }); at > 0 && option > at {
			return fmt.Sprintf("%s took %q as its value", segment[at-1], c.Name())
		}
		return fmt.Sprintf("options of a service come after its name: %s %s %s", p.name, c.Name(), o.dashed())
	}
	return ""
}
