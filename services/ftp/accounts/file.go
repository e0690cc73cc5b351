package accounts

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"unicode"

	"github.com/gtwistd/gtwistd/internal/regular"
)

const (
	// maxFile is the size of a file that has something else in it.
	maxFile = 16 << 20
	maxName = 255
)

// file is what a users file says. It never changes.
type file struct {
	defaults, anonymous *settings
	users               map[string]*settings
}

func (f *file) names() []string { return slices.Sorted(maps.Keys(f.users)) }

// settings are what one table says, each nil or empty if it says nothing about that.
type settings struct {
	root                               *string
	enabled                            *bool
	permissions                        *Permissions
	quota, maxFiles, maxFileSize       *int64
	uploadBandwidth, downloadBandwidth *int64
	maxSessions                        *int64
	allowFrom                          *networks
	rules                              []rule
}

// apply overrides what a says. Nil changes nothing.
func (s *settings) apply(a *Account, name string) {
	if s == nil {
		return
	}
	if s.root != nil {
		a.Root = rootOf(*s.root, name)
		a.named = strings.Contains(*s.root, userMark)
		a.misfit = strings.Contains(a.Root, userMark)
	}
	if s.enabled != nil {
		a.Disabled = !*s.enabled
	}
	override(&a.Permissions, s.permissions)
	override(&a.Quota, s.quota)
	override(&a.MaxFiles, s.maxFiles)
	override(&a.MaxFileSize, s.maxFileSize)
	override(&a.UploadBandwidth, s.uploadBandwidth)
	override(&a.DownloadBandwidth, s.downloadBandwidth)
	if s.maxSessions != nil {
		a.MaxSessions = int(*s.maxSessions)
	}
	if s.allowFrom != nil {
		a.AllowFrom = *s.allowFrom
	}
	if s.rules != nil {
		a.rules = s.rules
	}
}

func override[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// readFile reads the file at an absolute path.
func readFile(path string) (*file, error) {
	text, err := regular.Read(path, maxFile, "users file")
	if err != nil {
		return nil, err
	}
	// A directory of Windows and macOS answers to more than one name, and a rule would be about one of them.
	folds := runtime.GOOS == "windows" || runtime.GOOS == "darwin"
	parsed, bad := parse(text, filepath.Dir(path), folds)
	if bad != nil {
		bad.Path = path
		return nil, bad
	}
	return parsed, nil
}

// parse reads a users file of the directory dir. folds says that the file system knows no difference between some names, so
// that paths cannot have rights of their own.
func parse(text []byte, dir string, folds bool) (*file, *Error) {
	d, bad := parseDocument(text)
	if bad != nil {
		return nil, &Error{Problems: []Problem{*bad}}
	}
	r := &reader{document: d, dir: dir, folds: folds}
	f := r.file()
	if len(r.problems) > 0 {
		e := &Error{Problems: r.problems}
		e.sort()
		return nil, e
	}
	return f, nil
}

// reader turns a document into a file and gathers what is wrong with it.
type reader struct {
	*document
	dir      string
	folds    bool
	problems []Problem
}

func (r *reader) complain(at place, err error) {
	p := Problem{Line: at.line, Column: at.column, Reason: err.Error()}
	var h *hinted
	if errors.As(err, &h) {
		p.Suggestion = h.hint
	}
	r.problems = append(r.problems, p)
}

// hinted is an error that knows what would be right.
type hinted struct{ reason, hint string }

func (h *hinted) Error() string { return h.reason }

func (r *reader) file() *file {
	f := &file{users: map[string]*settings{}}
	for name, value := range r.root {
		path := []string{name}
		switch name {
		case "defaults":
			f.defaults = r.settings(path, value)
		case "anonymous":
			f.anonymous = r.settings(path, value)
		case "users":
			table, ok := value.(map[string]any)
			if !ok {
				r.complain(r.ofValue(path), errors.New(`users: not a table such as [users.alice]`))
			}
			for user, value := range table {
				f.users[user] = r.user(user, value)
			}
		default:
			hint := "the tables are [defaults], [anonymous] and one [users.NAME] for each user"
			if _, known := lookup(name); known {
				hint = fmt.Sprintf("put it below [defaults] to say it of all users, or below [users.NAME] of one; %s", hint)
			}
			r.complain(r.ofKey(path), &hinted{fmt.Sprintf("unknown key %q", name), hint})
		}
	}
	r.checkRoots(f)
	return f
}

// checkRoots looks for names that do not fit into roots, which may come from [defaults].
func (r *reader) checkRoots(f *file) {
	if s := f.anonymous; s != nil && s.root != nil && strings.Contains(*s.root, userMark) {
		r.complain(r.ofValue([]string{"anonymous", "root"}), errors.New("anonymous: root: %u stands for a name, and anonymous has none"))
	}
	for name, s := range f.users {
		var a Account
		f.defaults.apply(&a, name)
		s.apply(&a, name)
		if a.misfit {
			r.complain(r.ofValue([]string{"users", name, "root"}), fmt.Errorf("users.%s: root: %%u: %w", quoteKey(name), ErrName))
		}
	}
}

func (r *reader) user(name string, value any) *settings {
	path := []string{"users", name}
	if err := checkName(name); err != nil {
		r.complain(r.ofKey(path), err)
	}
	return r.settings(path, value)
}

// checkName refuses the names that the password file refuses.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("users: the name of the user is empty")
	case len(name) > maxName:
		return fmt.Errorf("users: the name of the user is longer than %d bytes", maxName)
	case strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("users: user %q: a control character in the name", name)
	case strings.Contains(name, ":"):
		return fmt.Errorf("users: user %q: no password file can have a colon in a name", name)
	case strings.TrimSpace(name) != name:
		return fmt.Errorf("users: user %q: space around the name", name)
	}
	return nil
}

