package web_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/services/web"
)

// clock is a kind of mount from elsewhere.
type clock struct{}

func (clock) Flags(fs *pflag.FlagSet) { fs.String("zone", "UTC", "tell the time in `ZONE`") }

func (clock) Mount(context.Context, web.Place, *plugins.Env) (http.Handler, error) {
	return http.NotFoundHandler(), nil
}

// mounts is the topic of a program with that kind.
func mounts(t *testing.T) []plugins.Section {
	t.Helper()
	p := web.Plugin(web.Kind{Name: "clock", Summary: "the time: clock", New: func() web.Mounter { return clock{} }})
	if len(p.Topics) != 1 || p.Topics[0].Name != "mounts" {
		t.Fatalf("topics = %v, want mounts alone", p.Topics)
	}
	return p.Topics[0].Sections()
}

func TestMountsTopic(t *testing.T) {
	settings := map[string]*pflag.FlagSet{}
	for _, section := range mounts(t) {
		settings[section.Heading] = section.Settings
	}
	for heading, setting := range map[string]string{
		"Kind static": "index", "Kind proxy": "upstream", "Kind redirect": "status", "Kind clock": "zone", "Settings of every kind": "auth",
	} {
		if fs := settings[heading]; fs == nil || fs.Lookup(setting) == nil {
			t.Errorf("%s: no setting %s", heading, setting)
		}
	}
}

// TestMountsTopicExamples parses each line of the examples, as a shell hands it on.
func TestMountsTopicExamples(t *testing.T) {
	found := 0
	for _, section := range mounts(t) {
		if section.Heading != "Examples" {
			continue
		}
		for line := range strings.Lines(section.Text) {
			fs := pflag.NewFlagSet("", pflag.ContinueOnError)
			web.Plugin().New().Flags(fs)
			if err := fs.Parse(strings.Fields(strings.ReplaceAll(line, "'", ""))); err != nil || !fs.Changed("mount") {
				t.Errorf("%s: %v, want a mount", line, err)
			}
			found++
		}
	}
	if found < 5 {
		t.Errorf("found %d examples, want at least 5", found)
	}
}
