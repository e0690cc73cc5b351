package cmd

import (
	"cmp"
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

// habit is what is meant here by a word from elsewhere. It counts only where there is an option of that name, "" for
// everywhere.
type habit struct{ option, hint string }

const (
	noPython = "nothing of Python runs in here: let a server of its own run the application, and add --mount /=proxy:http://127.0.0.1:9000"
	otherTLS = "for https: gtwistd ssl-web --port 8443 --certificate cert.pem --privkey key.pem"
	askUsers = "to ask for passwords: --auth FILE; gtwistd hash-password NAME writes the lines of the file"
	ownLog   = "for a record of each request: --access-log FILE; for the program's log: gtwistd --logfile FILE web"
	inFront  = "did you mean --nodaemon (-n)?"
	listenOn = "did you mean --listen tcp:PORT:interface=127.0.0.1?"
)

// habits are the words that people bring along from twistd and from other servers.
var habits = map[string][]habit{
	"start":      {{"", "name a service to start: gtwistd web"}},
	"run":        {{"", "name a service to run: gtwistd web"}},
	"serve":      {{"", "name a service: gtwistd -n web --path DIR"}},
	"http":       {{"listen", "did you mean --listen?"}, {"", "did you mean web?"}},
	"https":      {{"certificate", otherTLS}, {"listen", "did you mean --listen ssl:8443:privateKey=key.pem:certKey=cert.pem?"}, {"", "did you mean ssl-web?"}},
	"restart":    {{"", "gtwistd stop, then the command that started it"}},
	"kill":       {{"", "gtwistd stop"}},
	"daemon":     {{"", "to detach is the default; -n stays in front"}},
	"daemonize":  {{"", "to detach is the default; -n stays in front"}},
	"foreground": {{"", inFront}},
	"group":      {{"gid", "did you mean --gid?"}},
	"chdir":      {{"rundir", "did you mean --rundir?"}},

	// Where to listen.
	"bind":    {{"listen", listenOn}},
	"address": {{"listen", listenOn}},
	"host":    {{"listen", listenOn}},
	"port":    {{"listen", "did you mean --listen?"}},
	"socket":  {{"listen", "did you mean --listen unix:PATH?"}},

	// What to serve.
	"directory":         {{"path", "did you mean --path?"}},
	"dir":               {{"path", "did you mean --path?"}},
	"root":              {{"path", "did you mean --path?"}},
	"document-root":     {{"path", "did you mean --path?"}},
	"browse":            {{"open", "to open the browser: --open; directories are listed anyway, --listing on lists all"}},
	"directory-listing": {{"listing", "directories are listed anyway; --listing on lists those with an index file too"}},
	"no-listing":        {{"listing", "did you mean --listing off?"}},
	"no-dirlist":        {{"listing", "did you mean --listing off?"}},
	"no-index":          {{"listing", "did you mean --listing off?"}},
	"single":            {{"spa", "did you mean --spa index.html?"}},
	"spa-fallback":      {{"spa", "did you mean --spa index.html?"}},
	"try-files":         {{"spa", "for single-page applications: --spa index.html; for page.html as /page: --clean-urls"}},
	"404":               {{"not-found", "did you mean --not-found 404.html?"}},
	"error-page":        {{"not-found", "did you mean --not-found 404.html?"}},
	"proxy":             {{"mount", "did you mean --mount /=proxy:http://127.0.0.1:9000?"}},
	"reverse-proxy":     {{"mount", "did you mean --mount /=proxy:http://127.0.0.1:9000?"}},
	"proxy-pass":        {{"mount", "did you mean --mount /=proxy:http://127.0.0.1:9000?"}},
	"redirect":          {{"mount", "did you mean --mount /old=redirect:/new?"}},
	"alias":             {{"mount", "did you mean --mount /files=static:DIR?"}},
	"cgi":               {{"mount", "there is no CGI yet: let a server of its own run the script, and add --mount /cgi-bin=proxy:http://127.0.0.1:9000"}},
	"fastcgi":           {{"mount", "there is no FastCGI yet: put a web server in front of the application, and add --mount /=proxy:http://127.0.0.1:9000"}},
	"wsgi":              {{"mount", "there is no WSGI yet: let a WSGI server such as gunicorn run it, and add --mount /=proxy:http://127.0.0.1:9000"}},
	"dotfiles":          {{"hidden", "did you mean --hidden?"}},

	// Files.
	"gzip":        {{"compress", "to compress on the fly: --compress; to send files that lie there compressed: --precompressed"}},
	"brotli":      {{"precompressed", "to send FILE.br where it lies beside FILE: --precompressed; on the fly there are zstd and gzip: --compress"}},
	"zstd":        {{"compress", "did you mean --compress?"}},
	"header":      {{"add-header", "did you mean --add-header 'NAME: VALUE'?"}},
	"cache":       {{"cache-control", "did you mean --cache-control '*=max-age=3600'?"}},
	"allow-write": {{"upload", "did you mean --upload?"}},

	// Who may ask. At the runner, users are those of the system.
	"user":       {{"uid", "did you mean --uid?"}, {"auth", "home directories are not served; " + askUsers}},
	"username":   {{"uid", "did you mean --uid?"}, {"auth", askUsers}},
	"password":   {{"auth", askUsers}},
	"basic-auth": {{"auth", askUsers}},
	"htpasswd":   {{"auth", askUsers}},

	// TLS.
	"cert":     {{"certificate", "did you mean --certificate?"}},
	"tls-cert": {{"certificate", "did you mean --certificate?"}},
	"ssl-cert": {{"certificate", "did you mean --certificate?"}},
	"key":      {{"privkey", "did you mean --privkey?"}},
	"tls-key":  {{"privkey", "did you mean --privkey?"}},
	"ssl-key":  {{"privkey", "did you mean --privkey?"}},
	"ssl":      {{"tls", "did you mean --tls?"}, {"certificate", "ssl-web speaks https anyway"}},
	"tls":      {{"certificate", "ssl-web speaks https anyway"}},

	// Options of twistd's web that are gone.
	"-l":                 {{"access-log", ownLog}},
	"logfile":            {{"access-log", ownLog}},
	"ignore-ext":         {{"clean-urls", "to serve page.html as /page: --clean-urls"}},
	"allow-ignore-ext":   {{"clean-urls", "to serve page.html as /page: --clean-urls"}},
	"class":              {{"mount", noPython}},
	"processor":          {{"mount", noPython}},
	"resource-script":    {{"mount", noPython}},
	"personal":           {{"mount", "Perspective Broker is not spoken; for a site on a socket: --listen unix:PATH"}},
	"display-tracebacks": {{"mount", "errors are never shown to clients; they are in the log, more of them with gtwistd --log-level debug"}},
	"notracebacks":       {{"", "tracebacks are never shown to clients; leave it out"}},
}

// habitual is what is meant by a word, as far as that can be said to c; "" for nothing.
func habitual(word string, c *cobra.Command) string {
	for _, h := range habits[word] {
		if h.option == "" || c != nil && c.Flags().Lookup(h.option) != nil {
			return h.hint
		}
	}
	return ""
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
	if name := takesValue(c); service && name != "" {
		return fmt.Sprintf("did you mean --%s=%s?", name, word)
	}
	return c.CommandPath() + " --help lists the options"
}

// takesValue is an option that was given without the value that it may have, "" if there is none. Such a value goes behind
// a "=", since the option can do without it.
func takesValue(c *cobra.Command) (name string) {
	c.Flags().Visit(func(f *pflag.Flag) {
		if f.NoOptDefVal != "" && f.Value.Type() != "bool" && f.Value.String() == f.NoOptDefVal {
			name = f.Name
		}
	})
	return name
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
	case habitual(lower, nil) != "":
		err.Suggestion = habitual(lower, nil)
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

// hyphens are what word processors make of a hyphen: hyphen, non-breaking, dashes, minus.
const hyphens = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"

// checkDashes refuses an option behind something else than hyphens, and a long one behind a single hyphen, which pflag would
// take for short ones: "-root" for -r with the value "oot".
func checkDashes(root *cobra.Command, segment []string) error {
	c, prefix := root, ""
	for i := 0; i < len(segment); i++ {
		word := segment[i]
		name := strings.TrimLeft(word, "-"+hyphens)
		dashes := strings.TrimSuffix(word, name)
		option, _, joined := strings.Cut(name, "=")
		long := c.Flags().Lookup(option)
		switch {
		case word == "--":
			return nil
		case dashes == "":
			if next, _, err := c.Find([]string{word}); c == root && err == nil && next != c {
				c, prefix = next, next.Name()+": "
			}
		case long != nil && len(option) > 1 && dashes != "--":
			return &plugins.UsageError{Reason: prefix + "a long option has two hyphens: " + quoted(word), Suggestion: "did you mean --" + option + "?"}
		case strings.ContainsAny(dashes, hyphens) && len(option) == 1 && c.Flags().ShorthandLookup(option) != nil:
			return &plugins.UsageError{Reason: prefix + "a dash, not a hyphen: " + quoted(word), Suggestion: "did you mean -" + option + "?"}
		case dashes == "--" && long != nil && !joined && long.NoOptDefVal == "",
			dashes == "-" && endsInValue(c, name):
			i++ // the next word is its value, whatever it looks like
		}
	}
	return nil
}

// endsInValue says whether the last of some short options takes the next word as its value.
func endsInValue(c *cobra.Command, letters string) bool {
	for i := range len(letters) {
		f := c.Flags().ShorthandLookup(letters[i : i+1])
		if f == nil {
			return false
		}
		if f.NoOptDefVal == "" {
			return i == len(letters)-1
		}
	}
	return false
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
		return plugins.Usagef("%s--%s %s: %v", prefix, badValue.GetFlag().Name, quoted(badValue.GetValue()), plugins.ValueError(badValue.GetFlag(), badValue.Unwrap()))
	case errors.As(err, &badSyntax):
		return plugins.Usagef("%soption %s: not of the form --name or --name=value", prefix, quoted(badSyntax.GetSpecifiedFlag()))
	}
	return err
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
	hint := ""
	if c.HasParent() {
		hint = cmp.Or(o.habitual(c), p.ofRunner(o, c))
	} else {
		hint = cmp.Or(p.misplaced(o, c, segment), o.habitual(c))
		for _, service := range c.Commands() {
			if hint == "" && slices.Contains(segment, service.Name()) {
				hint = o.habitual(service)
			}
		}
	}
	return cmp.Or(hint, o.nearest(c), strings.TrimSpace(c.CommandPath())+" --help lists the options")
}

func (o unknownOption) habitual(c *cobra.Command) string {
	if o.short {
		return habitual("-"+o.name, c)
	}
	return habitual(o.name, c)
}

func (o unknownOption) nearest(c *cobra.Command) string {
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	if near := suggest.Nearest(o.name, names); near != "" && !o.short {
		return fmt.Sprintf("did you mean --%s?", near)
	}
	return ""
}

// ofRunner finds an option of the runner behind a service.
func (p *program) ofRunner(o unknownOption, c *cobra.Command) string {
	f := o.in(p.rootCommand(&invocation{opts: newOptions()}))
	if f == nil || f.Hidden {
		return ""
	}
	return strings.Join(strings.Fields(fmt.Sprintf("options of the runner come before the first service: %s %s %s %s",
		p.name, o.dashed(), annotation(f, valueKey), c.Name())), " ")
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
