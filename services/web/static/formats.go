package static

import (
	"path"
	"strconv"
	"strings"
	"unicode/utf8"
)

// json writes one object, an entry to a line. A name that is not UTF-8 has U+FFFD in it, and is exact in its URL.
func (p *page) json(prefix string, l *listing) {
	p.add(`{"path":`)
	p.buf = appendJSON(p.buf, strings.TrimSuffix(path.Join("/", prefix, l.name), "/")+"/")
	p.add(`,"entries":[`)
	for i := range l.entries {
		if i > 0 {
			p.add(",")
		}
		p.add("\n")
		p.buf = l.entries[i].appendObject(p.buf)
		if p.room(0); p.over() {
			return
		}
	}
	p.add("\n],\"truncated\":" + strconv.FormatBool(l.cut) + "}\n")
}

func (e *entry) appendObject(b []byte) []byte {
	b = append(b, `{"name":`...)
	b = appendJSON(b, e.name)
	if e.isDir() {
		b = append(b, `,"type":"directory"`...)
	} else {
		b = append(b, `,"type":"file","size":`...)
		b = strconv.AppendInt(b, e.size, 10)
	}
	b = append(b, `,"modified":"`...)
	b = e.appendTime(b)
	b = append(b, `","url":"`...)
	b = e.appendURL(b)
	return append(b, `"}`...)
}

// appendJSON writes a string (RFC 8259 section 7).
func appendJSON(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ' || r == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

// text writes one entry to a line: time, size in bytes and name, with tabs between them. A directory has "-" for its size
// and a slash at its end. The sizes have blanks before them, so that they stand below each other.
func (p *page) text(l *listing) {
	largest := int64(0)
	for i := range l.entries {
		largest = max(largest, l.entries[i].size)
	}
	width := len(strconv.FormatInt(largest, 10))
	for i := range l.entries {
		p.buf = l.entries[i].appendLine(p.buf, width)
		if p.room(0); p.over() {
			return
		}
	}
	if l.cut {
		p.add("… and more than the " + strconv.Itoa(maxListed) + " names that are listed\n")
	}
}

func (e *entry) appendLine(b []byte, width int) []byte {
	size, slash := "-", "/"
	if !e.isDir() {
		size, slash = strconv.FormatInt(e.size, 10), ""
	}
	b = append(e.appendTime(b), '\t')
	for range width - len(size) {
		b = append(b, ' ')
	}
	b = append(b, size...)
	b = append(b, '\t')
	if isPlain(e.name) {
		b = append(b, e.name...)
	} else {
		b = append(b, visible(e.name)...)
	}
	b = append(b, slash...)
	return append(b, '\n')
}
