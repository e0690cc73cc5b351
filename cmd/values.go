package cmd

import (
	"fmt"
	"math"
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

// grace is a flag value: a duration of zero or more.
type grace time.Duration

func (g *grace) Type() string   { return "duration" }
func (g *grace) String() string { return time.Duration(*g).String() }

func (g *grace) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return fmt.Errorf("not a duration such as 30s or 5m")
	}
	*g = grace(d)
	return nil
}

// size is a flag value in bytes: "500", "64K", "1GiB"; K, M, G and T are powers of 1024, and "0" means no limit.
type size int64

func (z *size) Type() string { return "size" }

func (z *size) String() string {
	n := int64(*z)
	for i := len(sizeUnits) - 1; i > 0; i-- {
		if unit := int64(1) << (10 * i); n >= unit && n%unit == 0 {
			return strconv.FormatInt(n/unit, 10) + sizeUnits[i:i+1] + "iB"
		}
	}
	return strconv.FormatInt(n, 10)
}

const sizeUnits = "BKMGT"

func (z *size) Set(s string) error {
	digits := strings.TrimRight(s, "BKMGTibkmgt")
	unit := strings.ToUpper(s[len(digits):])
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 {
		return fmt.Errorf("not a size such as 100MiB or 1G")
	}
	i := 0
	if unit != "" {
		i = strings.IndexByte(sizeUnits, unit[0])
		if rest := unit[1:]; i < 0 || i > 0 && rest != "" && rest != "B" && rest != "IB" || i == 0 && rest != "" {
			return fmt.Errorf("not a size such as 100MiB or 1G")
		}
	}
	if n > math.MaxInt64>>(10*i) {
		return fmt.Errorf("larger than a file can be")
	}
	*z = size(n << (10 * i))
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
