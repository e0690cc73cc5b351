package web

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
)

// filePath is a flag value: the path of a file, relative to the directory that was current when the flag was set.
type filePath struct {
	given string   // as typed, for messages
	kind  string   // how help calls the value
	words []string // values that are not paths, in any case
	here  string   // what no path at all means
	abs   string
}

// Set implements pflag.Value.
func (p *filePath) Set(s string) error {
	if s == "" {
		return errors.New("no path")
	}
	if i := slices.IndexFunc(p.words, func(word string) bool { return strings.EqualFold(word, s) }); i >= 0 {
		p.given, p.abs = p.words[i], ""
		return nil
	}
	abs, err := filepath.Abs(s)
	if err != nil {
		return err
	}
	p.given, p.abs = s, abs
	return nil
}

// String implements pflag.Value.
func (p *filePath) String() string { return p.given }

// Type implements pflag.Value.
func (p *filePath) Type() string { return p.kind }

func (p *filePath) path() string {
	if p.abs == "" {
		return p.here
	}
	return p.abs
}

// name is how messages call the path.
func (p *filePath) name() string {
	if p.given == "" {
		return p.here
	}
	return p.given
}

// workingDirectory returns "." if the directory has no name any more; opening it then says why.
func workingDirectory() string {
	dir, err := filepath.Abs(".")
	if err != nil {
		return "."
	}
	return dir
}
