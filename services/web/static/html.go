package static

import (
	"html"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// maxCrumbs is how many parents of a directory a page has links to. Each costs three bytes for each level.
	maxCrumbs = 8

	// textPiece is how much text is escaped at a time, in bytes, each of which may become five.
	textPiece = maxRow / 5
)

// html writes the page for people.
func (p *page) html(y layout, prefix string, l *listing, o order) {
	for _, piece := range y.pieces {
		p.room(len(piece.text))
		p.add(piece.text)
		switch piece.slot {
		case "title":
			p.escape(visible(path.Join("/", prefix, l.name)))
			if l.name != "." || prefix != "" {
				p.add("/")
			}
		case "crumbs":
			p.crumbs(prefix, l.name)
		case "summary":
			p.summary(l)
		case "archive":
			p.archive(l)
		case "columns":
			p.columns(l, o)
		case "parent":
			p.parent(l)
		case "rows":
			p.rows(l)
		case "note":
			p.note(l)
		case "upload":
			p.upload(l)
		case "readme":
			p.readme(l.readme)
		case "formats":
			p.formats(l)
		}
		if p.room(0); p.over() {
			return
		}
	}
}

func (p *page) escape(s string) { p.add(html.EscapeString(s)) }

// crumbs are links to the parents, by relative URLs, for a proxy in front may call everything otherwise.
func (p *page) crumbs(prefix, name string) {
	segments := []string{prefix}
	if name != "." {
		segments = append(segments, strings.Split(name, "/")...)
	}
	for i, segment := range segments {
		above := len(segments) - 1 - i
		if i > 0 && above > maxCrumbs {
			continue // the URLs of all of them would grow with the square of the depth
		}
		if i > 0 && above == maxCrumbs {
			segment = "…"
		}
		p.add("<li>")
		p.crumb(segment, above)
		p.add("</li>\n")
		p.room(0)
	}
}

func (p *page) crumb(segment string, above int) {
	tag, end, home := `<span aria-current="page"`, "</span>", "Home"
	if above > 0 {
		tag, end, home = `<a href="`+strings.Repeat("../", above)+`"`, "</a>", `<span class="unseen">Home</span>`
	}
	p.add(tag)
	if segment == "" {
		p.add(` class="home">` + home)
	} else {
		p.add(">")
		p.escape(visible(segment))
	}
	p.add(end)
}

func (p *page) summary(l *listing) {
	directories, bytes := 0, int64(0)
	for i := range l.entries {
		if l.entries[i].isDir() {
			directories++
		} else {
			bytes += l.entries[i].size
		}
	}
	files := len(l.entries) - directories
	switch {
	case len(l.entries) == 0:
		p.add("0 files")
	case l.cut:
		p.add("More than ")
	}
	if directories > 0 {
		p.count(directories, "directory", "directories")
	}
	if directories > 0 && files > 0 {
		p.add(", ")
	}
	if files > 0 {
		p.count(files, "file", "files")
		p.add(", ")
		p.buf = appendSize(p.buf, bytes)
	}
}

func (p *page) count(n int, one, many string) {
	p.buf = appendGrouped(p.buf, int64(n))
	p.add(" ")
	if n == 1 {
		many = one
	}
	p.add(many)
}

func (p *page) archive(l *listing) {
	if l.archive && len(l.entries) > 0 {
		p.add(`<p>Download all: <a href="?archive=zip" rel="nofollow" download>zip</a> <a href="?archive=tar.gz" rel="nofollow" download>tar.gz</a></p>` + "\n")
	}
}

// columns are the headings, each a link to the same page in another order, which robots need not follow.
func (p *page) columns(l *listing, o order) {
	for by, title := range []string{"Name", "Size", "Modified (UTC)"} {
		p.add(`<th scope="col"`)
		switch {
		case o.by == column(by) && o.desc:
			p.add(` aria-sort="descending"`)
		case o.by == column(by):
			p.add(` aria-sort="ascending"`)
		}
		if l.mirrored {
			p.add("><span>" + title + "</span></th>")
			continue
		}
		p.add(`><a href="`)
		p.escape(o.toggled(column(by)).query())
		p.add(`" rel="nofollow">` + title + `</a></th>`)
	}
}

func (p *page) formats(l *listing) {
	if !l.mirrored {
		p.add(`<footer><p>This directory as <a href="?format=json" rel="nofollow">JSON</a> or <a href="?format=text" rel="nofollow">plain text</a></p></footer>` + "\n")
	}
}

func (p *page) parent(l *listing) {
	if l.name != "." {
		p.add(`<tbody><tr class="parent"><th scope="row"><a href="../">Parent directory</a></th><td></td><td></td></tr></tbody>` + "\n")
	}
}

