package cmd

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/gtwistd/gtwistd/plugins"
)

// help writes the manual of one command: the whole program's for the root.
func (p *program) help(c *cobra.Command) error {
	var text bytes.Buffer
	if c.HasParent() {
		commandHelp(&text, c, p.helpWidth())
	} else {
		p.rootHelp(&text, c, p.helpWidth())
	}
	_, err := p.stdout.Write(text.Bytes())
	return err
}

// helpWidth is the terminal's, kept between what is readable and what fits; 100 columns elsewhere.
func (p *program) helpWidth() int {
	width, _, err := term.GetSize(int(p.stdout.Fd()))
	if err != nil {
		return 100
	}
	return max(40, min(width, 120))
}

func (p *program) rootHelp(w io.Writer, root *cobra.Command, width int) {
	fmt.Fprintf(w, `gtwistd runs network services: a quick server from one line in a terminal, and the same line as a daemon.

Usage:
  %[1]s [runner options] SERVICE [options] [+ SERVICE [options]]...
  %[1]s COMMAND

Services (%[1]s SERVICE --help for the options of one):
`, p.name)
	list(w, root, "service")
	fmt.Fprintf(w, "\nCommands that talk to a running gtwistd, found by its pidfile:\n")
	list(w, root, "control")
	fmt.Fprintf(w, "\nOther commands:\n")
	list(w, root, "")
	for _, group := range newOptions().groups() {
		documentEnv(group.flags, "")
		fmt.Fprintf(w, "\n%s:\n%s", group.title, group.flags.FlagUsagesWrapped(width))
	}
	fmt.Fprintf(w, `
Other options:
  -h, --help      show this text; after a service or command, that one's
  -v, --version   print the version

Runner options come before the first service. An option that the command line does not set is taken from the environment
variable in brackets; a repeatable option takes one value a line there.

Signals:
  TERM, INT  stop: no new connections, open ones may finish within the grace period; a second one closes them at once
  HUP        reload: reopen the log, read certificates and files of services anew; in front of a terminal that was closed: stop
  USR1       log: open anew if it was moved away, otherwise rotate

Exit codes:
  0  done, or stopped cleanly
  1  failed
  2  the command line is wrong
  3  status, stop, reload, reopen: not running

Examples:
  %[1]s -n web --port 8080                        serve the current directory, stop with Ctrl-C
  %[1]s web --port 8080 --path /srv/site          the same from the background; %[1]s stop ends it
  %[1]s -n web --port 8080 + echo --listen tcp:7007   two services in one process
  %[1]s --pidfile /run/site.pid --logfile /var/log/site.log --uid www-data web --port 80 --path /srv/site

More: %[1]s help endpoints
`, p.name)
}

// list writes the commands of one kind, in alphabetical order.
func list(w io.Writer, root *cobra.Command, kind string) {
	for _, c := range root.Commands() {
		if c.Annotations["kind"] == kind && (c.IsAvailableCommand() || c.Name() == "help") {
			fmt.Fprintf(w, "  %-13s %s\n", c.Name(), c.Short)
		}
	}
}

func commandHelp(w io.Writer, c *cobra.Command, width int) {
	text := c.Short
	if c.Long != "" {
		text = c.Long
	}
	fmt.Fprintf(w, "%s: %s\n\nUsage:\n  %s\n", c.CommandPath(), text, strings.TrimSuffix(c.UseLine(), "[flags]")+"[options]")
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\nCommands:\n")
		list(w, c, "")
	}
	if c.HasAvailableLocalFlags() {
		flags := newFlagSet()
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" {
				flags.AddFlag(f)
			}
		})
		flags.AddFlag(c.LocalFlags().Lookup("help"))
		fmt.Fprintf(w, "\nOptions:\n%s", flags.FlagUsagesWrapped(width))
	}
	if c.Example != "" {
		fmt.Fprintf(w, "\nExamples:\n")
		for line := range strings.Lines(c.Example) {
			fmt.Fprintf(w, "  %s\n", strings.TrimSpace(line))
		}
	}
}

const endpointsTopic = `Endpoints describe where a service listens: TYPE:ARGUMENT:KEY=VALUE…, with \ before a ":", "=" or "\" that is meant
literally.

  8080, :8080                 TCP port 8080 on all interfaces
  127.0.0.1:8080, [::1]:8080  TCP on one address
  tcp:PORT                    keys: interface (an address, default all), backlog
  tcp6:PORT                   the same, IPv6 only
  udp:PORT                    keys: interface
  unix:PATH                   keys: mode (octal, default 660), backlog; @NAME for an abstract socket on Linux
  ssl:PORT                    TLS; keys: certKey, privateKey, extraCertChain (PEM files), interface, backlog
  systemd:name=NAME           a socket passed by a service manager; or systemd:domain=INET:index=0
  fd:NUMBER                   an inherited descriptor
  haproxy:ENDPOINT            the PROXY protocol (v1, v2) around another endpoint

Port 0 takes a free port; the start-up text says which.
`

func (p *program) helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:                   "help [SERVICE | COMMAND | endpoints]",
		Short:                 "show the manual of the program, a service, a command or the endpoint strings",
		DisableFlagsInUseLine: true,
		RunE: func(_ *cobra.Command, args []string) error {
			switch len(args) {
			case 0:
				return root.Help()
			case 1:
			default:
				return plugins.Usagef("help: one name at a time, not %s", quoted(strings.Join(args, " ")))
			}
			if args[0] == "endpoints" {
				_, err := io.WriteString(p.stdout, endpointsTopic)
				return err
			}
			for _, c := range root.Commands() {
				if c.Name() == args[0] {
					c.InitDefaultHelpFlag()
					return c.Help()
				}
			}
			return p.unknownCommand(root, args[0])
		},
	}
}

func (p *program) completionCommand(root *cobra.Command) *cobra.Command {
	shells := map[string]func(io.Writer) error{
		"bash":       func(w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"zsh":        root.GenZshCompletion,
		"fish":       func(w io.Writer) error { return root.GenFishCompletion(w, true) },
		"powershell": root.GenPowerShellCompletionWithDesc,
	}
	return &cobra.Command{
		Use:                   "completion bash|zsh|fish|powershell",
		Short:                 "print a script that completes options and commands in a shell",
		Long:                  "print a script that completes options and commands in a shell. For the current one: source <(gtwistd completion bash)",
		DisableFlagsInUseLine: true,
		ValidArgs:             slices.Sorted(maps.Keys(shells)),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || shells[args[0]] == nil {
				return plugins.Usagef("completion: name one shell: bash, zsh, fish or powershell")
			}
			return shells[args[0]](p.stdout)
		},
	}
}

func (p *program) pluginsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "plugins",
		Short: "list the services that this binary can run",
		Args:  noArguments(p.registry),
		RunE: func(*cobra.Command, []string) error {
			for _, plugin := range p.registry.All() {
				if _, err := fmt.Fprintf(p.stdout, "%-11s %s\n", plugin.Name, plugin.Summary); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version of gtwistd and of the Go runtime",
		Args:  noArguments(p.registry),
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(p.stdout, versionLine())
			return err
		},
	}
}

func versionLine() string {
	return fmt.Sprintf("gtwistd %s (%s, %s/%s)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// version is the module's, as the Go command recorded it: a tag, a commit, or "(devel)".
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	const module = "github.com/gtwistd/gtwistd"
	if info.Main.Path == module && info.Main.Version != "" {
		return info.Main.Version
	}
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			return dependency.Version
		}
	}
	return "(devel)"
}
