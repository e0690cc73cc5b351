package cmd

import (
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
	m := page{width: p.helpWidth()}
	if c.HasParent() {
		commandHelp(&m, c)
	} else {
		p.rootHelp(&m, c)
	}
	_, err := p.stdout.Write(m.Bytes())
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

func (p *program) rootHelp(m *page, root *cobra.Command) {
	m.text(`gtwistd runs network services: a quick server from one line in a terminal, and the same line as a daemon.

Usage:
  ` + p.name + ` [runner options] SERVICE [options] [+ SERVICE [options]]...
  ` + p.name + ` COMMAND
`)
	m.commands("Services ("+p.name+" SERVICE --help for the options of one)", root, "service")
	m.commands("Commands that talk to a running gtwistd, found by its pidfile", root, "control")
	m.commands("Other commands", root, "")
	m.text("\nTopics (" + p.name + " help TOPIC):\n" + p.topicList())
	m.options("Options", root.Flags(), asOption)
	m.text(`
Runner options come before the first service. An option that the command line does not set is taken from the environment
variable in brackets; a repeatable option takes one value a line there.

Signals:
  TERM, INT  stop: no new connections, open ones may finish within the grace period; a second one closes them at once
  HUP  reload: reopen the log, read certificates and files of services anew; in front of a terminal that was closed: stop
  USR1  log: open anew if it was moved away, otherwise rotate

Exit codes:
  0  done, or stopped cleanly
  1  failed
  2  the command line is wrong
  3  status, stop, reload, reopen: not running

Examples:
`)
	for _, example := range [][2]string{
		{"-n web --port 8080", "serve the current directory, stop with Ctrl-C"},
		{"web --port 8080 --path /srv/site", "the same from the background; " + p.name + " stop ends it"},
		{"-n web --port 8080 + echo --listen tcp:7007", "two services in one process"},
		{"--pidfile /run/site.pid --logfile /var/log/site.log --uid www-data web --port 80 --path /srv/site", "with the rights of www-data"},
	} {
		m.command(p.name + " " + example[0])
		m.WriteString("      ")
		m.fill(strings.Fields(example[1]), 6, 6)
	}
}

// commands writes those of one kind, in alphabetical order.
func (m *page) commands(heading string, root *cobra.Command, kind string) {
	var rows []row
	for _, c := range root.Commands() {
		if c.Annotations["kind"] == kind && (c.IsAvailableCommand() || c.Name() == "help") {
			rows = append(rows, row{"  " + c.Name(), strings.Fields(c.Short)})
		}
	}
	m.WriteByte('\n')
	m.fill(strings.Fields(heading+":"), 0, 0)
	m.table(rows, m.column(rows))
}

func commandHelp(m *page, c *cobra.Command) {
	text := c.Short
	if c.Long != "" {
		text = c.Long
	}
	m.text(c.CommandPath() + ": " + text + "\n\nUsage:\n  " + strings.TrimSuffix(c.UseLine(), "[flags]") + "[options]\n")
	if c.HasAvailableSubCommands() {
		m.commands("Commands", c, "")
	}
	if c.HasAvailableLocalFlags() {
		m.options("Options", visible(c), asOption)
	}
	if c.Example != "" {
		m.WriteString("\nExamples:\n")
		for line := range strings.Lines(c.Example) {
			m.command(strings.TrimSpace(line))
		}
	}
}

// visible are the options of a command itself, with --help at the end.
func visible(c *cobra.Command) *pflag.FlagSet {
	flags, grouped := pflag.NewFlagSet("", pflag.ContinueOnError), false
	flags.SortFlags = false
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" {
			flags.AddFlag(f)
			grouped = grouped || plugins.Heading(f) != ""
		}
	})
	heading := ""
	if grouped {
		heading = "Other options"
	}
	plugins.Group(flags, heading, func(fs *pflag.FlagSet) { fs.BoolP("help", "h", false, "show this text") })
	describe(flags)
	return flags
}

// topics are the pages that are about no command; the first of a name counts.
func (p *program) topics() []plugins.Topic {
	list := []plugins.Topic{{Name: "endpoints", Summary: "where a service listens: --listen and the like", Sections: endpoints}}
	for _, plugin := range p.registry.All() {
		for _, topic := range plugin.Topics {
			if !slices.ContainsFunc(list, func(t plugins.Topic) bool { return t.Name == topic.Name }) {
				list = append(list, topic)
			}
		}
	}
	return list
}

func (p *program) topicList() string {
	var b strings.Builder
	for _, topic := range p.topics() {
		fmt.Fprintf(&b, "  %s  %s\n", topic.Name, topic.Summary)
	}
	return b.String()
}

func (m *page) topic(topic plugins.Topic) {
	for i, section := range topic.Sections() {
		if i > 0 {
			m.WriteByte('\n')
		}
		if section.Heading != "" {
			m.text(section.Heading + ":\n")
		}
		m.text(section.Text)
		if section.Settings != nil {
			m.settings(section.Settings)
		}
	}
}

func (m *page) settings(fs *pflag.FlagSet) {
	var rows []row
	fs.VisitAll(func(f *pflag.Flag) { rows = append(rows, asSetting(f)) })
	m.table(rows, m.column(rows))
}

func endpoints() []plugins.Section {
	return []plugins.Section{{Text: `Endpoints describe where a service listens: TYPE:ARGUMENT:KEY=VALUE…, with \ before a ":", "=" or "\" that is meant
literally.

  8080, :8080  TCP port 8080 on all interfaces
  127.0.0.1:8080, [::1]:8080  TCP on one address
  tcp:PORT  keys: interface (an address, default all), backlog
  tcp6:PORT  the same, IPv6 only
  udp:PORT  keys: interface
  unix:PATH  keys: mode (octal, default 660), backlog; @NAME for an abstract socket on Linux
  ssl:PORT  TLS; keys: certKey, privateKey, extraCertChain (PEM files), interface, backlog
  systemd:name=NAME  a socket passed by a service manager; or systemd:domain=INET:index=0
  fd:NUMBER  an inherited descriptor
  haproxy:ENDPOINT  the PROXY protocol (v1, v2) around another endpoint

Port 0 takes a free port; the start-up text says which.
`}}
}

func (p *program) helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:                   "help [SERVICE | COMMAND | TOPIC]",
		Short:                 "show the manual of the program, a service, a command or a topic",
		DisableFlagsInUseLine: true,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return p.helpNames(root), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			switch len(args) {
			case 0:
				return root.Help()
			case 1:
			default:
				return plugins.Usagef("help: one name at a time, not %s", quoted(strings.Join(args, " ")))
			}
			for _, c := range root.Commands() {
				if c.Name() == args[0] {
					c.InitDefaultHelpFlag()
					return c.Help()
				}
			}
			return p.helpTopic(root, args[0])
		},
	}
}

// helpNames are what help is about, for completions.
func (p *program) helpNames(root *cobra.Command) []string {
	var names []string
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
		}
	}
	for _, topic := range p.topics() {
		names = append(names, cobra.CompletionWithDesc(topic.Name, topic.Summary))
	}
	return names
}

// helpTopic shows the topic of that name.
func (p *program) helpTopic(root *cobra.Command, name string) error {
	var names []string
	for _, topic := range p.topics() {
		if topic.Name == name {
			m := page{width: p.helpWidth()}
			m.topic(topic)
			_, err := p.stdout.Write(m.Bytes())
			return err
		}
		names = append(names, topic.Name)
	}
	return p.unknownCommand(root, name, names...)
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
