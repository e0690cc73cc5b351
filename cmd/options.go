package cmd

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/daemon"
	"github.com/gtwistd/gtwistd/logfile"
	"github.com/gtwistd/gtwistd/plugins"
)

// options are the runner's own, given before the first plugin.
type options struct {
	nodaemon bool
	pidfile  string
	rundir   string
	stateDir string
	grace    plugins.Duration
	poolSize int

	logfile       string
	logFormat     string
	logLevel      string
	logKeep       plugins.Duration
	logMaxSize    plugins.Size
	logRotateSize plugins.Size
	logCompress   bool
	syslog        bool
	prefix        string

	uid, gid string
	chroot   string
	umask    string

	levels     logfile.Levels // of logLevel
	umaskValue *int           // of umask

	profile  string
	profiler string

	obsolete []*obsoleteFlag
}

func newOptions() *options {
	return &options{
		grace:         plugins.Duration(30 * time.Second),
		logFormat:     "auto",
		logKeep:       plugins.Duration(30 * 24 * time.Hour),
		logMaxSize:    1 << 30,
		logRotateSize: 100 << 20,
		profiler:      "cpu",
	}
}

// flags binds the options.
func (o *options) flags(fs *pflag.FlagSet) {
	plugins.Group(fs, "Process", o.processFlags)
	plugins.Group(fs, "Log", o.logFlags)
	plugins.Group(fs, "Privileges (dropped after binding)", o.privilegeFlags)
	plugins.Group(fs, "Profiling", o.profileFlags)
}

func (o *options) processFlags(fs *pflag.FlagSet) {
	fs.BoolVarP(&o.nodaemon, "nodaemon", "n", false, "stay in front instead of detaching, as pid 1 and below a service manager that sets NOTIFY_SOCKET anyway")
	fs.StringVar(&o.pidfile, "pidfile", defaultPidfile, "write the process id to `FILE` and lock it; the control socket lies beside it; empty for neither")
	fs.StringVarP(&o.rundir, "rundir", "d", ".", "change to `DIR` once the services are bound; relative paths still mean the starting directory")
	fs.StringVar(&o.stateDir, "state-dir", "", "keep certificates that were made or issued in `DIR` (default /var/lib/gtwistd for root, else $XDG_STATE_HOME/gtwistd or ~/.local/state/gtwistd)")
	fs.Var(&o.grace, "grace", "how long a stop waits for open connections before it closes them")
	fs.IntVar(&o.poolSize, "pool-size", 64, "how many blocking `CALLS`, such as those of the file system, run at once")
}

func (o *options) logFlags(fs *pflag.FlagSet) {
	fs.StringVarP(&o.logfile, "logfile", "l", "", "append the log to `FILE`; - is stdout, for use in front (default gtwistd.log; stdout in front)")
	fs.Var(plugins.Choice(&o.logFormat, "auto", "text", "json", "console"), "log-format", "text (twistd's line), json or console; auto is console on a terminal and text elsewhere")
	fs.StringVar(&o.logLevel, "log-level", "info", "least `LEVEL` to log: debug, info, warn or error, also by service: info,web=debug")
	fs.Var(&o.logKeep, "log-keep", "remove rotated logs older than this; 0 keeps them")
	fs.Var(&o.logMaxSize, "log-max-size", "remove the oldest rotated logs when all together are larger than this; 0 for no limit")
	fs.Var(&o.logRotateSize, "log-rotate-size", "rotate before midnight when the log reaches this; 0 for no limit")
	fs.BoolVar(&o.logCompress, "log-compress", true, "compress rotated logs with gzip; --log-compress=false does not")
	fs.BoolVar(&o.syslog, "syslog", false, "log to the system log instead of a file")
	fs.StringVar(&o.prefix, "prefix", "gtwistd", "`TAG` of records in the system log")
}

func (o *options) privilegeFlags(fs *pflag.FlagSet) {
	fs.StringVarP(&o.uid, "uid", "u", "", "run as `USER` (name or number) with all its groups")
	fs.StringVarP(&o.gid, "gid", "g", "", "run as `GROUP` (name or number) (default the user's own)")
	fs.StringVar(&o.chroot, "chroot", "", "make `DIR` the root directory; --rundir is then inside it")
	fs.StringVar(&o.umask, "umask", "", "`OCTAL` file creation mask (default 077 when detached, inherited in front)")
}

