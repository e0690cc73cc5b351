package cmd

import (
	"errors"
	"slices"
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

// document notes at each option what help shows beside its usage text.
func document(fs *pflag.FlagSet, plugin string) {
	describe(fs)
	fs.VisitAll(func(f *pflag.Flag) {
		if hasEnv(f) {
			f.Annotations[twinKey] = []string{envName(plugin, f.Name)}
		}
	})
}

// hasEnv leaves out help and version, which ask a question rather than set something, and the options of twistd that
// are gone.
func hasEnv(f *pflag.Flag) bool { return !f.Hidden && f.Name != "help" && f.Name != "version" }

// applyEnv sets the options that the command line left alone from the environment, and returns the names of the variables
// that it used. A repeatable option takes one value a line. An empty variable counts as unset, except that it can empty a
// string option that has a default.
func (p *program) applyEnv(fs *pflag.FlagSet, plugin string) (used []string, err error) {
	env := environment(p.environ())
	fs.VisitAll(func(f *pflag.Flag) {
		name := envName(plugin, f.Name)
		value, set := env[name]
		if !set || f.Changed || err != nil || !hasEnv(f) || value == "" && f.DefValue == "" || value == "" && f.Value.Type() != "string" {
			return
		}
		used = append(used, name)
		values := []string{value}
		if _, repeatable := f.Value.(pflag.SliceValue); repeatable {
			values = strings.Split(strings.TrimRight(value, "\n"), "\n")
		}
		for _, v := range values {
			if setErr := fs.Set(f.Name, v); setErr != nil {
				var bad *pflag.InvalidValueError
				if errors.As(setErr, &bad) {
					setErr = bad.Unwrap()
				}
				err = plugins.Usagef("environment %s=%s: %v", name, quoted(v), plugins.ValueError(f, setErr))
				return
			}
		}
	})
	return used, err
}

// strayVariables are notes on variables that look like twins of options but are none: typing errors, most likely.
func (p *program) strayVariables() []string {
	known := map[string]bool{}
	root := p.rootCommand(&invocation{opts: newOptions()})
	root.Flags().VisitAll(func(f *pflag.Flag) { known[envName("", f.Name)] = hasEnv(f) })
	for _, plugin := range p.registry.All() {
		service, _, err := root.Find([]string{plugin.Name})
		if err == nil {
			service.Flags().VisitAll(func(f *pflag.Flag) { known[envName(plugin.Name, f.Name)] = hasEnv(f) })
		}
	}
	var stray []string
	for name := range environment(p.environ()) {
		if strings.HasPrefix(name, "GTWISTD_") && !known[name] {
			stray = append(stray, name+" in the environment is not the twin of any option")
		}
	}
	slices.Sort(stray)
	return stray
}

func environment(list []string) map[string]string {
	env := make(map[string]string, len(list))
	for _, entry := range list {
		name, value, _ := strings.Cut(entry, "=")
		env[name] = value
	}
	return env
}
