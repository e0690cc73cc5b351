package static

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// format is a representation of a listing.
type format int

const (
	formatHTML format = iota
	formatJSON
	formatText
	formats int = iota
)

// formatNames are the values of the query's "format".
var formatNames = [formats]string{"html", "json", "text"}

// formatMedia is what Accept calls them.
var formatMedia = [formats]struct{ main, sub string }{{"text", "html"}, {"application", "json"}, {"text", "plain"}}

// contentTypes are what they are sent as.
var contentTypes = [formats]string{"text/html; charset=utf-8", "application/json", "text/plain; charset=utf-8"}

// formatOf returns what the query names, else what Accept prefers. Where that prefers nothing, curl gets text and everyone
// else HTML: wget, too, asks for anything, and looks for links. A client that wants none of them gets HTML as well, which
// RFC 9110 section 12.5.1 allows and which says more than a 406.
func formatOf(r *http.Request, query url.Values) format {
	if f := slices.Index(formatNames[:], query.Get("format")); f >= 0 {
		return format(f)
	}
	weights := accepted(r.Header["Accept"])
	best := formatHTML
	if isCurl(r.UserAgent()) && weights[formatText] > 0 {
		best = formatText
	}
	for f := range weights {
		if weights[f] > weights[best] {
			best = format(f)
		}
	}
	return best
}

func isCurl(userAgent string) bool { return strings.HasPrefix(userAgent, "curl/") }

// accepted returns the weight of each format in thousandths, from 0 for "not that" to 1000 (RFC 9110 sections 12.4.2
// and 12.5.1): that of the most specific range that matches. Without the header everything is welcome. An element that is
// not well-formed counts for nothing; of parameters only the weight counts.
func accepted(header []string) (weights [formats]int) {
	if len(header) == 0 {
		return [formats]int{1000, 1000, 1000}
	}
	var specific [formats]int
	for _, rest := range header {
		for more := true; more; {
			var element string
			element, rest, more = cutUnquoted(rest, ',')
			kind, parameters, _ := cutUnquoted(element, ';')
			main, sub, _ := strings.Cut(strings.Trim(kind, " \t"), "/")
			weight, ok := weightOf(parameters)
			if !ok {
				continue
			}
			for f, media := range formatMedia {
				s := specificity(main, sub, media.main, media.sub)
				if s > specific[f] || s > 0 && s == specific[f] && weight > weights[f] {
					specific[f], weights[f] = s, weight
				}
			}
		}
	}
	return weights
}

// specificity is 0 for a range that does not match, and grows with what it says.
func specificity(main, sub, wantMain, wantSub string) int {
	switch {
	case main == "*" && sub == "*":
		return 1
	case !strings.EqualFold(main, wantMain):
		return 0
	case sub == "*":
		return 2
	case strings.EqualFold(sub, wantSub):
		return 3
	}
	return 0
}

// weightOf finds q among the parameters, which is 1 if it is not there. ok is false if it is no weight.
func weightOf(parameters string) (weight int, ok bool) {
	for more := true; more; {
		var parameter string
		parameter, parameters, more = cutUnquoted(parameters, ';')
		name, value, _ := strings.Cut(strings.Trim(parameter, " \t"), "=")
		if strings.EqualFold(name, "q") {
			return parseWeight(value)
		}
	}
	return 1000, true
}

// parseWeight reads 0 to 1 with up to three digits after the point.
func parseWeight(s string) (thousandths int, ok bool) {
	if s == "" || len(s) > len("0.000") || s[0] != '0' && s[0] != '1' || len(s) > 1 && s[1] != '.' {
		return 0, false
	}
	thousandths = int(s[0]-'0') * 1000
	for i, unit := 2, 100; i < len(s); i, unit = i+1, unit/10 {
		if !isDigit(s[i]) {
			return 0, false
		}
		thousandths += int(s[i]-'0') * unit
	}
	return thousandths, thousandths <= 1000
}

// cutUnquoted is strings.Cut at a separator outside of quoted strings (RFC 9110 section 5.6.4).
func cutUnquoted(s string, separator byte) (before, after string, found bool) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == separator && !quoted:
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}