// settings reads the table at path.
func (r *reader) settings(path []string, value any) *settings {
	s, title := &settings{}, quotePath(path)
	table, ok := value.(map[string]any)
	if !ok {
		r.complain(r.ofValue(path), fmt.Errorf("%s: not a table such as [%s]", title, title))
		return s
	}
	for name, value := range table {
		at := append(slices.Clone(path), name)
		if name == "paths" {
			s.rules = r.rules(at, value)
			continue
		}
		k, known := lookup(name)
		if !known {
			r.complain(r.ofKey(at), unknown(title, name))
			continue
		}
		if err := k.read(s, value); err != nil {
			r.complain(r.ofValue(append(at, index(err)...)), fmt.Errorf("%s: %s: %w", title, name, err))
		}
	}
	if s.root != nil {
		*s.root = absolute(*s.root, r.dir)
	}
	return s
}

// absolute is also clean, so that users who share a root share what is stored there.
func absolute(path, dir string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

// rules reads a table of directories.
func (r *reader) rules(path []string, value any) []rule {
	title := quotePath(path)
	table, ok := value.(map[string]any)
	switch {
	case !ok:
		r.complain(r.ofValue(path), fmt.Errorf(`%s: not a table such as [%s] with lines such as "/incoming" = ["create"]`, title, title))
		return nil
	case r.folds && len(table) > 0:
		r.complain(r.ofKey(path), fmt.Errorf("%s: not on this system, whose files answer to several names", title))
		return nil
	}
	rules := []rule{}
	for dir, value := range table {
		at := append(slices.Clone(path), dir)
		if !strings.HasPrefix(dir, "/") || clean(dir) != dir {
			r.complain(r.ofKey(at), &hinted{fmt.Sprintf("%s: %q: not a directory as the user sees it", title, dir), fmt.Sprintf("did you mean %q?", clean(dir))})
		}
		may, err := readPermissions(value)
		if err != nil {
			r.complain(r.ofValue(append(at, index(err)...)), fmt.Errorf("%s: %q: %w", title, dir, err))
		}
		rules = append(rules, rule{dir, may})
	}
	slices.SortFunc(rules, func(a, b rule) int {
		if len(a.dir) != len(b.dir) {
			return len(b.dir) - len(a.dir)
		}
		return strings.Compare(a.dir, b.dir)
	})
	return rules
}

func unknown(title, name string) error {
	if strings.Contains(name, "password") {
		return &hinted{fmt.Sprintf("%s: unknown key %q", title, name), "passwords are in the file of --auth; gtwistd hash-password NAME prints the line to put there"}
	}
	var names []string
	for _, k := range keys {
		names = append(names, k.name)
	}
	return &hinted{fmt.Sprintf("%s: unknown key %q", title, name), "the keys are " + strings.Join(names, ", ") + " and paths"}
}

// quotePath writes a key as TOML does.
func quotePath(path []string) string {
	parts := make([]string, len(path))
	for i, part := range path {
		parts[i] = quoteKey(part)
	}
	return strings.Join(parts, ".")
}

func quoteKey(part string) string {
	bare := func(c rune) bool {
		return c == '-' || c == '_' || c < unicode.MaxASCII && (unicode.IsLetter(c) || unicode.IsDigit(c))
	}
	if part != "" && strings.TrimFunc(part, bare) == "" {
		return part
	}
	return fmt.Sprintf("%q", part)
}
