package lane

import (
	"bytes"
	"math"
	"net/netip"
)

// Request is the head of a GET or HEAD request that has no body and no header that would make its answer depend on more than
// is here. All slices point into a buffer that is used again after the answer.
type Request struct {
	Head bool // HEAD instead of GET

	// The request line, and what it consists of, as it came; what has not come is empty.
	Line, Method, Target, Proto []byte

	Path  []byte // of the target; it begins with one slash, and has no percent sign, dot segment, hidden name or empty segment
	Query []byte // behind the question mark, without it
	Host  []byte // with its port, if it came with one

	AcceptEncoding  []byte // nil means that there is none
	IfNoneMatch     []byte
	IfModifiedSince []byte

	Referer, UserAgent []byte // for the record
	ForwardedFor       []byte // X-Forwarded-For

	// Client is the address of the peer, invalid for a unix socket, and Address the same as text, empty there. TLS tells whether the
	// connection is under it.
	Client  netip.Addr
	Address string
	TLS     bool

	last bool // the client wants the connection closed
}

// head is what is known of a request whose header section has come in whole.
type head struct {
	size   int   // bytes, the empty line included; 0 if only net/http can tell
	body   int64 // bytes that follow; loose if nobody but net/http can tell
	simple bool  // the Request that it was parsed into may be answered from memory
}

// loose is the length of what does not end before the connection does, as far as this package is concerned.
const loose = math.MaxInt64

// scan looks for the end of a header section while it comes. It knows the line endings that net/http takes.
type scan struct {
	line int  // length of the first line with its end, 0 while it has not come whole
	at   int  // what is before are whole lines, none of them empty
	odd  bool // one of them does not end with CRLF, as RFC 9112 section 2.2 wants it, or the first one is empty
}

// end returns the length of the header section at the start of b, or 0 if its end has not come yet. It is called again with
// the same bytes and those that have come besides.
func (s *scan) end(b []byte) (size int) {
	for {
		i := bytes.IndexByte(b[s.at:], '\n')
		if i < 0 {
			return 0
		}
		n := i
		if n > 0 && b[s.at+n-1] == '\r' {
			n--
		} else {
			s.odd = true
		}
		if n == 0 {
			s.odd = s.odd || s.at == 0
			return s.at + i + 1
		}
		s.at += i + 1
		if s.line == 0 {
			s.line = s.at
		}
	}
}

// parse reads the header section b, whose lines all end with CRLF, into r. What is unusual in any way is not simple; what may
// be wrong has a loose body, so that it is net/http that judges it.
func (r *Request) parse(b []byte) head {
	h := head{size: len(b), simple: true}
	line, rest := cutLine(b)
	if !r.parseLine(line) {
		h.simple = false
	}
	if !usualLine(line) {
		h.body = loose
		return h
	}
	hosts := 0
	for {
		line, rest = cutLine(rest)
		if len(line) == 0 {
			break
		}
		name, value, ok := cutField(line)
		if !ok {
			h.simple, h.body = false, loose
			return h
		}
		r.take(&h, name, value, &hosts)
	}
	if hosts != 1 || !usualHost(r.Host) {
		h.simple = false
	}
	return h
}

// take notes one field.
func (r *Request) take(h *head, name, value []byte, hosts *int) {
	switch len(name) {
	case 4:
		if fold(name, "host") {
			r.Host = value
			*hosts++
		}
	case 5:
		h.simple = h.simple && !fold(name, "range")
	case 6:
		h.simple = h.simple && !fold(name, "expect")
	case 7:
		switch {
		case fold(name, "referer") && r.Referer == nil:
			r.Referer = value
		case fold(name, "upgrade"):
			h.simple = false
		}
	case 8:
		h.simple = h.simple && !fold(name, "if-match") && !fold(name, "if-range")
	case 10:
		switch {
		case fold(name, "user-agent") && r.UserAgent == nil:
			r.UserAgent = value
		case fold(name, "connection"):
			switch {
			case fold(value, "close"):
				r.last = true
			case !fold(value, "keep-alive"):
				h.simple = false
			}
		}
	case 13:
		if fold(name, "if-none-match") {
			h.simple = h.simple && r.IfNoneMatch == nil && len(value) > 0
			r.IfNoneMatch = value
		}
	case 14:
		if fold(name, "content-length") {
			length, ok := decimal(value)
			if !ok || h.body != 0 {
				length = loose
			}
			h.simple, h.body = false, length
		}
	case 15:
		if fold(name, "x-forwarded-for") {
			h.simple = h.simple && r.ForwardedFor == nil && len(value) > 0
			r.ForwardedFor = value
		}
		if fold(name, "accept-encoding") {
			h.simple = h.simple && r.AcceptEncoding == nil
			r.AcceptEncoding = value
		}
	case 17:
		switch {
		case fold(name, "if-modified-since"):
			h.simple = h.simple && r.IfModifiedSince == nil && len(value) > 0
			r.IfModifiedSince = value
		case fold(name, "transfer-encoding"):
			h.simple, h.body = false, loose
		}
	case 19:
		h.simple = h.simple && !fold(name, "if-unmodified-since")
	}
}

