package static

import (
	"maps"
	"math"
	"net/http"
	"strconv"
	"strings"
)

// maxRanges is how many ranges of one file a request may ask for; with more it gets the whole file (RFC 9110 section 14.2
// lets a server ignore many small ranges, as each costs more than its bytes).
const maxRanges = 100

// standardized returns r with its headers in the one form that http.ServeContent understands as the RFC means it. r itself
// stays as it is.
func standardized(r *http.Request, size int64) *http.Request {
	plain := r.Header["Range"] == nil
	for _, name := range listHeaders {
		plain = plain && len(r.Header[name]) < 2
	}
	if plain {
		return r
	}
	s := *r
	s.Header = maps.Clone(r.Header)
	for _, name := range listHeaders {
		// RFC 9110 section 5.3: a list may be spread over several lines.
		if lines := r.Header[name]; len(lines) > 1 {
			s.Header[name] = []string{strings.Join(lines, ", ")}
		}
	}
	delete(s.Header, "Range")
	// RFC 9110 section 14.2: GET is the only method with ranges. Of an empty file, the whole is the best answer.
	if r.Method == http.MethodGet && size > 0 {
		if ranges, ok := standardRange(r.Header["Range"]); ok {
			s.Header["Range"] = []string{ranges}
		}
	}
	return &s
}

var listHeaders = [...]string{"If-Match", "If-None-Match"}

// standardRange returns a Range header as "bytes=first-last,…" with each number in reach of an int64. ok is false if the
// header is to be ignored: another unit, a syntax error (RFC 9110 section 14.2 leaves the choice, and twistd ignores
// them too), or too many ranges.
func standardRange(lines []string) (ranges string, ok bool) {
	if len(lines) != 1 {
		return "", false
	}
	unit, set, found := strings.Cut(lines[0], "=")
	if !found || !strings.EqualFold(unit, "bytes") {
		return "", false
	}
	var b strings.Builder
	separator, count := "bytes=", 0
	for spec := range strings.SplitSeq(set, ",") {
		spec = strings.Trim(spec, " \t")
		if spec == "" {
			continue // RFC 9110 section 5.6.1.2: empty list elements are ignored
		}
		first, last, ok := parseSpec(spec)
		count++
		if !ok || count > maxRanges {
			return "", false
		}
		b.WriteString(separator)
		b.WriteString(first)
		b.WriteByte('-')
		b.WriteString(last)
		separator = ","
	}
	return b.String(), count > 0
}

// parseSpec takes "first-last", "first-" or "-suffix" apart.
func parseSpec(spec string) (first, last string, ok bool) {
	first, last, found := strings.Cut(spec, "-")
	if !found || first == "" && last == "" {
		return "", "", false
	}
	from, ok := clamp(first)
	if !ok {
		return "", "", false
	}
	to, ok := clamp(last)
	switch {
	case !ok || first != "" && last != "" && to < from:
		return "", "", false
	case first == "" && to == 0:
		// RFC 9110 section 14.1.2: a suffix of no bytes cannot be satisfied, like a range behind any end.
		return strconv.FormatInt(math.MaxInt64, 10), "", true
	case first == "":
		return "", strconv.FormatInt(to, 10), true
	case last == "":
		return strconv.FormatInt(from, 10), "", true
	}
	return strconv.FormatInt(from, 10), strconv.FormatInt(to, 10), true
}

// clamp reads digits; what is too large becomes the largest number. Empty text is 0.
func clamp(digits string) (int64, bool) {
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, false
		}
	}
	if digits == "" {
		return 0, true
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return math.MaxInt64, true
	}
	return n, true
}
