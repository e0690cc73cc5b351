package plugins

import (
	"fmt"
	"regexp"
)

// Registry is an ordered list of plugins with distinct names. The zero value is empty. It never changes, so it is safe
// for concurrent use.
type Registry struct {
	list []Plugin
}

var validName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// NewRegistry returns the plugins in the order given. An error names the plugin that is incomplete, has a name that
// cannot be a subcommand, or comes twice: a mistake of the program's author, not of its user.
func NewRegistry(list ...Plugin) (Registry, error) {
	seen := map[string]bool{}
	for i, p := range list {
		switch {
		case !validName.MatchString(p.Name):
			return Registry{}, fmt.Errorf("plugin %d: name %q is not lower-case letters, digits and hyphens", i+1, p.Name)
		case seen[p.Name]:
			return Registry{}, fmt.Errorf("plugin %s: listed twice", p.Name)
		case p.Summary == "":
			return Registry{}, fmt.Errorf("plugin %s: no summary", p.Name)
		case p.New == nil:
			return Registry{}, fmt.Errorf("plugin %s: no New function", p.Name)
		}
		for _, topic := range p.Topics {
			if !validName.MatchString(topic.Name) || topic.Summary == "" || topic.Sections == nil {
				return Registry{}, fmt.Errorf("plugin %s: topic %q: no usable name, no summary or no sections", p.Name, topic.Name)
			}
		}
		seen[p.Name] = true
	}
	return Registry{list: append([]Plugin(nil), list...)}, nil
}

// All returns the plugins in order.
func (r Registry) All() []Plugin { return append([]Plugin(nil), r.list...) }

// Lookup returns the plugin with that name.
func (r Registry) Lookup(name string) (Plugin, bool) {
	for _, p := range r.list {
		if p.Name == name {
			return p, true
		}
	}
	return Plugin{}, false
}
