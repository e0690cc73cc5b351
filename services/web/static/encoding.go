package static

import (
	"bytes"
	"net/http"
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

// best returns the coding of those that there are which the client likes best, by an Accept-Encoding header. It is identity
// when nothing else is acceptable, even if the header rules that out as well: the client may still make use of it.
func (s codingSet) best(accept []byte) coding {
	if s == 0 || len(accept) == 0 {
		return identity
	}
	var weights [identity + 1]int // in thousandths
	others, seen := 0, codingSet(0)
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
	best, most := identity, weights[identity]
	for c := range coding(codings) {
		q := weights[c]
		if !seen.has(c) {
			q = others
		}
		if s.has(c) && q > 0 && (q > most || q == most && best == identity) {
			best, most = c, q
		}
	}
	return best
}

// acceptEncoding is that header, which may be spread over several lines.
func acceptEncoding(r *http.Request) []byte {
	return []byte(strings.Join(r.Header["Accept-Encoding"], ","))
}

// weigh takes "gzip;q=0.5" apart: the weight is in thousandths, and 0 if it is none.
func weigh(item []byte) (name string, q int) {
	word, parameters, weighted := bytes.Cut(item, []byte(";"))
	name = lowerCoding(bytes.Trim(word, " \t"))
	if !weighted {
		return name, 1000
	}
	key, value, _ := bytes.Cut(bytes.Trim(parameters, " \t"), []byte("="))
	if !bytes.EqualFold(key, []byte("q")) {
		return name, 0
	}
	if q, ok := parseWeight(string(value)); ok {
		return name, q
	}
	return name, 0
}

// lowerCoding returns the name without allocating for those that are known.
func lowerCoding(b []byte) string {
	for _, known := range [...]string{"gzip", "br", "zstd", "identity", "*", "x-gzip"} {
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
