package cmd

import (
	"fmt"
	"strings"
)

// choice is a flag value: one of a few words.
type choice struct {
	value   string
	allowed []string
}

func (c *choice) Type() string   { return strings.Join(c.allowed, "|") }
func (c *choice) String() string { return c.value }

func (c *choice) Set(s string) error {
	for _, a := range c.allowed {
		if s == a {
			c.value = s
			return nil
		}
	}
	return fmt.Errorf("not one of %s", strings.Join(c.allowed, ", "))
}
