package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
)

// invocation is what a command line asks for: an action (status, stop, …) or services to run.
type invocation struct {
	opts   *options
	parts  []part
	action func(context.Context) error
}

// part is one service of the command line with its options filled in.
type part struct {
	name   string // "web", and "web-2" for the second web
	plugin plugins.Plugin
	maker  plugins.Maker
}

// parse reads [runner options] PLUGIN [options] [+ PLUGIN [options]]… or a command of the program. Help and the like are
// shown on the way; then the invocation asks for nothing more.
func (p *program) parse(args []string) (*invocation, error) {
	inv := &invocation{opts: newOptions()}
	segments := split(args)
	for i, segment := range segments {
		if i > 0 && len(segment) == 0 {
			return nil, &plugins.UsageError{Reason: `nothing follows the "+"`, Suggestion: "name another service after it, or leave it out"}
		}
		newRoot := p.rootCommand
		if i > 0 {
			newRoot = p.partCommand // the other would set the runner's options back to their defaults
		}
		root := newRoot(inv)
		root.SetArgs(segment)
		command, err := root.ExecuteC()
		if err != nil {
			return nil, p.explain(err, command, segment)
		}
		if len(inv.parts) > i {
			continue
		}
		if inv.action != nil && len(segments) > 1 {
			return nil, plugins.Usagef(`%s cannot be joined by "+": only services can`, command.Name())
		}
		return inv, nil // a command of the program, or help that was shown
	}
	return inv, inv.opts.check()
}

// split cuts args at each lone "+".
func split(args []string) [][]string {
	segments := [][]string{{}}
	for _, arg := range args {
		if arg == "+" {
			segments = append(segments, []string{})
			continue
		}
		last := len(segments) - 1
		segments[last] = append(segments[last], arg)
	}
	return segments
}

// rootCommand is made anew for each parse, since flags are bound to inv. Runner options are local to it, so that a
// plugin may use the same names and letters.
func (p *program) rootCommand(inv *invocation) *cobra.Command {
	root := p.partCommand(inv)
	root.Version = version()
	root.SetVersionTemplate("gtwistd {{.Version}}\n")
	for _, group := range inv.opts.groups() {
		documentEnv(group.flags, "")
		root.Flags().AddFlagSet(group.flags)
	}
	inv.opts.addObsolete(root.Flags())
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { p.help(c) })
	root.SetHelpCommand(p.helpCommand(root))
	root.AddCommand(p.controlCommands(inv)...)
	root.AddCommand(p.pluginsCommand(), p.versionCommand())
	return root
}

// partCommand is the root of what follows a "+": plugins and nothing else.
func (p *program) partCommand(inv *invocation) *cobra.Command {
	root := &cobra.Command{
		Use:                p.name,
		SilenceUsage:       true,
		SilenceErrors:      true,
		DisableSuggestions: true,
		TraverseChildren:   true,
		Args:               cobra.ArbitraryArgs,
		RunE:               func(c *cobra.Command, args []string) error { return p.dispatch(inv, c, args) },
	}
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.SetIn(p.stdin)
	root.Flags().SetInterspersed(false)
	root.Flags().SortFlags = false
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { p.help(c) })
	for _, plugin := range p.registry.All() {
		root.AddCommand(p.serviceCommand(inv, plugin))
	}
	return root
}

func (p *program) serviceCommand(inv *invocation, plugin plugins.Plugin) *cobra.Command {
	maker := plugin.New()
	c := &cobra.Command{
		Use:         plugin.Name,
		Short:       plugin.Summary,
		Example:     plugin.Example,
		Annotations: map[string]string{"kind": "service"},
		Args:        noArguments(p.registry),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := p.applyEnv(c.Root().Flags(), ""); err != nil {
				return err
			}
			if err := p.applyEnv(c.Flags(), plugin.Name); err != nil {
				return err
			}
			inv.parts = append(inv.parts, part{name: inv.nameFor(plugin.Name), plugin: plugin, maker: maker})
			return nil
		},
	}
	c.Flags().SortFlags = false
	maker.Flags(c.Flags())
	documentEnv(c.Flags(), plugin.Name)
	return c
}

func (inv *invocation) nameFor(plugin string) string {
	n := 1
	for _, part := range inv.parts {
		if part.plugin.Name == plugin {
			n++
		}
	}
	if n == 1 {
		return plugin
	}
	return fmt.Sprintf("%s-%d", plugin, n)
}

