package static

import (
	"bytes"
	"slices"
	"strings"
)

// coding is a content coding (RFC 9110 section 8.4.1). The order is that of preference.
type coding uint8

const (
	zstdCoding coding = iota
	brotliCoding
	gzipCoding
	identity
	codings = 3 // without identity
)

var codingNames = [...]string{"zstd", "br", "gzip", ""}

// sideSuffixes are those of files that hold another file in a coding.
var sideSuffixes = [codings]string{".zst", ".br", ".gz"}

// codingSet has a bit for each coding.
type codingSet uint8

func (s codingSet) has(c coding) bool { return s&(1<<c) != 0 }

// quality is a weight of RFC 9110 section 12.4.2, in thousandths.
type quality int

// best returns the coding of those that there are which the client likes best, by an Accept-Encoding header. It is identity
// when nothing else is acceptable, even if the header rules that out as well: the client may still make use of it.
func (s codingSet) best(accept []byte) coding {
	if s == 0 || len(accept) == 0 {
		return identity
	}
	var weights [identity + 1]quality
	var others quality = -1
	seen := codingSet(0)
	for item := range bytes.SplitSeq(accept, []byte(",")) {
		name, q := weigh(item)
		if name == "*" {
			others = q
			continue
		}
		if c := slices.Index(codingNames[:], strings.TrimPrefix(name, "x-")); c >= 0 {
			weights[c], seen = q, seen|1<<c
		} else if name == "identity" {
			weights[identity], seen = q, seen|1<<identity
		}
	}
	best, most := identity, quality(0)
	if seen.has(identity) {
		most = weights[identity]
	}
	for c := range coding(codings) {
		q := weights[c]
		if !seen.has(c) {
			q = max(others, 0)
		}
		if s.has(c) && q > 0 && (q > most || q == most && best == identity) {
			best, most = c, q
		}
	}
	return best
}

// weigh takes "gzip;q=0.5" apart. A weight that is none counts as 0.
func weigh(item []byte) (name string, q quality) {
	word, parameters, weighted := bytes.Cut(item, []byte(";"))
	name = lowerCoding(bytes.Trim(word, " \t"))
	if !weighted {
		return name, 1000
	}
	value, found := bytes.CutPrefix(bytes.ToLower(bytes.Trim(parameters, " \t")), []byte("q="))
	if !found || len(value) == 0 || len(value) > 5 || value[0] != '0' && value[0] != '1' || len(value) > 1 && value[1] != '.' {
		return name, 0
	}
	q = quality(value[0]-'0') * 1000
	for i, unit := 2, quality(100); i < len(value); i, unit = i+1, unit/10 {
		if value[i] < '0' || value[i] > '9' {
			return name, 0
		}
		q += quality(value[i]-'0') * unit
	}
	return name, min(q, 1000)
}

// lowerCoding returns the name without allocating for those that are known.
func lowerCoding(b []byte) string {
	for _, known := range [...]string{"gzip", "br", "zstd", "identity", "*", "x-gzip", "deflate"} {
		if bytes.EqualFold(b, []byte(known)) {
			return known
		}
	}
	return "?"
}

// compressible says whether a content type is worth compressing.
func compressible(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	if strings.HasPrefix(t, "text/") || strings.HasSuffix(t, "+json") || strings.HasSuffix(t, "+xml") {
		return true
	}
	return slices.Contains([]string{"application/json", "application/javascript", "application/xml", "application/wasm",
		"application/manifest+json", "image/svg+xml", "image/bmp", "font/ttf", "font/otf", "application/vnd.ms-fontobject"}, t)
}
