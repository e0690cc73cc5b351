package cmd

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/internal/suggest"
	"github.com/gtwistd/gtwistd/plugins"
)

// invocation is what a command line asks for: an action (status, stop, …) or services to run.
type invocation struct {
	opts   *options
	parts  []part
	action func(context.Context) error
	// helpErr is why the help that was asked for could not be written.
	helpErr error
}

// part is one service of the command line with its options filled in.
type part struct {
	name    string // "web", and "web-2" for the second web
	plugin  plugins.Plugin
	maker   plugins.Maker
	options *pflag.FlagSet
	// fromEnv names the environment variables that set options of it.
	fromEnv []string
}

// listener is the first option that was given this endpoint, "" if there is none: options whose values are endpoints call them
// ENDPOINT or PORT in their usage.
func (p *part) listener(endpoint string) (option string) {
	p.options.Visit(func(f *pflag.Flag) {
		kind := annotation(f, valueKey)
		list, several := f.Value.(pflag.SliceValue)
		given := f.Value.String() == endpoint || several && slices.Contains(list.GetSlice(), endpoint)
		if given && option == "" && (kind == "ENDPOINT" || kind == "PORT") {
			option = "--" + f.Name
		}
	})
	return option
}

// parse reads [runner options] PLUGIN [options] [+ PLUGIN [options]]… or a command of the program. Help and the like are
// shown on the way; then the invocation asks for nothing more.
func (p *program) parse(args []string) (*invocation, error) {
	inv := &invocation{opts: newOptions()}
	segments := split(args)
	for i, segment := range segments {
		if len(segment) == 0 && len(segments) > 1 {
			where := map[bool]string{true: "precedes", false: "follows"}[i == 0]
			return nil, &plugins.UsageError{Reason: fmt.Sprintf(`nothing %s the "+"`, where), Suggestion: "name another service there, or leave it out"}
		}
		newRoot := p.rootCommand
		if i > 0 {
			newRoot = p.partCommand // the other would set the runner's options back to their defaults
		}
		root := newRoot(inv)
		if err := checkDashes(root, segment); err != nil {
			return nil, err
		}
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
		inv.parts = nil         // who asks for the manual of the second service does not want the first one to run
		return inv, inv.helpErr // a command of the program, or help that was shown
	}
	if err := inv.opts.check(); err != nil {
		return nil, err
	}
	return inv, inv.checkLevels()
}

// checkLevels refuses a level for something that does not log.
func (inv *invocation) checkLevels() error {
	names := []string{"gtwistd", "stdout", "stderr"}
	for _, part := range inv.parts {
		names = append(names, part.name, part.plugin.Name)
	}
	for _, service := range inv.opts.levels.Services() {
		known, _, _ := strings.Cut(service, ".") // "web.static" is a part of web
		if slices.Contains(names, known) {
			continue
		}
		err := &plugins.UsageError{
			Reason:     fmt.Sprintf("--log-level: nothing here is called %q", service),
			Suggestion: "there are " + strings.Join(slices.Compact(names), ", "),
		}
		if near := suggest.Nearest(service, names); near != "" {
			err.Suggestion = fmt.Sprintf("did you mean %q?", near)
		}
		return err
	}
	return nil
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
	inv.opts.flags(root.Flags())
	plugins.Group(root.Flags(), "Other options", func(fs *pflag.FlagSet) {
		fs.BoolP("help", "h", false, "show this text; after a service or command, that one's")
		fs.BoolP("version", "v", false, "print the version")
	})
	document(root.Flags(), "")
	inv.opts.addObsolete(root.Flags())
	root.SetHelpCommand(p.helpCommand(root))
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(p.controlCommands(inv)...)
	root.AddCommand(p.pluginsCommand(), p.versionCommand(), p.hashPasswordCommand(inv), p.completionCommand(root))
	for _, c := range root.Commands() {
		describe(c.Flags())
	}
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
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { inv.helpErr = p.help(c) })
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
			if _, err := p.applyEnv(c.Root().Flags(), ""); err != nil {
				return err
			}
			fromEnv, err := p.applyEnv(c.Flags(), plugin.Name)
			if err != nil {
				return err
			}
			inv.parts = append(inv.parts, part{name: inv.nameFor(plugin.Name), plugin: plugin, maker: maker, options: c.Flags(), fromEnv: fromEnv})
			return nil
		},
	}
	c.Flags().SortFlags = false
	maker.Flags(c.Flags())
	document(c.Flags(), plugin.Name)
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

// dispatch runs when cobra found no subcommand: none was named, it does not exist, or options were written together
// ("-nl FILE web"), which cobra's own search does not see through.
func (p *program) dispatch(inv *invocation, root *cobra.Command, args []string) error {
	// Cobra's way is a template, and a program with one keeps every exported method of every type: 2 MB.
	if asked, err := root.Flags().GetBool("version"); err == nil && asked {
		_, err := io.WriteString(p.stdout, versionLine())
		return err
	}
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
	return p.unknownCommand(root, args[0])
}
