package logfile

import (
	"encoding"
	"encoding/binary"
	"fmt"
	"log/slog"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// serviceKey is the JSON key of the service's name.
const serviceKey = "service"

// line is one record while it is rendered.
type line struct {
	buf  []byte
	keys []string // JSON keys in use, those of the innermost object last
}

// maxScratch is the size from which a line's memory is not kept.
const maxScratch = 64 << 10

func (o *Observer) newLine() *line {
	l := o.scratch.Get().(*line)
	if cap(l.buf) > maxScratch {
		l.buf = nil
	}
	l.buf, l.keys = l.buf[:0], l.keys[:0]
	return l
}

// stamp is the time of one second, rendered.
type stamp struct {
	second int64
	text   []byte // 2026-11-20T09:16:43+0000
	clock  []byte // 09:16:43
	zone   []byte // Z or +01:00
}

func (o *Observer) stampOf(t time.Time) *stamp {
	second := t.Unix()
	if s := o.stamps.Load(); s != nil && s.second == second {
		return s
	}
	t = t.In(o.zone)
	s := &stamp{second: second, text: t.AppendFormat(nil, "2006-01-02T15:04:05-0700"), clock: t.AppendFormat(nil, time.TimeOnly), zone: t.AppendFormat(nil, "Z07:00")}
	o.stamps.Store(s)
	return s
}

func serviceName(name string) string {
	if name == "" {
		return "-"
	}
	return name
}

// head returns what stands between time and message, the same for all records of a service and level.
func (o *Observer) head(name string, level slog.Level) []byte {
	i := levelIndex(level)
	b := []byte{' ', '['}
	switch o.format {
	case Raw:
		return nil
	case JSON:
		b = append([]byte(`"level":"`), levelNames[i]...)
		b = append(appendJSON(append(b, `","service":`...), serviceName(name)), `,"msg":`...)
		return b
	case Console:
		word := [...]string{"DEBUG", "INFO ", "WARN ", "ERROR"}[i]
		if !o.color {
			return escape(append([]byte("  "+word+"  "), serviceName(name)...), 9)
		}
		shade := [...]string{"\x1b[2m", "\x1b[32m", "\x1b[33m", "\x1b[1;31m"}[i]
		b = append([]byte("  "+shade+word+"\x1b[0m  \x1b[36m"), escape([]byte(serviceName(name)), 0)...)
		return append(b, "\x1b[0m"...)
	case system:
		b = []byte{byte('0' + i), '['}
	}
	b = escape(append(b, serviceName(name)...), 2)
	return append(append(append(b, '#'), levelNames[i]...), "] "...)
}

// begin writes what stands before the message.
func (l *line) begin(o *Observer, t time.Time, head []byte) {
	switch o.format {
	case Raw:
	case JSON:
		l.buf = append(l.buf, '{')
		if !t.IsZero() {
			s := o.stampOf(t)
			ms := t.Nanosecond() / 1e6
			l.buf = append(append(l.buf, `"time":"`...), s.text[:19]...)
			l.buf = append(l.buf, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
			l.buf = append(append(l.buf, s.zone...), `",`...)
		}
	case Console:
		l.buf = append(l.buf, o.stampOf(t).clock...)
	case Text:
		l.buf = append(l.buf, o.stampOf(t).text...)
	}
	l.buf = append(l.buf, head...)
	if o.format == Console {
		l.buf = append(l.buf, ' ', ' ')
	}
}

// addMessage writes the message, without the newlines at its end.
func addMessage[T string | []byte](l *line, o *Observer, text T) {
	if o.format == JSON {
		l.buf = appendJSON(l.buf, text)
		return
	}
	start := len(l.buf)
	l.buf = append(l.buf, text...)
	for len(l.buf) > start && (l.buf[len(l.buf)-1] == '\n' || l.buf[len(l.buf)-1] == '\r') {
		l.buf = l.buf[:len(l.buf)-1]
	}
	if o.format != Raw {
		l.buf = escape(l.buf, start)
	}
}

func (l *line) end(o *Observer) {
	if o.format == JSON {
		l.buf = append(l.buf, '}')
	}
	l.buf = append(l.buf, '\n')
}

// printable reports whether p is ASCII without control characters, as access log lines are. It looks at eight bytes at once.
func printable(p []byte) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for ; len(p) >= 8; p = p[8:] {
		x := binary.LittleEndian.Uint64(p)
		// Per byte: above 0x7f, then 0x7f itself, then below 0x20.
		if (x|(x+ones))&high != 0 || ((x|high)-0x20*ones)&high != high {
			return false
		}
	}
	for _, c := range p {
		if c-0x20 >= 0x5f {
			return false
		}
	}
	return true
}

// escape makes b[start:] one record of text: a tab follows each newline, and other control characters, with which a
// client could command a terminal, are spelled out.
func escape(b []byte, start int) []byte {
	if printable(b[start:]) {
		return b
	}
	text := string(b[start:])
	b = b[:start]
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == '\n':
			b = append(b, '\n', '\t')
		case r == '\r' && i+1 < len(text) && text[i+1] == '\n':
		case r == utf8.RuneError && size == 1:
			b = fmt.Appendf(b, `\x%02x`, text[i])
		case r == '\t' || !unicode.IsControl(r):
			b = append(b, text[i:i+size]...)
		case r < 0x80:
			b = fmt.Appendf(b, `\x%02x`, r)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
		i += size
	}
	return b
}

