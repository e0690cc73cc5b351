package accounts

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is all that is wrong with a users file, in the order of its lines. It never quotes what may be a password.
type Error struct {
	Path     string
	Problems []Problem // at least one
}

// Problem is one thing that is wrong. Line and Column count from 1, the column in bytes; 0 is the whole file.
type Problem struct {
	Line, Column int
	Reason       string
	// Suggestion says what would be right, "" if there is nothing to guess.
	Suggestion string
}

// Error has a line for each problem: "ftp-users.toml:3:8: …".
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		where := e.Path
		if p.Line > 0 {
			where = fmt.Sprintf("%s:%d:%d", e.Path, p.Line, p.Column)
		}
		lines[i] = where + ": " + p.Reason
	}
	return strings.Join(lines, "\n")
}

// Hint returns the first suggestion.
func (e *Error) Hint() string {
	for _, p := range e.Problems {
		if p.Suggestion != "" {
			return p.Suggestion
		}
	}
	return ""
}

func (e *Error) sort() {
	slices.SortStableFunc(e.Problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Reason, b.Reason))
	})
}
