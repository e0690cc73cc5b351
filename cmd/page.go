package cmd

import (
	"bytes"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
)

// page lays the manual out for a terminal. The zero value is unusable: width counts columns, 40 or more.
type page struct {
	bytes.Buffer
	width int
}

const (
	maxColumn = 28 // where the right side of a table begins at the latest
	gap       = 2  // between both sides
	hanging   = 8  // where it begins if there is no room for two sides
)

// row is one line of a table, before it is wrapped. What is in one word of right is kept together if there is room.
type row struct {
	left  string
	right []string
}

// text writes paragraphs and, from lines that begin with a space, tables: see plugins.Section.
func (p *page) text(s string) {
	var words []string
	var rows []row
	flush := func() {
		if len(words) > 0 {
			p.fill(words, 0, 0)
		}
		p.table(rows, p.column(rows))
		words, rows = nil, nil
	}
	for line := range strings.Lines(s) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "":
			flush()
			p.WriteByte('\n')
		case line[0] == ' ':
			if len(words) > 0 {
				flush()
			}
			left, right, _ := strings.Cut(strings.TrimSpace(line), "  ")
			rows = append(rows, row{"  " + left, strings.Fields(right)})
		default:
			if len(rows) > 0 {
				flush()
			}
			words = append(words, strings.Fields(line)...)
		}
	}
	flush()
}

// options writes a table of options for each group of them. Those without a heading get the first one.
func (p *page) options(first string, flags *pflag.FlagSet, show func(*pflag.Flag) row) {
	groups := map[string][]row{}
	headings := []string{first}
	var all []row
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		heading := plugins.Heading(f)
		if heading == "" {
			heading = first
		}
		if !slices.Contains(headings, heading) {
			headings = append(headings, heading)
		}
		groups[heading] = append(groups[heading], show(f))
		all = append(all, show(f))
	})
	column := p.column(all)
	for _, heading := range headings {
		if len(groups[heading]) > 0 {
			p.WriteString("\n" + heading + ":\n")
			p.table(groups[heading], column)
		}
	}
}

// column is where the right sides begin: behind the widest left one that leaves them room.
func (p *page) column(rows []row) int {
	limit, column, all := min(maxColumn, p.width*2/5), 0, true
	for _, r := range rows {
		n := utf8.RuneCountInString(r.left) + gap
		switch {
		case len(r.right) == 0: // nothing stands beside it
		case n <= limit:
			column = max(column, n)
		default:
			all = false
		}
	}
	if column == 0 || limit < maxColumn && !all {
		return hanging
	}
	return column
}

// table lets a left side that reaches beyond column have a line of its own.
func (p *page) table(rows []row, column int) {
	for _, r := range rows {
		p.WriteString(r.left)
		at := utf8.RuneCountInString(r.left)
		if len(r.right) == 0 {
			p.WriteByte('\n')
			continue
		}
		if at+gap > column {
			p.WriteByte('\n')
			at = 0
		}
		p.WriteString(strings.Repeat(" ", column-at))
		p.fill(r.right, column, column)
	}
}

// fill writes words from column at on and begins further lines at indent.
func (p *page) fill(words []string, at, indent int) {
	begun := false
	for _, word := range p.fitting(words, p.width-indent) {
		n := utf8.RuneCountInString(word)
		switch {
		case begun && at+1+n > p.width:
			p.WriteString("\n" + strings.Repeat(" ", indent))
			at = indent
		case begun:
			p.WriteByte(' ')
			at++
		}
		p.WriteString(word)
		at, begun = at+n, true
	}
	p.WriteByte('\n')
}

// fitting takes apart what was to be kept together and has no room.
func (p *page) fitting(words []string, width int) []string {
	var list []string
	for _, word := range words {
		if utf8.RuneCountInString(word) <= width {
			list = append(list, word)
		} else {
			list = append(list, strings.Fields(word)...)
		}
	}
	return list
}

