package static

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
)

// Options are what a person can say about a tree of files. The zero value lists every directory; Flags sets the defaults.
type Options struct {
	// Index names the files that stand for their directory, the first that exists wins. Empty, or a single empty name,
	// means that there is none.
	Index []string
	// Listing says which directories are listed.
	Listing Listing
	// Hidden shows names that begin with a dot.
	Hidden bool
	// Archive lets clients have a directory as one file.
	Archive bool
	// Upload lets clients put files into a directory.
	Upload bool
}

// Flags binds the options, with their defaults.
func (o *Options) Flags(fs *pflag.FlagSet) {
	o.Listing = ListAuto
	fs.StringArrayVar(&o.Index, "index", []string{"index.html", "index.htm"},
		"send the file `NAME` for the directory it is in; repeatable, the first that exists wins; --index= means none")
	fs.Var(&o.Listing, "listing", "which directories are listed: auto lists those without an index file, on lists all, off none (404)")
	fs.BoolVar(&o.Hidden, "hidden", false, "show and serve names that begin with a dot too, not just .well-known")
}

// check returns the options as they are used, or a *plugins.UsageError.
func (o Options) check() (Options, error) {
	if len(o.Index) == 1 && o.Index[0] == "" {
		o.Index = nil
	}
	for _, name := range o.Index {
		if !isName(name) {
			return o, plugins.Usagef("--index %q: not the name of a file in each directory", name)
		}
	}
	return o, nil
}

// isName says whether a name is one of a file in a directory, and no path.
func isName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00") && filepath.Base(name) == name
}

// Listing is a flag value: which directories are listed. The zero value is ListAuto.
type Listing int

// The values of Listing.
const (
	ListAuto Listing = iota // those without an index file
	ListOn                  // all of them
	ListOff                 // none
)

var listingNames = [...]string{"auto", "on", "off"}

// String implements pflag.Value.
func (l *Listing) String() string { return listingNames[*l] }

// Type implements pflag.Value.
func (l *Listing) Type() string { return strings.Join(listingNames[:], "|") }

// Set implements pflag.Value.
func (l *Listing) Set(s string) error {
	for i, name := range listingNames {
		if s == name {
			*l = Listing(i)
			return nil
		}
	}
	return fmt.Errorf("not one of %s", strings.Join(listingNames[:], ", "))
}
