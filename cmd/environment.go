package cmd

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
)

// envName is the environment twin of an option: GTWISTD_LOGFILE, GTWISTD_WEB_PORT.
func envName(plugin, flag string) string {
	name := "GTWISTD_"
	if plugin != "" {
		name += plugin + "_"
	}
	return strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(name + flag))
}

// documentEnv appends the environment twin to the usage text of every option that has one.
func documentEnv(fs *pflag.FlagSet, plugin string) {
	fs.VisitAll(func(f *pflag.Flag) {
		if hasEnv(f) {
			f.Usage += " [" + envName(plugin, f.Name) + "]"
		}
	})
}

// hasEnv leaves out help and version, which ask a question rather than set something, and the options of twistd that
// are gone.
func hasEnv(f *pflag.Flag) bool { return !f.Hidden && f.Name != "help" && f.Name != "version" }

// applyEnv sets the options that the command line left alone from the environment. A repeatable option takes one value
// a line. An empty variable counts as unset, except that it can empty a string option that has a default.
func (p *program) applyEnv(fs *pflag.FlagSet, plugin string) error {
	var first error
	env := environment(p.environ())
	fs.VisitAll(func(f *pflag.Flag) {
		name := envName(plugin, f.Name)
		value, set := env[name]
		if !set || f.Changed || first != nil || !hasEnv(f) || value == "" && f.Value.Type() != "string" {
			return
		}
		values := []string{value}
		if _, repeatable := f.Value.(pflag.SliceValue); repeatable {
			values = strings.Split(strings.TrimRight(value, "\n"), "\n")
		}
		for _, v := range values {
			if err := fs.Set(f.Name, v); err != nil {
				first = &plugins.UsageError{Reason: fmt.Sprintf("environment %s=%q: %v", name, v, cause(err))}
				return
			}
		}
	})
	return first
}

func environment(list []string) map[string]string {
	env := make(map[string]string, len(list))
	for _, entry := range list {
		name, value, _ := strings.Cut(entry, "=")
		env[name] = value
	}
	return env
}
