package plugins

import (
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

var (
	_ pflag.Value = (*Size)(nil)
	_ pflag.Value = (*Duration)(nil)
	_ pflag.Value = (*Path)(nil)
)

// Size is a flag value in bytes, zero or more: "500", "64K", "1GiB"; K, M, G and T are powers of 1024. Where it is a limit,
// 0 means none.
type Size int64

// Type implements pflag.Value.
func (z *Size) Type() string { return "size" }

// String implements pflag.Value.
func (z *Size) String() string {
	n := int64(*z)
	for i := len(sizeUnits) - 1; i > 0; i-- {
		if unit := int64(1) << (10 * i); n >= unit && n%unit == 0 {
			return strconv.FormatInt(n/unit, 10) + sizeUnits[i:i+1] + "iB"
		}
	}
	return strconv.FormatInt(n, 10)
}

const sizeUnits = "BKMGT"

// Set implements pflag.Value.
func (z *Size) Set(s string) error {
	digits := strings.TrimRight(s, "BKMGTibkmgt")
	unit := strings.ToUpper(s[len(digits):])
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 {
		return errors.New("not a size such as 100MiB or 1G")
	}
	i := 0
	if unit != "" {
		i = strings.IndexByte(sizeUnits, unit[0])
		if rest := unit[1:]; i < 0 || i > 0 && rest != "" && rest != "B" && rest != "IB" || i == 0 && rest != "" {
			return errors.New("not a size such as 100MiB or 1G")
		}
	}
	if n > math.MaxInt64>>(10*i) {
		return errors.New("larger than a file can be")
	}
	*z = Size(n << (10 * i))
	return nil
}

// Duration is a flag value: a time.Duration of zero or more, which may be given in whole days ("7d").
type Duration time.Duration

// Type implements pflag.Value.
func (d *Duration) Type() string { return "duration" }

// String implements pflag.Value.
func (d *Duration) String() string {
	const day = 24 * time.Hour
	t := time.Duration(*d)
	if t > 0 && t%day == 0 {
		return strconv.FormatInt(int64(t/day), 10) + "d"
	}
	return t.String()
}

// Set implements pflag.Value.
func (d *Duration) Set(s string) error {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			*d = Duration(time.Duration(n) * 24 * time.Hour)
			return nil
		}
	}
	parsed, err := time.ParseDuration(s)
	if err != nil || parsed < 0 {
		return errors.New("not a duration such as 30s, 5m or 7d")
	}
	*d = Duration(parsed)
	return nil
}

// ValueError returns what is wrong with a value that f was to be set to, from the error of that: the words of pflag, strconv
// and time are about Go, and not for the person who typed it.
func ValueError(f *pflag.Flag, err error) error {
	switch f.Value.Type() {
	case "bool":
		return errors.New("neither true nor false")
	case "int", "uint", "int64", "uint64":
		return errors.New("not a whole number")
	case "duration":
		if _, ours := f.Value.(*Duration); !ours {
			return errors.New("not a duration such as 30s or 5m")
		}
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err
}

// Choice returns a flag value that is one of some words, in any case. The word is kept at to; what is there now is the default.
func Choice[T ~string](to *T, words ...T) pflag.Value { return &choice[T]{to, words} }

type choice[T ~string] struct {
	to    *T
	words []T
}

// Set implements pflag.Value.
func (c *choice[T]) Set(s string) error {
	i := slices.IndexFunc(c.words, func(word T) bool { return strings.EqualFold(string(word), s) })
	if i < 0 {
		return errors.New("not one of " + c.join(", "))
	}
	*c.to = c.words[i]
	return nil
}

// String implements pflag.Value. Package pflag calls it of a zero value, too.
func (c *choice[T]) String() string {
	if c.to == nil {
		return ""
	}
	return string(*c.to)
}

// Type implements pflag.Value.
func (c *choice[T]) Type() string { return c.join("|") }

func (c *choice[T]) join(separator string) string {
	var b strings.Builder
	for i, word := range c.words {
		if i > 0 {
			b.WriteString(separator)
		}
		b.WriteString(string(word))
	}
	return b.String()
}

// Path is a flag value: the path of a file, relative to the directory that was current when it was set, since the program may
// change its directory afterwards. The zero value is no path.
type Path struct {
	// Kind is how help calls the value: "FILE".
	Kind string
	// Given is the path or word as it was typed, for messages; "" if none was.
	Given string
	// Words are values that are not paths, in any case.
	Words []string
	// Prefix may stand before a path and means nothing.
	Prefix string

	here string // what no path at all means
	abs  string
}

// PathHere returns a path that means the current directory until it is set. Without a name for that it is ".", and opening
// it says why.
func PathHere(kind string) Path {
	dir, err := filepath.Abs(".")
	if err != nil {
		dir = "."
	}
	return Path{Kind: kind, here: dir}
}

// Set implements pflag.Value.
func (p *Path) Set(s string) error {
	if s = strings.TrimPrefix(s, p.Prefix); s == "" {
		return errors.New("no path")
	}
	if i := slices.IndexFunc(p.Words, func(word string) bool { return strings.EqualFold(word, s) }); i >= 0 {
		p.Given, p.abs = p.Words[i], ""
		return nil
	}
	abs, err := filepath.Abs(s)
	if err != nil {
		return err
	}
	p.Given, p.abs = s, abs
	return nil
}

// String implements pflag.Value.
func (p *Path) String() string { return p.Given }

// Type implements pflag.Value.
func (p *Path) Type() string { return p.Kind }

// Abs returns the absolute path. Without one it is the current directory of PathHere, and "" otherwise.
func (p *Path) Abs() string {
	if p.abs == "" {
		return p.here
	}
	return p.abs
}

// Name is how messages call the path.
func (p *Path) Name() string {
	if p.Given == "" {
		return p.here
	}
	return p.Given
}
