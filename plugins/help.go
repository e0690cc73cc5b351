package plugins

import "github.com/spf13/pflag"

// Topic is a page of the manual that no single option has room for, shown by `gtwistd help NAME`.
type Topic struct {
	// Name is one word like a plugin's. A service or a command of that name is shown first; plugins may share a topic.
	Name string
	// Summary says in one line, without a full stop, what the page is about.
	Summary string
	// Sections returns the page. It is called when somebody wants to read it.
	Sections func() []Section
}

// Section is a part of a Topic.
type Section struct {
	// Heading stands above it, without a colon. Empty means none.
	Heading string
	// Text is paragraphs, which are wrapped, and lines that begin with a space, which are not: there, what is left of two spaces
	// stands in a column of its own.
	Text string
	// Settings follow the text: what is written name=value in the value of an option, with usage texts and defaults. Nil means
	// none.
	Settings *pflag.FlagSet
}

const headingKey = "gtwistd_heading"

// Group lets declare bind options that belong together: --help shows them below the heading. Options without one come first,
// the headings in the order of their first options; a heading may be used again. Groups inside keep their own.
func Group(fs *pflag.FlagSet, heading string, declare func(*pflag.FlagSet)) {
	part := pflag.NewFlagSet("", pflag.ContinueOnError)
	part.SortFlags = false
	part.SetOutput(fs.Output())
	declare(part)
	part.VisitAll(func(f *pflag.Flag) {
		if f.Annotations == nil {
			f.Annotations = map[string][]string{}
		}
		if Heading(f) == "" {
			f.Annotations[headingKey] = []string{heading}
		}
		fs.AddFlag(f)
	})
}

// Heading is that of the group that an option is in, "" if it is in none.
func Heading(f *pflag.Flag) string {
	if list := f.Annotations[headingKey]; len(list) > 0 {
		return list[0]
	}
	return ""
}