// command writes an example. Where it is too long it goes on in the next line, as a shell reads it.
func (p *page) command(line string) {
	const more = ` \`
	at := 0
	for _, words := range commandParts(line) {
		switch {
		case at == 0:
			p.WriteString("  ")
			at = 2
		case at+1+len(words)+len(more) > p.width:
			p.WriteString(more + "\n    ")
			at = 4
		default:
			p.WriteByte(' ')
			at++
		}
		p.WriteString(words)
		at += len(words)
	}
	p.WriteByte('\n')
}

// commandParts cuts a command before its options and "+", except inside quotes and in a comment.
func commandParts(line string) []string {
	var parts []string
	command, comment, commented := strings.Cut(line, " #")
	for _, word := range strings.Fields(command) {
		last := len(parts) - 1
		if last >= 0 && (word[0] != '-' && word != "+" || strings.Count(parts[last], "'")%2 == 1 || strings.Count(parts[last], `"`)%2 == 1) {
			parts[last] += " " + word
			continue
		}
		parts = append(parts, word)
	}
	if commented && len(parts) > 0 {
		return []string{strings.TrimSpace(line[:len(line)-len(comment)-2]) + "   # " + strings.TrimSpace(comment)}
	}
	return parts
}

const (
	valueKey = "gtwistd_value"       // how help calls the value of an option
	twinKey  = "gtwistd_environment" // its environment twin
)

// describe notes at each option how help calls its value, and leaves the usage text as completions show it: without the marks
// around that name.
func describe(fs *pflag.FlagSet) {
	fs.VisitAll(func(f *pflag.Flag) {
		if _, done := f.Annotations[valueKey]; done {
			return
		}
		if f.Annotations == nil {
			f.Annotations = map[string][]string{}
		}
		value, usage := valueAndUsage(f)
		f.Usage, f.Annotations[valueKey] = usage, []string{value}
	})
}

// asOption is an option of the command line in a table.
func asOption(f *pflag.Flag) row {
	left := "      --" + f.Name
	if f.Shorthand != "" {
		left = "  -" + f.Shorthand + ", --" + f.Name
	}
	value := annotation(f, valueKey)
	switch {
	case value == "":
	case f.NoOptDefVal != "":
		left += "[=" + value + "]"
	default:
		left += " " + value
	}
	right := described(f, f.Usage)
	if twin := annotation(f, twinKey); twin != "" {
		right = append(right, "["+twin+"]")
	}
	return row{left, right}
}

// asSetting is a setting of a topic in a table.
func asSetting(f *pflag.Flag) row {
	left := "  " + f.Name
	value, usage := valueAndUsage(f)
	switch {
	case value == "":
	case f.NoOptDefVal != "":
		left += "[=" + value + "]"
	default:
		left += "=" + value
	}
	return row{left, described(f, usage)}
}

// valueAndUsage are what is behind an option and what is said about it.
func valueAndUsage(f *pflag.Flag) (value, usage string) {
	value, usage = pflag.UnquoteUsage(f)
	if usage == f.Usage && strings.Trim(value, "abcdefghijklmnopqrstuvwxyz") == "" {
		value = strings.ToUpper(value) // of Go's types: DURATION, SIZE
	}
	return value, usage
}

func annotation(f *pflag.Flag, key string) string {
	return strings.Join(f.Annotations[key], "")
}

// described is the usage text and the default, unless the text tells it.
func described(f *pflag.Flag, usage string) []string {
	words := strings.Fields(usage)
	if text := defaultText(f); text != "" && !strings.Contains(usage, "(default") {
		words = append(words, "(default "+text+")")
	}
	return words
}

// defaultText is the default as a person would write it, "" if that is nothing.
func defaultText(f *pflag.Flag) string {
	text := f.DefValue
	switch f.Value.Type() {
	case "stringArray", "stringSlice":
		text = strings.ReplaceAll(strings.Trim(text, "[]"), ",", ", ")
	case "duration":
		if d, err := time.ParseDuration(text); err == nil && d == 0 {
			return ""
		}
		if short, cut := strings.CutSuffix(text, "m0s"); cut {
			text = strings.TrimSuffix(short+"m", "h0m")
			if text != short+"m" {
				text += "h"
			}
		}
	case "size":
		if digits(text) && text != "0" {
			text += " bytes"
		}
	}
	if text == "0" || text == "false" || text == "<nil>" {
		return ""
	}
	return text
}
