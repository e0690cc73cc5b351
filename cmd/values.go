package cmd

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// age is a flag value: a duration that may be given in days ("30d"); "0" means no limit.
type age time.Duration

func (a *age) Type() string { return "duration" }

func (a *age) String() string {
	d := time.Duration(*a)
	if d > 0 && d%(24*time.Hour) == 0 {
		return strconv.Itoa(int(d/(24*time.Hour))) + "d"
	}
	return d.String()
}

func (a *age) Set(s string) error {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return fmt.Errorf("not a number of days such as 30d")
		}
		*a = age(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return fmt.Errorf("not a duration such as 30d or 12h")
	}
	*a = age(d)
	return nil
}

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
