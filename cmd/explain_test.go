package cmd

import (
	"regexp"
	"testing"

	"github.com/spf13/cobra"
)

var optionInHint = regexp.MustCompile(`(?:^| )--([a-z0-9-]+)`)

// TestHabits says that every habit is about options that there are.
func TestHabits(t *testing.T) {
	p := testProgram(t)
	root := p.rootCommand(&invocation{opts: newOptions()})
	all := append([]*cobra.Command{root}, root.Commands()...)
	known := func(name string) bool {
		for _, c := range all {
			if c.Flags().Lookup(name) != nil {
				return true
			}
		}
		return false
	}
	for word, list := range habits {
		for _, h := range list {
			if h.option != "" && !known(h.option) {
				t.Errorf("%s: no command has --%s", word, h.option)
			}
			for _, option := range optionInHint.FindAllStringSubmatch(h.hint, -1) {
				if !known(option[1]) {
					t.Errorf("%s: %q: there is no --%s", word, h.hint, option[1])
				}
			}
		}
	}
}
