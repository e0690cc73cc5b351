package web

import (
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gtwistd/gtwistd/plugins"
)

// accessLog writes one record per request. The combined format is Apache's, with the name of the user if there was a right
// password:
//
//	127.0.0.1 - joe [20/Nov/2026:09:31:36 +0000] "GET /a.txt HTTP/1.1" 200 3 "-" "curl/7.88.1"
//
// The JSON format has one object a line, all keys in all of them, in this order; what is not known is an empty string:
//
//	{"time":"2026-11-20T09:31:36.005Z","client":"127.0.0.1","user":"joe","method":"GET","uri":"/a.txt","proto":"HTTP/1.1",
//	"host":"localhost:8080","status":200,"bytes":3,"duration_ms":0.123,"referer":"","user_agent":"curl/7.88.1"}
//
// The time is in UTC. It is safe for concurrent use.
type accessLog struct {
	io.Closer
	records plugins.RecordWriter
	format  recordFormat
	second  atomic.Pointer[second]
}

// record is what is told about one request. Its strings are read during the call of write and not kept.
type record struct {
	client         netip.Addr // invalid behind a unix socket
	address        string     // the same as text, or empty
	user           string     // who gave a right password
	method, uri    string
	proto, host    string
	line           string // method, uri and proto as they came, or empty
	referer, agent string
	status         int       // three digits
	sent           int64     // bytes of the body
	end            time.Time // when all was sent
	took           time.Duration
}

// recordFormat is how records look.
type recordFormat string

const (
	formatCombined recordFormat = "combined"
	formatJSON     recordFormat = "json"
)

// second is the text of a time, which most requests share with others.
type second struct {
	unix           int64
	combined, json string // the latter without its fraction
}

func newAccessLog(w io.WriteCloser, format recordFormat) *accessLog {
	records, ok := w.(plugins.RecordWriter)
	if !ok {
		records = &oneByOne{w: w}
	}
	return &accessLog{Closer: w, records: records, format: format}
}

// write writes one record. An error is the writer's to report.
func (a *accessLog) write(r *record) {
	b, ok := a.records.Begin(r.end)
	if !ok {
		return
	}
	defer func() { a.records.End(b) }()
	b = a.appendRecord(b, r)
}

// oneByOne makes a plugins.RecordWriter of any writer.
type oneByOne struct {
	w   io.Writer
	mu  sync.Mutex
	buf []byte
}

func (o *oneByOne) Begin(time.Time) ([]byte, bool) {
	o.mu.Lock()
	return o.buf[:0], true
}

func (o *oneByOne) End(record []byte) {
	_, _ = o.w.Write(record)
	o.buf = record
	o.mu.Unlock()
}

func (a *accessLog) appendRecord(b []byte, r *record) []byte {
	at := a.stamp(r.end)
	if a.format == formatJSON {
		return appendJSON(b, at.json, r)
	}
	return appendCombined(b, at.combined, r)
}

func (a *accessLog) stamp(at time.Time) *second {
	if s := a.second.Load(); s != nil && s.unix == at.Unix() {
		return s
	}
	utc := at.UTC()
	s := &second{at.Unix(), utc.Format("02/Jan/2006:15:04:05 -0700"), utc.Format("2006-01-02T15:04:05")}
	a.second.Store(s)
	return s
}

func appendCombined(b []byte, at string, r *record) []byte {
	b = appendClient(b, r)
	b = append(b, " - "...)
	b = appendUser(b, r.user)
	b = append(b, " ["...)
	b = append(b, at...)
	b = append(b, `] "`...)
	b = appendRequestLine(b, r)
	b = append(b, '"', ' ')
	b = append3(b, r.status)
	b = append(b, ' ')
	if r.sent == 0 {
		b = append(b, '-')
	} else {
		b = strconv.AppendInt(b, r.sent, 10)
	}
	b = append(b, ' ', '"')
	b = appendEscaped(b, orDash(r.referer))
	b = append(b, `" "`...)
	b = appendEscaped(b, orDash(r.agent))
	return append(b, '"', '\n')
}

// appendRequestLine writes what has come of it: nothing is a dash.
func appendRequestLine(b []byte, r *record) []byte {
	if r.line != "" && r.proto != "" {
		return appendEscaped(b, r.line)
	}
	b = appendEscaped(b, orDash(r.method))
	if r.uri != "" {
		b = appendEscaped(append(b, ' '), r.uri)
	}
	if r.proto != "" {
		b = appendEscaped(append(b, ' '), r.proto)
	}
	return b
}

