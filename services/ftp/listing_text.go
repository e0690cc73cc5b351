package ftp

import (
	"strconv"
	"time"
)

// appendName adds a name as oneLine makes it.
func appendName(b []byte, name string) []byte {
	start := len(b)
	b = append(b, name...)
	for i, c := range b[start:] {
		if c == '\n' || c == '\r' {
			b[start+i] = 0
		}
	}
	return b
}

const (
	day = 24 * 60 * 60 // seconds

	// halfYear is when the year matters more than the hour, for ls and so for clients, in seconds.
	halfYear = 182 * day

	stampRecent = "Jan _2 " // and hour and minute
	stampOld    = "Jan _2  2006"
	stampMLSD   = "20060102150405" // RFC 3659 section 2.3
)

// calendar writes dates. It knows what it was asked for last: the files of a directory are often of one day.
type calendar struct {
	day    int64
	layout string // "" for none yet
	text   []byte
}

// append adds the date of a time, and returns the second of the day.
func (c *calendar) append(b []byte, t int64, layout string) ([]byte, int64) {
	of, second := t/day, t%day
	if second < 0 {
		of, second = of-1, second+day
	}
	if of != c.day || layout != c.layout {
		c.day, c.layout = of, layout
		c.text = time.Unix(t, 0).UTC().AppendFormat(c.text[:0], layout)
	}
	return append(b, c.text...), second
}

func appendTwo(b []byte, n int64) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

// appendList adds a line of LIST, as of ls -l.
func (l *listing) appendList(b []byte, f *facts, name string) []byte {
	const all, width = "rwxrwxrwx", "            "
	kind := byte('-')
	if f.kind == kindDir {
		kind = 'd'
	}
	b = append(b, kind)
	for i := range len(all) {
		if f.perm&(1<<(len(all)-1-i)) != 0 {
			b = append(b, all[i])
		} else {
			b = append(b, '-')
		}
	}
	b = append(b, " 1 ftp ftp "...)
	var digits [20]byte
	size := strconv.AppendInt(digits[:0], f.size, 10)
	b = append(append(b, width[min(len(size), len(width)):]...), size...)
	b = append(b, ' ')
	if f.modified < l.now-halfYear || f.modified > l.now+halfYear {
		b, _ = l.dates.append(b, f.modified, stampOld)
	} else {
		var second int64
		b, second = l.dates.append(b, f.modified, stampRecent)
		b = appendTwo(append(appendTwo(b, second/3600), ':'), second/60%60)
	}
	return append(appendName(append(b, ' '), name), "\r\n"...)
}

// appendFacts adds a line of MLSD, with what mlstFacts says (RFC 3659 section 7).
func (l *listing) appendFacts(b []byte, f *facts, name string) []byte {
	kind := "Type=file;Size="
	if f.kind == kindDir {
		kind = "Type=dir;Size="
	}
	b = strconv.AppendInt(append(b, kind...), f.size, 10)
	b, second := l.dates.append(append(b, ";Modify="...), f.modified, stampMLSD[:8])
	b = appendTwo(appendTwo(appendTwo(b, second/3600), second/60%60), second%60)
	return append(appendName(append(b, "; "...), name), "\r\n"...)
}
