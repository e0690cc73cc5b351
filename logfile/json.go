package logfile

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// jsonAttr writes `"key":value` into the object whose keys are l.keys[base:].
func (l *line) jsonAttr(a slog.Attr, base int) {
	v := a.Value.Resolve()
	if v.Kind() != slog.KindGroup {
		if a.Key == "" && v.Equal(slog.Value{}) {
			return
		}
		l.jsonKey(a.Key, base)
		l.buf = appendJSONValue(l.buf, v)
		return
	}
	if a.Key == "" {
		for _, member := range v.Group() {
			l.jsonAttr(member, base)
		}
		return
	}
	mark, keys := len(l.buf), len(l.keys)
	l.jsonKey(a.Key, base)
	l.buf = append(l.buf, '{')
	before, inner := len(l.buf), len(l.keys)
	for _, member := range v.Group() {
		l.jsonAttr(member, inner)
	}
	if len(l.buf) == before { // an empty group is nothing
		l.buf, l.keys = l.buf[:mark], l.keys[:keys]
		return
	}
	l.buf, l.keys = append(l.buf, '}'), l.keys[:inner]
}

// jsonKey writes `,"key":`. A key that the object has already gets a number: of two equal keys a reader keeps only one.
func (l *line) jsonKey(key string, base int) {
	name := key
	for n := 2; slices.Contains(l.keys[base:], name); n++ {
		name = key + "#" + strconv.Itoa(n)
	}
	l.keys = append(l.keys, name)
	if n := len(l.buf); n > 0 && l.buf[n-1] != '{' || n == 0 {
		l.buf = append(l.buf, ',')
	}
	l.buf = append(appendJSON(l.buf, name), ':')
}

func appendJSONValue(b []byte, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindString:
		return appendJSON(b, v.String())
	case slog.KindInt64, slog.KindUint64, slog.KindBool:
		return appendValue(b, v)
	case slog.KindFloat64:
		if f := v.Float64(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return strconv.AppendFloat(b, f, 'g', -1, 64)
		}
		return appendJSON(b, strconv.FormatFloat(v.Float64(), 'g', -1, 64))
	case slog.KindDuration:
		return appendJSON(b, v.Duration().String())
	case slog.KindTime:
		return appendJSON(b, v.Time().Format(time.RFC3339Nano))
	}
	return appendJSONAny(b, v.Any())
}

// appendJSONAny writes errors as their text, other values as encoding/json does, and whatever goes wrong as a string.
func appendJSONAny(b []byte, v any) (out []byte) {
	defer func() {
		if r := recover(); r != nil {
			out = appendJSON(b, fmt.Sprintf("!PANIC: %v", r))
		}
	}()
	_, own := v.(json.Marshaler)
	_, text := v.(encoding.TextMarshaler)
	if !own && !text {
		switch v.(type) {
		case error, fmt.Stringer:
			return appendJSON(b, fmt.Sprintf("%+v", v))
		}
	}
	var w bytes.Buffer
	e := json.NewEncoder(&w)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return appendJSON(b, fmt.Sprintf("!ERROR: %v", err))
	}
	return append(b, bytes.TrimRight(w.Bytes(), "\n")...)
}

// appendJSON writes s as a JSON string (RFC 8259, section 7). Bytes that are not UTF-8 become U+FFFD.
func appendJSON[T string | []byte](b []byte, s T) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c < utf8.RuneSelf && c != '"' && c != '\\' && c != 0x7f {
			i++
			continue
		}
		r, size := rune(c), 1
		if c >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(string(s[i:min(len(s), i+utf8.UTFMax)]))
			// Up to U+009F are control characters; U+2028 and U+2029 end a line in JavaScript.
			if r > 0x9f && r != '\u2028' && r != '\u2029' && (r != utf8.RuneError || size > 1) {
				i += size
				continue
			}
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
		i += size
		start = i
	}
	return append(append(b, s[start:]...), '"')
}