// parseLine takes a request line apart, and is false if it is none of "GET /plain/path?query HTTP/1.1".
func (r *Request) parseLine(line []byte) bool {
	method, rest, _ := bytes.Cut(line, []byte(" "))
	target, version, _ := bytes.Cut(rest, []byte(" "))
	r.Line, r.Method, r.Target, r.Proto = line, method, target, version
	switch string(method) {
	case "GET":
	case "HEAD":
		r.Head = true
	default:
		return false
	}
	if string(version) != "HTTP/1.1" {
		return false
	}
	r.Path, r.Query, _ = bytes.Cut(target, []byte("?"))
	return plainPath(r.Path) && visible(r.Query)
}

// usualLine says whether the line ends like that of an HTTP/1 request. The preface of HTTP/2 does not.
func usualLine(line []byte) bool {
	line = bytes.TrimRight(line, "\r\n")
	return bytes.HasSuffix(line, []byte(" HTTP/1.1")) || bytes.HasSuffix(line, []byte(" HTTP/1.0"))
}

func cutLine(b []byte) (line, rest []byte) {
	i := bytes.IndexByte(b, '\n')
	return b[:i-1], b[i+1:]
}

// cutField takes "Name: value" apart, as RFC 9112 section 5 writes it. ok is false for a name that is no token, which
// includes white space at the start of the line or before the colon, and for a value with control characters.
func cutField(line []byte) (name, value []byte, ok bool) {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return nil, nil, false
	}
	for _, c := range line[:colon] {
		if class[c]&token == 0 {
			return nil, nil, false
		}
	}
	for _, c := range line[colon+1:] {
		if class[c]&field == 0 {
			return nil, nil, false
		}
	}
	return line[:colon], trim(line[colon+1:]), true
}

// trim takes white space away, but unlike bytes.Trim leaves an empty slice of an empty one: nil means that there is no field.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// fold compares with a lower-case word.
func fold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// decimal reads digits and nothing else, fewer than an int64 has.
func decimal(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, true
}

// plainPath says whether the path of a URL is spelled as the name of a file is, and names nothing hidden.
func plainPath(p []byte) bool {
	if len(p) == 0 || p[0] != '/' {
		return false
	}
	before := byte(0)
	for _, c := range p {
		if class[c]&plain == 0 || before == '/' && (c == '/' || c == '.') {
			return false
		}
		before = c
	}
	return true
}

// usualHost takes names, addresses and ports.
func usualHost(h []byte) bool {
	for _, c := range h {
		if class[c]&host == 0 {
			return false
		}
	}
	return len(h) > 0
}

func visible(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// The classes of bytes: RFC 9110 section 5.6.2, section 5.5, RFC 3986 section 3.3 without percent signs, section 3.2.2.
const (
	token = 1 << iota
	field
	plain
	host
)

var class = classes()

func classes() (t [256]uint8) {
	for c := range t {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
		if letter || bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), byte(c)) >= 0 {
			t[c] |= token
		}
		if c >= ' ' && c != 0x7f || c == '\t' {
			t[c] |= field
		}
		if letter || bytes.IndexByte([]byte("-._~!$&'()*+,;=:@/"), byte(c)) >= 0 {
			t[c] |= plain
		}
		if letter || bytes.IndexByte([]byte("-.:[]_"), byte(c)) >= 0 {
			t[c] |= host
		}
	}
	return t
}
