package htpasswd

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxName = 255
	hashIt  = "gtwistd hash-password NAME prints the line to put there"
)

// Error says what is wrong with a password file. It never quotes a password or a hash.
type Error struct {
	Path   string
	Line   int // from 1 on; 0 is the whole file
	Reason string
	// More is how many later lines are wrong, too.
	More int
	// Suggestion says what would be right, "" if there is nothing to guess.
	Suggestion string
}

// Error implements error.
func (e *Error) Error() string {
	text := e.Path
	if e.Line > 0 {
		text = fmt.Sprintf("%s:%d", e.Path, e.Line)
	}
	text += ": " + e.Reason
	switch e.More {
	case 0:
		return text
	case 1:
		return text + " (and one more bad line)"
	}
	return fmt.Sprintf("%s (and %d more bad lines)", text, e.More)
}

// Hint returns the suggestion.
func (e *Error) Hint() string { return e.Suggestion }

// parse returns the users of a file's text, or an *Error about the first bad line.
func parse(text string) (*table, error) {
	t := &table{byName: map[string]*user{}}
	seen := map[string]int{} // the line of each name
	var first *Error
	number := 0
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		number++
		line = strings.TrimRight(line, " \t\r\n")
		if line == "" || line[0] == '#' {
			continue
		}
		name, u, err := parseLine(line)
		if err == nil && seen[name] > 0 {
			err = &Error{Reason: fmt.Sprintf("%q is in line %d already", name, seen[name])}
		}
		switch {
		case err == nil:
			seen[name] = number
			t.byName[name] = u
			t.all, t.names = append(t.all, u), append(t.names, name)
		case first == nil:
			first = err
			first.Line = number
		default:
			first.More++
		}
	}
	switch {
	case first != nil:
		return nil, first
	case len(t.all) == 0:
		return nil, &Error{Reason: "no user in it", Suggestion: hashIt}
	}
	return t, nil
}

// parseLine reads NAME:HASH. What follows a second colon is a comment, as in nginx.
func parseLine(line string) (name string, u *user, bad *Error) {
	name, rest, found := strings.Cut(line, ":")
	if !found {
		return "", nil, &Error{Reason: "not of the form NAME:HASH", Suggestion: hashIt}
	}
	if err := checkName(name); err != nil {
		return "", nil, &Error{Reason: err.Error()}
	}
	hash, _, _ := strings.Cut(rest, ":")
	encoded, bad := readHash(name, hash)
	if bad != nil {
		return "", nil, bad
	}
	return name, &user{hash: encoded}, nil
}

// checkName refuses what no client could send, RFC 7617 section 2, and what nobody could see.
func checkName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("the name of the user is empty")
	case len(name) > maxName:
		return fmt.Errorf("the name of the user is longer than %d bytes", maxName)
	case !utf8.ValidString(name):
		return fmt.Errorf("user %q: not UTF-8", name)
	case strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("user %q: a control character in the name", name)
	case strings.Contains(name, ":"):
		return fmt.Errorf("user %q: a colon ends the name", name)
	case strings.TrimSpace(name) != name:
		return fmt.Errorf("user %q: space around the name", name)
	case name[0] == '#':
		return fmt.Errorf("user %q: a line that begins with # is a comment", name)
	}
	return nil
}
