package static

import (
	"errors"
	"fmt"
	"mime"
	"path"
	"strings"
)

// MIMETypes is a flag value: media types by the ending of a name, and one for names without a known ending. The zero value
// changes nothing.
type MIMETypes struct {
	byEnding map[string]string
	unknown  string
	given    []string
}

// of returns the media type of a name; false means that it takes a look at the file.
func (m *MIMETypes) of(name string) (string, bool) {
	ending := strings.ToLower(path.Ext(name))
	if t, ok := m.byEnding[ending]; ok {
		return t, true
	}
	if t, ok := mediaTypes[ending]; ok {
		return t, true
	}
	return m.unknown, m.unknown != ""
}

// String implements pflag.Value.
func (m *MIMETypes) String() string { return strings.Join(m.given, "\n") }

// Type implements pflag.Value.
func (m *MIMETypes) Type() string { return "[.EXT=]TYPE" }

// Set implements pflag.Value.
func (m *MIMETypes) Set(s string) error {
	ending, value := "", s
	if strings.HasPrefix(s, ".") {
		var found bool
		if ending, value, found = strings.Cut(s, "="); !found || len(ending) < 2 || strings.Contains(ending[1:], ".") {
			return errors.New("not of the form .md=text/plain")
		}
	}
	if t, _, err := mime.ParseMediaType(value); err != nil || !strings.Contains(t, "/") {
		return fmt.Errorf("%q is not a media type such as text/plain; charset=utf-8", value)
	}
	if ending == "" {
		m.unknown = value
	} else {
		if m.byEnding == nil {
			m.byEnding = map[string]string{}
		}
		m.byEnding[strings.ToLower(ending)] = value
	}
	m.given = append(m.given, s)
	return nil
}

// Append implements pflag.SliceValue.
func (m *MIMETypes) Append(s string) error { return m.Set(s) }

// Replace implements pflag.SliceValue.
func (m *MIMETypes) Replace(list []string) error {
	*m = MIMETypes{}
	return setAll(m, list)
}

// GetSlice implements pflag.SliceValue.
func (m *MIMETypes) GetSlice() []string { return m.given }

// CacheRules is a flag value: rules of the form PATTERN=VALUE, of which the first that matches counts.
type CacheRules []cacheRule

type cacheRule struct {
	given   string
	pattern pattern
	value   string
}

// String implements pflag.Value.
func (c *CacheRules) String() string { return strings.Join(c.GetSlice(), "\n") }

// Type implements pflag.Value.
func (c *CacheRules) Type() string { return "PATTERN=VALUE" }

// Set implements pflag.Value.
func (c *CacheRules) Set(s string) error {
	p, value, found := strings.Cut(s, "=")
	if !found || p == "" || value == "" {
		return errors.New("not of the form PATTERN=VALUE, such as *.css=max-age=3600")
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
		return fmt.Errorf("%q cannot stand in a header", value)
	}
	pattern, err := parsePattern(p)
	if err != nil {
		return err
	}
	*c = append(*c, cacheRule{s, pattern, value})
	return nil
}

// Append implements pflag.SliceValue.
func (c *CacheRules) Append(s string) error { return c.Set(s) }

// Replace implements pflag.SliceValue.
func (c *CacheRules) Replace(list []string) error {
	*c = nil
	return setAll(c, list)
}

// GetSlice implements pflag.SliceValue.
func (c *CacheRules) GetSlice() []string {
	var list []string
	for _, rule := range *c {
		list = append(list, rule.given)
	}
	return list
}

func setAll(v interface{ Set(string) error }, list []string) error {
	for _, s := range list {
		if err := v.Set(s); err != nil {
			return err
		}
	}
	return nil
}

// pattern matches names below the root. Without a slash it is about the last element of a name, otherwise about all of them;
// each element is a pattern of path.Match, and "**" stands for any number of elements.
type pattern []string

func parsePattern(s string) (pattern, error) {
	p := pattern(strings.Split(strings.TrimPrefix(s, "/"), "/"))
	for _, element := range p {
		if _, err := path.Match(element, ""); err != nil {
			return nil, fmt.Errorf("pattern %q: a bracket that is not closed, or nothing after a backslash", s)
		}
		if element == "" {
			return nil, fmt.Errorf("pattern %q: nothing before or after a slash; all below a directory is dir/**", s)
		}
	}
	if !strings.Contains(s, "/") {
		p = pattern{"**", s}
	}
	return p, nil
}

func (p pattern) matches(name string) bool { return matchElements(p, strings.Split(name, "/")) }

func matchElements(p, name []string) bool {
	for len(p) > 0 && p[0] != "**" {
		if len(name) == 0 {
			return false
		}
		if ok, err := path.Match(p[0], name[0]); err != nil || !ok {
			return false
		}
		p, name = p[1:], name[1:]
	}
	if len(p) == 0 {
		return len(name) == 0
	}
	for rest := range len(name) + 1 {
		if matchElements(p[1:], name[rest:]) {
			return true
		}
	}
	return false
}