// appendClient leaves out the zone of an address: what an interface is called may be anything.
func appendClient(b []byte, r *record) []byte {
	client := r.client
	switch {
	case r.address != "":
		return append(b, r.address...)
	case !client.IsValid():
		return append(b, '-')
	case client.Is6():
		client = client.WithZone("")
	}
	return client.AppendTo(b)
}

// appendUser also escapes spaces: the name stands without quotes.
func appendUser(b []byte, name string) []byte {
	if name == "" {
		return append(b, '-')
	}
	for {
		word, rest, more := strings.Cut(name, " ")
		b = appendEscaped(b, word)
		if !more {
			return b
		}
		b = append(b, `\x20`...)
		name = rest
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// firstOf is the value of a header that should have one.
func firstOf(h http.Header, name string) string {
	if values := h[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

const hexDigits = "0123456789ABCDEF"

// plain returns how many bytes at the start of s stand for themselves in both formats: all but those that could end a
// field or a record, or do something to a terminal. It looks at eight bytes at once.
func plain(s string) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; len(s)-i >= 8; i += 8 {
		x := word(s[i : i+8])
		quote, slash := x^'"'*ones, x^'\\'*ones
		// Per byte: above 0x7f, then 0x7f itself, a quote, a backslash, or below 0x20. A borrow reaches the next byte only if
		// there is one of them.
		if (x|(x+ones)|(quote-ones)|(slash-ones)|(x-' '*ones))&high != 0 {
			break
		}
	}
	for ; i < len(s); i++ {
		if odd[s[i]] {
			return i
		}
	}
	return len(s)
}

// word is the first eight bytes of s.
func word(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// odd are the bytes that are not plain.
var odd = func() (t [256]bool) {
	for c := range t {
		t[c] = c < ' ' || c >= 0x7f || c == '"' || c == '\\'
	}
	return t
}()

// appendEscaped writes \xNN for each byte that is not plain.
func appendEscaped(b []byte, s string) []byte {
	for {
		n := plain(s)
		b = append(b, s[:n]...)
		if n == len(s) {
			return b
		}
		b = append(b, '\\', 'x', hexDigits[s[n]>>4], hexDigits[s[n]&15])
		s = s[n+1:]
	}
}

func appendJSON(b []byte, at string, r *record) []byte {
	b = append(b, `{"time":"`...)
	b = append(b, at...)
	b = append(b, '.')
	b = append3(b, r.end.Nanosecond()/int(time.Millisecond))
	b = append(b, `Z","client":"`...)
	if r.client.IsValid() {
		b = appendClient(b, r)
	}
	b = append(b, '"')
	b = appendMember(b, "user", r.user)
	b = appendMember(b, "method", r.method)
	b = appendMember(b, "uri", r.uri)
	b = appendMember(b, "proto", r.proto)
	b = appendMember(b, "host", r.host)
	b = append(b, `,"status":`...)
	b = append3(b, r.status)
	b = append(b, `,"bytes":`...)
	b = strconv.AppendInt(b, r.sent, 10)
	b = append(b, `,"duration_ms":`...)
	micros := max(r.took.Microseconds(), 0)
	b = strconv.AppendInt(b, micros/1000, 10)
	b = append(b, '.')
	b = append3(b, int(micros%1000))
	b = appendMember(b, "referer", r.referer)
	b = appendMember(b, "user_agent", r.agent)
	return append(b, '}', '\n')
}

// append3 writes three digits.
func append3(b []byte, n int) []byte {
	return append(b, byte('0'+n/100), byte('0'+n/10%10), byte('0'+n%10))
}

func appendMember(b []byte, key, value string) []byte {
	b = append(b, ',', '"')
	b = append(b, key...)
	b = append(b, `":"`...)
	b = appendJSONText(b, value)
	return append(b, '"')
}

// appendJSONText escapes what RFC 8259 section 7 wants escaped, and what else ends a line or does something to a terminal.
// What is not UTF-8 becomes U+FFFD, a byte each.
func appendJSONText(b []byte, s string) []byte {
	for {
		n := plain(s)
		b = append(b, s[:n]...)
		if n == len(s) {
			return b
		}
		r, size := utf8.DecodeRuneInString(s[n:])
		switch {
		case r == '"', r == '\\':
			b = append(b, '\\', byte(r))
		case r == utf8.RuneError && size == 1, r < 0xa0, r == '\u2028', r == '\u2029':
			b = appendUnicodeEscape(b, r)
		default:
			b = append(b, s[n:n+size]...)
		}
		s = s[n+size:]
	}
}

func appendUnicodeEscape(b []byte, r rune) []byte {
	return append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}