func (p *page) rows(l *listing) {
	for i := range l.entries {
		p.buf = l.entries[i].appendRow(p.buf)
		if p.room(0); p.over() {
			return
		}
	}
}

func (p *page) note(l *listing) {
	switch {
	case l.cut:
		p.add(`<p class="note">… and more than the ` + strconv.Itoa(maxListed) + ` names that are listed</p>` + "\n")
	case len(l.entries) == 0:
		p.add(`<p class="note">This directory is empty.</p>` + "\n")
	}
}

func (p *page) upload(l *listing) {
	if l.upload {
		p.add(`<form method="post" enctype="multipart/form-data" action="./">
<label for="file">Upload files</label>
<input id="file" type="file" name="file" multiple required>
<button>Upload</button>
<progress max="1" aria-label="Upload" hidden></progress>
<output></output>
</form>
`)
	}
}

func (p *page) readme(r readme) {
	if r.name == "" {
		return
	}
	p.add(`<section aria-labelledby="readme"><h2 id="readme">`)
	p.escape(r.name)
	p.add("</h2>\n<pre>\n")
	for text := r.text; text != ""; {
		n := min(len(text), textPiece)
		for n < len(text) && n > textPiece-utf8.UTFMax && !utf8.RuneStart(text[n]) {
			n--
		}
		p.escape(visibleText(text[:n]))
		if p.room(0); p.over() {
			return
		}
		text = text[n:]
	}
	p.add("</pre>\n")
	if r.cut {
		p.add(`<p>That is the beginning. <a href="./` + r.name + `">All of it</a></p>` + "\n")
	}
	p.add("</section>\n")
}

// appendRow adds the entry to a page.
func (e *entry) appendRow(b []byte) []byte {
	b = append(b, `<tr`...)
	if kind := e.kind(); kind != "" {
		b = append(b, ` class="`...)
		b = append(b, kind...)
		b = append(b, '"')
	}
	b = append(b, `><th scope="row"><a href="`...)
	b = e.appendURL(b)
	b = append(b, `">`...)
	if isPlain(e.name) {
		b = append(b, e.name...)
	} else {
		b = append(b, html.EscapeString(visible(e.name))...)
	}
	if e.isDir() {
		b = append(b, `/</a></th><td>`...)
	} else {
		b = append(b, `</a></th><td title="`...)
		b = appendGrouped(b, e.size)
		b = append(b, ` bytes">`...)
		b = appendSize(b, e.size)
	}
	b = append(b, `</td><td><time datetime="`...)
	begin := len(b)
	b = e.appendTime(b)
	stamp := b[begin:]
	b = append(b, `">`...)
	day, clock, _ := strings.Cut(string(stamp), "T")
	b = append(b, day...)
	b = append(b, ' ')
	b = append(b, clock[:len("15:04")]...)
	return append(b, "</time></td></tr>\n"...)
}

// appendTime writes when the entry was changed, in UTC and to the second (RFC 3339).
func (e *entry) appendTime(b []byte) []byte {
	return time.Unix(e.modified, 0).UTC().AppendFormat(b, time.RFC3339)
}

// appendSize writes a number of bytes in binary units.
func appendSize(b []byte, n int64) []byte {
	if n < 1024 {
		return append(strconv.AppendInt(b, n, 10), " B"...)
	}
	size, unit := float64(n)/1024, 0
	for size >= 1023.95 && unit < len(units)-1 {
		size /= 1024
		unit++
	}
	b = strconv.AppendFloat(b, size, 'f', 1, 64)
	return append(b, ' ', units[unit], 'i', 'B')
}

const units = "KMGTPE"

// appendGrouped writes a number that is not negative with a comma before each three digits.
func appendGrouped(b []byte, n int64) []byte {
	if n < 1000 {
		return strconv.AppendInt(b, n, 10)
	}
	b = appendGrouped(b, n/1000)
	n %= 1000
	return append(b, ',', byte('0'+n/100), byte('0'+n/10%10), byte('0'+n%10))
}

// visible returns a name for people: what is no UTF-8, and what would break the line or turn the direction of the text,
// stands as a symbol.
func visible(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp) {
			return unicode.ReplacementChar
		}
		return visibleControl(r)
	}, name)
}

// visibleControl returns the symbol of a control character, and everything else as it is.
func visibleControl(r rune) rune {
	switch {
	case r < ' ':
		return '␀' + r
	case r == 0x7f:
		return '␡'
	case unicode.IsControl(r):
		return unicode.ReplacementChar
	}
	return r
}
