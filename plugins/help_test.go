package plugins_test

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
)

// binding returns what declares options without a value of their own.
func binding(names ...string) func(*pflag.FlagSet) {
	return func(fs *pflag.FlagSet) {
		for _, name := range names {
			fs.Bool(name, false, "say "+name)
		}
	}
}

func TestGroup(t *testing.T) {
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	fs.SortFlags = false
	binding("first")(fs)
	plugins.Group(fs, "Limits", func(fs *pflag.FlagSet) {
		binding("slow", "large")(fs)
		plugins.Group(fs, "Log", binding("record"))
	})
	plugins.Group(fs, "Limits", binding("many"))
	var got []string
	fs.VisitAll(func(f *pflag.Flag) { got = append(got, f.Name+":"+plugins.Heading(f)) })
	if got, want := strings.Join(got, " "), "first: slow:Limits large:Limits record:Log many:Limits"; got != want {
		t.Errorf("options and headings = %s, want %s", got, want)
	}
	if err := fs.Parse([]string{"--record"}); err != nil || !fs.Changed("record") {
		t.Errorf("Parse(--record) = %v, Changed = %v, want it set", err, fs.Changed("record"))
	}
}

func TestGroupRefusesCollisions(t *testing.T) {
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	fs.SetOutput(new(strings.Builder))
	binding("slow")(fs)
	defer func() {
		if recover() == nil {
			t.Error("Group() took a name that is taken")
		}
	}()
	plugins.Group(fs, "Limits", binding("slow"))
}
