package accounts

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gtwistd/gtwistd/internal/suggest"
)

// checkUsers looks for tables that would be about nobody: one that is to keep somebody out would keep nobody out.
func (b *Book) checkUsers(f *file) error {
	e := &Error{Path: b.opts.Path}
	names := b.people()
	for name, s := range f.users {
		p := Problem{Line: s.at.line, Column: s.at.column}
		switch {
		case b.opts.Guest != nil && b.opts.Guest(name):
			p.Reason, p.Suggestion = fmt.Sprintf("%s: whoever gives this name is anonymous, and has no table among the users", s.title), "did you mean [anonymous]?"
		case !b.knows(name):
			p.Reason, p.Suggestion = fmt.Sprintf("%s: no such user in the password file", s.title), whoElse(name, names)
		default:
			continue
		}
		e.Problems = append(e.Problems, p)
	}
	if len(e.Problems) == 0 {
		return nil
	}
	e.sort()
	return e
}

// whoElse guesses whom the table of a name that nobody has is about.
func whoElse(name string, names []string) string {
	if strings.EqualFold(name, "anonymous") || strings.EqualFold(name, "ftp") {
		return "did you mean [anonymous]?"
	}
	if near := suggest.Nearest(name, names); near != "" {
		return fmt.Sprintf("did you mean [%s]?", quotePath([]string{"users", near}))
	}
	return "gtwistd hash-password NAME prints the line to put there first"
}

// Home is a root that the users file gives.
type Home struct {
	// Root is the directory, an absolute path.
	Root string
	// User is whose it is, "" if it is that of anonymous or of [defaults].
	User string
	// Named says that the name of the user is in it, so that the directory may be made after the table.
	Named bool
	// Writes says that somebody whose root it is may change something there.
	Writes bool

	file, title string
	at          place
}

// Error is what is wrong with that directory, at its place in the users file.
func (h *Home) Error(err error) *Error {
	return &Error{Path: h.file, Problems: []Problem{{Line: h.at.line, Column: h.at.column, Reason: fmt.Sprintf("%s: root: %q: %v", h.title, h.Root, err)}}}
}

// Homes are the roots that the users file gives to those who may log in, each table's once: that of anonymous first, then
// that of [defaults] if it is the same for all, then by name, with those of whom only the password file knows. It is for checks
// of whether they exist.
func (b *Book) Homes() []Home {
	f := b.file.Load()
	var homes []Home
	common := -1 // which is that of [defaults]
	if s := f.anonymous; s != nil && s.root != nil && !b.account("").Disabled {
		homes = append(homes, b.home(s, b.account(""), ""))
	}
	if s := f.defaults; s != nil && s.root != nil && !strings.Contains(*s.root, userMark) {
		common = len(homes)
		homes = append(homes, b.home(s, &Account{Root: *s.root}, ""))
	}
	for _, name := range b.names() {
		a, s := b.account(name), f.users[name]
		if s == nil || s.root == nil {
			s = f.defaults
		}
		if s == f.defaults && common >= 0 && a.MayChange() {
			homes[common].Writes = true
		}
		if ours := s != nil && s.root != nil && (s != f.defaults || a.named); ours && !a.Disabled {
			homes = append(homes, b.home(s, a, name))
		}
	}
	return homes
}

func (b *Book) home(s *settings, a *Account, user string) Home {
	return Home{Root: a.Root, User: user, Named: a.named, Writes: a.MayChange(), file: b.opts.Path, title: s.title, at: s.rootAt}
}

// names are those of both files, sorted.
func (b *Book) names() []string {
	all := map[string]bool{}
	for name := range b.file.Load().users {
		all[name] = true
	}
	for _, name := range b.people() {
		all[name] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// people are those of the password file, sorted.
func (b *Book) people() []string {
	known := b.known.Load()
	if known == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(*known))
}
