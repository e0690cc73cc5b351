package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
)

// mountSpec is one --mount, taken apart: [HOST]PATH=KIND[:ARG][,option[=value]]…
type mountSpec struct {
	given   string // "" for that of --path
	host    string // lower case; "*.example.org" for all names below it, "" for any
	path    string // as in Place
	kind    string
	arg     string
	typed   string // arg as messages call it, "" if it is the same
	options []setting
}

type setting struct {
	name, value string
	bare        bool // without "="
}

// parseMount understands "\" before any character that would mean something.
func parseMount(s string) (mountSpec, error) {
	place, rest, found := cutUnescaped(s, '=')
	if !found {
		return mountSpec{}, errors.New("not of the form [HOST]PATH=KIND[:ARG][,option=value], such as /files=static:/srv/files")
	}
	m := mountSpec{given: s}
	slash := strings.IndexByte(place, '/')
	if slash < 0 {
		name := unescape(place)
		return mountSpec{}, fmt.Errorf("no path before the \"=\": write %q for a path, %q for all of a host", "/"+name+"=…", name+"/=…")
	}
	host, path := unescape(place[:slash]), unescape(place[slash:])
	if err := checkHost(host); err != nil {
		return mountSpec{}, err
	}
	if err := checkPath(path); err != nil {
		return mountSpec{}, err
	}
	m.host, m.path = strings.ToLower(strings.TrimSuffix(host, ".")), strings.TrimSuffix(path, "/")
	kind, options, more := cutUnescaped(rest, ',')
	kind, arg, _ := cutUnescaped(kind, ':')
	m.kind, m.arg = unescape(kind), unescape(arg)
	if m.kind == "" {
		return mountSpec{}, errors.New("no kind behind the \"=\"")
	}
	if strings.TrimSpace(m.kind) != m.kind {
		return mountSpec{}, fmt.Errorf("kind %q: without spaces beside the \"=\"", m.kind)
	}
	for more {
		var option string
		option, options, more = cutUnescaped(options, ',')
		name, value, given := cutUnescaped(option, '=')
		if name == "" {
			return mountSpec{}, errors.New("no option behind a comma; options follow without a space, and a comma that is part of a value is written \\,")
		}
		if strings.TrimSpace(name) != name {
			return mountSpec{}, fmt.Errorf("option %q: without spaces beside \",\" and \"=\"", unescape(name))
		}
		m.options = append(m.options, setting{unescape(name), unescape(value), !given})
	}
	return m, nil
}

func checkHost(host string) error {
	if scheme := strings.ToLower(host); scheme == "http:" || scheme == "https:" {
		return errors.New("a host goes without the scheme: \"example.org/=…\"")
	}
	name := strings.TrimPrefix(host, "*.")
	if host != "" && strings.Trim(name, ".") == "" || strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789-._[]:") != "" {
		return fmt.Errorf("host %q: not a name such as example.org or *.example.org", host)
	}
	if _, err := netip.ParseAddr(name); err == nil && strings.Contains(name, ":") {
		return fmt.Errorf("host %q: write %q", host, "["+host+"]")
	}
	if strings.Contains(name, ":") && !strings.HasSuffix(name, "]") {
		return fmt.Errorf("host %q: without a port; the port is that of --listen", host)
	}
	return nil
}

func checkPath(path string) error {
	for i, segment := range strings.Split(path, "/")[1:] {
		last := i == strings.Count(path, "/")-1
		if segment == "." || segment == ".." || segment == "" && !last {
			return fmt.Errorf("path %q: an empty segment, or one of dots", path)
		}
	}
	if strings.ContainsAny(path, "?#%\x00") {
		return fmt.Errorf("path %q: without \"?\", \"#\" and \"%%\"; write characters as they are", path)
	}
	return nil
}

// cutUnescaped is strings.Cut at a separator that has no backslash before it. The parts keep their backslashes.
func cutUnescaped(s string, separator byte) (before, after string, found bool) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case separator:
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// name is how messages call the mount.
func (m *mountSpec) name() string {
	if m.given == "" {
		return "--path " + quote(cmp.Or(m.typed, m.arg))
	}
	return "--mount " + quote(m.given)
}

// has says whether the mount names an option itself.
func (m *mountSpec) has(name string) bool {
	return slices.ContainsFunc(m.options, func(s setting) bool { return s.name == name })
}

// option is how messages call one of its options: as it was given, with the mount or for all of them.
func (m *mountSpec) option(name string) string {
	if m.has(name) {
		return "option " + name
	}
	return "--" + name
}

// about is how messages call an option that needs no mount to be understood, if it was given for all of them.
func (m *mountSpec) about(option string) string {
	if name := m.option(option); strings.HasPrefix(name, "--") {
		return name
	}
	return m.name() + ": " + m.option(option)
}

// blame says which mount an error is about, and calls options as they were given.
func (m *mountSpec) blame(err error) error {
	usage, ok := errors.AsType[*plugins.UsageError](err)
	switch {
	case !ok:
		return fmt.Errorf("%s: %w", m.name(), err)
	case m.given == "":
		return err
	}
	reason, suggestion := usage.Reason, usage.Suggestion
	if named, ok := strings.CutPrefix(reason, "--"); ok {
		name := named[:len(named)-len(strings.TrimLeft(named, "abcdefghijklmnopqrstuvwxyz-"))]
		if given := m.option(name); !strings.HasPrefix(given, "--") {
			reason, suggestion = given+named[len(name):], strings.ReplaceAll(suggestion, "--", "the option ")
		}
	}
	return &plugins.UsageError{Reason: m.name() + ": " + reason, Suggestion: suggestion}
}