// textAttr writes ` key=value`; the keys of a group are joined by dots.
func (l *line) textAttr(prefix string, a slog.Attr, color bool) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range v.Group() {
			l.textAttr(prefix, member, color)
		}
		return
	}
	if a.Key == "" && v.Equal(slog.Value{}) {
		return
	}
	l.buf = append(l.buf, ' ')
	if color {
		l.buf = append(l.buf, "\x1b[2m"...)
	}
	start := len(l.buf)
	l.buf = append(append(l.buf, prefix...), a.Key...)
	l.quote(start)
	l.buf = append(l.buf, '=')
	if color {
		l.buf = append(l.buf, "\x1b[0m"...)
	}
	start = len(l.buf)
	l.buf = appendValue(l.buf, v)
	l.quote(start)
}

// quote puts what was written from start on in quotes if it would not be one word.
func (l *line) quote(start int) {
	word := l.buf[start:]
	plain := len(word) > 0 && printable(word)
	for i := 0; plain && i < len(word); i++ {
		plain = word[i] != ' ' && word[i] != '=' && word[i] != '"' && word[i] != '\\'
	}
	if !plain {
		l.buf = strconv.AppendQuote(l.buf[:start], string(word))
	}
}

func appendValue(b []byte, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindString:
		return append(b, v.String()...)
	case slog.KindInt64:
		return strconv.AppendInt(b, v.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(b, v.Uint64(), 10)
	case slog.KindFloat64:
		return strconv.AppendFloat(b, v.Float64(), 'g', -1, 64)
	case slog.KindBool:
		return strconv.AppendBool(b, v.Bool())
	case slog.KindDuration:
		return append(b, v.Duration().String()...)
	case slog.KindTime:
		return v.Time().AppendFormat(b, time.RFC3339Nano)
	}
	return appendAny(b, v.Any())
}

// appendAny survives methods of the value that panic: a log must not take a service down.
func appendAny(b []byte, v any) (out []byte) {
	defer func() {
		if r := recover(); r != nil {
			out = fmt.Appendf(b, "!PANIC: %v", r)
		}
	}()
	switch x := v.(type) {
	case []byte:
		return append(b, x...)
	case error: // fmt catches the panics of these two and knows nil pointers
	case fmt.Stringer:
	case encoding.TextMarshaler:
		text, err := x.MarshalText()
		if err != nil {
			return fmt.Appendf(b, "!ERROR: %v", err)
		}
		return append(b, text...)
	}
	return fmt.Appendf(b, "%+v", v)
}
