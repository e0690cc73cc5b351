package plugins_test

import (
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/plugins"
)

func plugin(name string) plugins.Plugin {
	return plugins.Plugin{Name: name, Summary: "do " + name, New: func() plugins.Maker { return nil }}
}

func TestRegistryKeepsOrder(t *testing.T) {
	r, err := plugins.NewRegistry(plugin("web"), plugin("ssl-web"), plugin("echo2"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range r.All() {
		names = append(names, p.Name)
	}
	if got, want := strings.Join(names, " "), "web ssl-web echo2"; got != want {
		t.Errorf("All() = %s, want %s", got, want)
	}
	if p, ok := r.Lookup("ssl-web"); !ok || p.Summary != "do ssl-web" {
		t.Errorf(`Lookup("ssl-web") = %q, %v, want that plugin`, p.Name, ok)
	}
	if p, ok := r.Lookup("ftp"); ok {
		t.Errorf(`Lookup("ftp") = %q, want nothing`, p.Name)
	}
}

func TestRegistryNeverChanges(t *testing.T) {
	list := []plugins.Plugin{plugin("web"), plugin("echo")}
	r, err := plugins.NewRegistry(list...)
	if err != nil {
		t.Fatal(err)
	}
	list[0].Name = "changed"
	r.All()[1].Name = "changed"
	for _, name := range []string{"web", "echo"} {
		if _, ok := r.Lookup(name); !ok {
			t.Errorf("Lookup(%q) finds nothing after a caller wrote to its own slice", name)
		}
	}
}

func TestEmptyRegistry(t *testing.T) {
	var r plugins.Registry
	if _, ok := r.Lookup("web"); ok || len(r.All()) > 0 {
		t.Error("the zero Registry is not empty")
	}
}

func TestRegistryRefuses(t *testing.T) {
	unfinished, silent := plugin("web"), plugin("web")
	unfinished.New = nil
	silent.Summary = ""
	mute := plugin("web")
	mute.Topics = []plugins.Topic{{Name: "mounts", Summary: "what is where"}}
	tests := []struct {
		name string
		list []plugins.Plugin
		want string
	}{
		{"no name", []plugins.Plugin{plugin("")}, `plugin 1: name ""`},
		{"capital", []plugins.Plugin{plugin("web"), plugin("Web")}, `plugin 2: name "Web"`},
		{"digit first", []plugins.Plugin{plugin("3web")}, `name "3web"`},
		{"hyphen first", []plugins.Plugin{plugin("-n")}, `name "-n"`},
		{"underscore", []plugins.Plugin{plugin("a_b")}, `name "a_b"`},
		{"newline last", []plugins.Plugin{plugin("web\n")}, `name "web\n"`},
		{"the separator", []plugins.Plugin{plugin("+")}, `name "+"`},
		{"twice", []plugins.Plugin{plugin("web"), plugin("web")}, "plugin web: listed twice"},
		{"no summary", []plugins.Plugin{silent}, "plugin web: no summary"},
		{"no New", []plugins.Plugin{unfinished}, "plugin web: no New function"},
		{"topic without text", []plugins.Plugin{mute}, `plugin web: topic "mounts"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := plugins.NewRegistry(tt.list...)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("NewRegistry() = %v, want an error with %q", err, tt.want)
			}
			if len(r.All()) > 0 {
				t.Errorf("NewRegistry() = %d plugins beside an error", len(r.All()))
			}
		})
	}
}