// apply sets the options of the mount on flags. Those of the service that have been set, which defaults holds, count for
// options that the mount does not name.
func (m *mountSpec) apply(flags, defaults *pflag.FlagSet) error {
	var err error
	flags.VisitAll(func(f *pflag.Flag) {
		if d := defaults.Lookup(f.Name); d != nil && d.Changed && !m.has(f.Name) && err == nil {
			err = copyValue(f.Value, d.Value)
		}
	})
	if err != nil {
		return err
	}
	for _, option := range m.options {
		f := flags.Lookup(option.name)
		if f == nil {
			return &plugins.UsageError{Reason: fmt.Sprintf("%s has no option %q", m.kind, option.name), Suggestion: "it has " + optionNames(flags)}
		}
		if option.bare {
			if f.NoOptDefVal == "" {
				return plugins.Usagef("option %s needs a value: %s=…", option.name, option.name)
			}
			option.value = f.NoOptDefVal
		}
		if err := flags.Set(option.name, option.value); err != nil {
			return plugins.Usagef("option %s=%s: %v", option.name, option.value, plugins.ValueError(f, err))
		}
	}
	return m.dropIdle(flags)
}

// dependent are options that mean something only together with another.
var dependent = []struct{ name, on, otherwise string }{
	{"upload-overwrite", "upload", "nothing is uploaded"},
	{"upload-max", "upload", "nothing is uploaded"},
	{"auth-realm", "auth", "nobody is asked for a password"},
}

// dropIdle takes back what was said for all mounts and means nothing to this one.
func (m *mountSpec) dropIdle(flags *pflag.FlagSet) error {
	for _, d := range dependent {
		f, on := flags.Lookup(d.name), flags.Lookup(d.on)
		if f == nil || on == nil || m.has(d.name) || !idle(on) {
			continue
		}
		if err := f.Value.Set(f.DefValue); err != nil {
			return err
		}
	}
	return nil
}

// idle says whether an option that others depend on is not in use.
func idle(on *pflag.Flag) bool {
	return on.Value.String() == on.DefValue || on.Name == "auth" && on.Value.String() == authOff
}

// checkIdle refuses options for all mounts that mean nothing to any of them.
func checkIdle(specs []mountSpec, flags *pflag.FlagSet) error {
	for _, d := range dependent {
		f, on := flags.Lookup(d.name), flags.Lookup(d.on)
		if f == nil || !f.Changed || on.Changed || slices.ContainsFunc(specs, func(m mountSpec) bool { return m.has(d.on) }) {
			continue
		}
		return &plugins.UsageError{Reason: "--" + d.name + ": " + d.otherwise, Suggestion: "add --" + d.on}
	}
	return nil
}

func copyValue(to, from pflag.Value) error {
	if list, ok := from.(pflag.SliceValue); ok {
		return to.(pflag.SliceValue).Replace(list.GetSlice())
	}
	return to.Set(from.String())
}

func optionNames(flags *pflag.FlagSet) string {
	var names []string
	flags.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// quote cuts what is too long to be read.
func quote(s string) string {
	if len(s) > 200 {
		return strconv.Quote(s[:200]) + "…"
	}
	return strconv.Quote(s)
}

// mountList is a flag value: the mounts in the order given.
type mountList struct {
	kinds []Kind
	list  []mountSpec
}

// Set implements pflag.Value.
func (l *mountList) Set(s string) error {
	m, err := parseMount(s)
	if err != nil {
		return err
	}
	if _, known := kindOf(l.kinds, m.kind); !known {
		return fmt.Errorf("no kind %q: there are %s%s", m.kind, kindNames(l.kinds), m.meantKind())
	}
	l.list = append(l.list, m)
	return nil
}

// meantKind is for who forgets the kind before its argument.
func (m *mountSpec) meantKind() string {
	argument := m.kind
	if m.arg != "" {
		argument += ":" + m.arg
	}
	switch m.kind {
	case "http", "https", "unix":
		return "; did you mean proxy:" + argument + "?"
	}
	if _, err := os.Stat(argument); err == nil {
		return "; did you mean static:" + argument + "?"
	}
	return ""
}

// String implements pflag.Value.
func (l *mountList) String() string { return strings.Join(l.GetSlice(), "\n") }

// Type implements pflag.Value.
func (l *mountList) Type() string { return "[HOST]PATH=KIND:ARG" }

// Append implements pflag.SliceValue.
func (l *mountList) Append(s string) error { return l.Set(s) }

// Replace implements pflag.SliceValue.
func (l *mountList) Replace(list []string) error {
	l.list = nil
	return setEach(l, list)
}

// GetSlice implements pflag.SliceValue.
func (l *mountList) GetSlice() []string {
	var list []string
	for _, m := range l.list {
		list = append(list, m.given)
	}
	return list
}