// noArguments refuses words that are neither options nor values, with a guess at what was meant.
func noArguments(registry plugins.Registry) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		err := &plugins.UsageError{Reason: fmt.Sprintf("%s: unexpected argument %q", c.Name(), args[0])}
		if _, found := registry.Lookup(args[0]); found {
			err.Suggestion = fmt.Sprintf(`join services by a lone "+": %s + %s`, c.Name(), args[0])
		} else if c.Flags().Lookup("path") != nil {
			if _, statErr := os.Stat(args[0]); statErr == nil {
				err.Suggestion = fmt.Sprintf("did you mean %s --path %s?", c.Name(), args[0])
			}
		}
		return err
	}
}

// dispatch runs when cobra found no subcommand: none was named, it does not exist, or options were written together
// ("-nl FILE web"), which cobra's own search does not see through.
func (p *program) dispatch(inv *invocation, root *cobra.Command, args []string) error {
	if len(args) == 0 {
		if err := inv.opts.check(); err != nil {
			return err
		}
		if root.Flags().NFlag() == 0 {
			return root.Help()
		}
		return &plugins.UsageError{Reason: "no service named", Suggestion: p.name + " plugins lists them"}
	}
	for _, c := range root.Commands() {
		if c.Name() != args[0] {
			continue
		}
		if err := c.ParseFlags(args[1:]); err != nil {
			return p.explain(err, c, args)
		}
		if help, err := c.Flags().GetBool("help"); err == nil && help {
			return c.Help()
		}
		if err := c.ValidateArgs(c.Flags().Args()); err != nil {
			return err
		}
		return c.RunE(c, c.Flags().Args())
	}
	var names []string
	for _, c := range root.Commands() {
		names = append(names, c.Name())
	}
	err := &plugins.UsageError{Reason: fmt.Sprintf("unknown service or command %q", args[0]), Suggestion: p.name + " plugins lists the services"}
	if name := nearest(args[0], names); name != "" {
		err.Suggestion = fmt.Sprintf("did you mean %q?", name)
	}
	return err
}

// explain turns what pflag found wrong into one clear line and a guess at what was meant.
func (p *program) explain(err error, c *cobra.Command, segment []string) error {
	prefix := ""
	if c != nil && c.HasParent() {
		prefix = c.Name() + ": "
	}
	var unknown *pflag.NotExistError
	var noValue *pflag.ValueRequiredError
	var badValue *pflag.InvalidValueError
	var badSyntax *pflag.InvalidSyntaxError
	switch {
	case errors.As(err, &unknown):
		return &plugins.UsageError{Reason: prefix + "unknown option " + dashed(unknown), Suggestion: p.meantOption(unknown, c, segment)}
	case errors.As(err, &noValue):
		return plugins.Usagef("%s--%s needs a value", prefix, noValue.GetFlag().Name)
	case errors.As(err, &badValue):
		return plugins.Usagef("%s--%s %q: %v", prefix, badValue.GetFlag().Name, badValue.GetValue(), cause(badValue.Unwrap()))
	case errors.As(err, &badSyntax):
		return plugins.Usagef("%soption %q: not of the form --name or --name=value", prefix, badSyntax.GetSpecifiedFlag())
	}
	return err
}

func dashed(e *pflag.NotExistError) string {
	if e.GetSpecifiedShortnames() != "" {
		return "-" + e.GetSpecifiedName()
	}
	return "--" + e.GetSpecifiedName()
}

// meantOption guesses: an option in the wrong place, or a slip of the finger.
func (p *program) meantOption(e *pflag.NotExistError, c *cobra.Command, segment []string) string {
	if c == nil {
		c = p.rootCommand(&invocation{opts: newOptions()})
	}
	name := e.GetSpecifiedName()
	lookup := func(c *cobra.Command) *pflag.Flag {
		if e.GetSpecifiedShortnames() != "" {
			return c.Flags().ShorthandLookup(name)
		}
		return c.Flags().Lookup(name)
	}
	if c.HasParent() {
		if f := lookup(p.rootCommand(&invocation{opts: newOptions()})); f != nil && !f.Hidden {
			return fmt.Sprintf("options of the runner come before the first service: %s %s %s", p.name, dashed(e), c.Name())
		}
	} else {
		for _, sub := range c.Commands() {
			if sub.Annotations["kind"] == "service" && slices.Contains(segment, sub.Name()) && lookup(sub) != nil {
				return fmt.Sprintf("options of a service come after its name: %s %s %s", p.name, sub.Name(), dashed(e))
			}
		}
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	if near := nearest(name, names); near != "" && e.GetSpecifiedShortnames() == "" {
		return fmt.Sprintf("did you mean --%s?", near)
	}
	return strings.TrimSpace(c.CommandPath()) + " --help lists the options"
}

// cause drops the wrapping that strconv puts around its errors: the operand has been named already.
func cause(err error) error {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err
}
