package static

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// order is how a listing is sorted. The zero value is by name, ascending.
type order struct {
	by   column
	desc bool
}

// column is what a listing can be sorted by.
type column int

const (
	byName column = iota
	bySize
	byTime
)

// columnNames are the values of the query's "sort".
var columnNames = [...]string{"name", "size", "time"}

// orderOf reads "sort" and "order" from a query: by name unless it says otherwise, ascending for names, and for the rest
// what people look for first, the largest and the latest. What means nothing counts for nothing.
func orderOf(query url.Values) order {
	var o order
	if by := slices.Index(columnNames[:], query.Get("sort")); by > 0 {
		o = order{column(by), true}
	}
	switch query.Get("order") {
	case "asc":
		o.desc = false
	case "desc":
		o.desc = true
	}
	return o
}

// query is what orderOf reads.
func (o order) query() string {
	if o.desc {
		return "?sort=" + columnNames[o.by] + "&order=desc"
	}
	return "?sort=" + columnNames[o.by] + "&order=asc"
}

// toggled is the order that the heading of a column leads to.
func (o order) toggled(by column) order {
	if o.by == by {
		return order{by, !o.desc}
	}
	return order{by, by != byName}
}

// sort puts directories first, and what is equal by name.
func (l *listing) sort(o order) {
	if l.sorted {
		if o == (order{}) {
			return
		}
		l.entries = slices.Clone(l.entries)
	}
	slices.SortFunc(l.entries, func(a, b entry) int {
		switch {
		case a.isDir() && !b.isDir():
			return -1
		case b.isDir() && !a.isDir():
			return 1
		}
		c := 0
		switch o.by {
		case bySize:
			c = cmp.Compare(a.size, b.size)
		case byTime:
			c = cmp.Compare(a.modified, b.modified)
		default:
			c = compareNames(a.name, b.name)
		}
		switch {
		case c == 0:
			return compareNames(a.name, b.name)
		case o.desc:
			return -c
		}
		return c
	})
}

// compareNames goes by letters without regard to case and by the value of numbers, and tells all names apart.
func compareNames(a, b string) int {
	if c := compareNatural(a, b); c != 0 {
		return c
	}
	return strings.Compare(a, b)
}

// compareNatural compares in lower case, and runs of digits as numbers. It copies nothing as long as the names are ASCII up
// to where they differ.
func compareNatural(a, b string) int {
	i, ascii := common(a, b)
	if !ascii {
		a, b = strings.ToLower(a), strings.ToLower(b)
		i, _ = common(a, b)
	}
	if c := compareNumbers(a, b, i); c != 0 {
		return c
	}
	if i == len(a) || i == len(b) {
		return cmp.Compare(len(a), len(b))
	}
	return cmp.Compare(lower(a[i]), lower(b[i]))
}

// common is how many bytes two names have in common at their beginning, without regard to the case of ASCII letters. ascii
// says whether it was able to tell by ASCII alone.
func common(a, b string) (n int, ascii bool) {
	high := byte(0)
	for n < len(a) && n < len(b) {
		x, y := a[n], b[n]
		high |= x | y
		if x != y && lower(x) != lower(y) {
			break
		}
		n++
	}
	return n, high < utf8.RuneSelf
}

// compareNumbers compares the numbers around the first difference, at i, of a and b. It is 0 unless both have one.
func compareNumbers(a, b string, i int) int {
	begin := i
	for begin > 0 && isDigit(a[begin-1]) {
		begin--
	}
	m, n := number(a[begin:]), number(b[begin:])
	switch {
	case m == "" || n == "":
		return 0
	case len(m) == len(n):
		return strings.Compare(m, n)
	}
	m, n = strings.TrimLeft(m, "0"), strings.TrimLeft(n, "0")
	if len(m) != len(n) {
		return cmp.Compare(len(m), len(n))
	}
	return strings.Compare(m, n)
}

// number is the run of digits that s begins with.
func number(s string) string {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return s[:i]
		}
	}
	return s
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