func (o *options) profileFlags(fs *pflag.FlagSet) {
	fs.StringVarP(&o.profile, "profile", "p", "", "write a profile of the whole run to `FILE` at exit")
	fs.Var(plugins.Choice(&o.profiler, "cpu", "heap", "trace"), "profiler", "what to profile")
}

// check reports the mistakes that can be told from the command line alone.
func (o *options) check() error {
	for _, f := range o.obsolete {
		if f.given && f.hint != "" {
			return &plugins.UsageError{Reason: f.dashed() + " is an option of twistd that gtwistd does not have", Suggestion: f.hint}
		}
	}
	if o.poolSize < 1 {
		return plugins.Usagef("--pool-size %d: at least one call must be able to run", o.poolSize)
	}
	var err error
	if o.levels, err = logfile.ParseLevels(o.logLevel); err != nil {
		return &plugins.UsageError{Reason: "--log-level: " + err.Error(), Suggestion: hintOf(err)}
	}
	if o.umask != "" {
		mask, err := daemon.ParseUmask(o.umask)
		if err != nil {
			return plugins.Usagef("--%v", err)
		}
		o.umaskValue = &mask
	}
	if digits(o.profile) { // -p is the port of many a service
		return &plugins.UsageError{
			Reason:     "--profile " + quoted(o.profile) + ": a number, not a file",
			Suggestion: "a port comes after the service: web --port " + o.profile + "; a file of that name is ./" + o.profile,
		}
	}
	if o.syslog && o.logfile != "" {
		return plugins.Usagef("--syslog and --logfile %q: the log goes to one of them", o.logfile)
	}
	return nil
}

// obsoleteFlag is an option of twistd that has lost its meaning: refused with a hint, or accepted with a note when
// leaving it out changes nothing.
type obsoleteFlag struct {
	name, short string
	takesValue  bool
	note, hint  string
	given       bool
}

func (f *obsoleteFlag) dashed() string {
	if f.short != "" {
		return "-" + f.short + ", --" + f.name
	}
	return "--" + f.name
}

func (f *obsoleteFlag) String() string   { return "" }
func (f *obsoleteFlag) Set(string) error { f.given = true; return nil }
func (f *obsoleteFlag) Type() string     { return "string" }

const noApplicationFiles = "name the services on the command line: gtwistd web --port 8080 + echo"

func (o *options) addObsolete(fs *pflag.FlagSet) {
	o.obsolete = []*obsoleteFlag{
		{name: "no_save", short: "o", note: "nothing is saved at exit anyway"},
		{name: "originalname", note: "the process keeps its name anyway"},
		{name: "reactor", short: "r", takesValue: true, note: "there is one event loop, the Go runtime's"},
		{name: "savestats", note: "--profile always writes the complete profile"},
		{name: "python", short: "y", takesValue: true, hint: noApplicationFiles},
		{name: "file", short: "f", takesValue: true, hint: noApplicationFiles},
		{name: "source", short: "s", takesValue: true, hint: noApplicationFiles},
		{name: "encrypted", short: "e", hint: noApplicationFiles},
		{name: "debug", short: "b", hint: "for more detail use --log-level debug; for a debugger, attach delve to the process"},
		{name: "spew", hint: "for a trace of the run use --profile FILE --profiler trace"},
		{name: "euid", hint: "--uid changes all user ids, so that root cannot be regained"},
		{name: "logger", takesValue: true, hint: "choose the form of the log with --log-format and its place with --logfile or --syslog"},
		{name: "help-reactors", hint: "there is one event loop, the Go runtime's"},
	}
	for _, f := range o.obsolete {
		flag := fs.VarPF(f, f.name, f.short, "obsolete")
		flag.Hidden = true
		if !f.takesValue {
			flag.NoOptDefVal = "true"
		}
	}
}

// notes are the lines for obsolete options that were accepted.
func (o *options) notes() []string {
	var notes []string
	for _, f := range o.obsolete {
		if f.given && f.hint == "" {
			notes = append(notes, f.dashed()+" has no effect: "+f.note)
		}
	}
	return notes
}

// format is what --log-format means where the log goes.
func (o *options) format(terminal bool) logfile.Format {
	switch {
	case o.logFormat == "json":
		return logfile.JSON
	case o.logFormat == "console", o.logFormat == "auto" && terminal:
		return logfile.Console
	}
	return logfile.Text
}
