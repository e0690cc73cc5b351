package static

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// record is what is known of a request path.
type record struct {
	cost     int64
	variants []variant // none: it is not for memory
	sides    codingSet // of the variants, those that are files
	made     codingSet // and those that we made
	info     fs.FileInfo
	sideInfo [codings]fs.FileInfo

	checked    atomic.Int64 // when the disk was last asked, on the cache's clock
	used       atomic.Int64
	refreshing atomic.Bool
}

// variant is a file in one coding.
type variant struct {
	coding          coding
	header          http.Header
	etag            string
	modified        time.Time
	body            []byte
	ok, notModified []byte // heads
	lastModified    string
}

// usable says whether the record may be used without a look at the disk. It says no to one caller a little earlier than to all.
func (r *record) usable(now time.Duration) bool {
	age := now - time.Duration(r.checked.Load())
	return age < lookAgain || age < tooOld && !r.refreshing.CompareAndSwap(false, true)
}

// choose does as serve does from the disk: a side file comes before what we make ourselves, of which there are no parts.
func (r *record) choose(accept []byte, part bool) *variant {
	if len(r.variants) == 1 {
		return &r.variants[0]
	}
	c := r.sides.best(accept)
	if c == identity && !part {
		c = r.made.best(accept)
	}
	for i := range r.variants {
		if r.variants[i].coding == c {
			return &r.variants[i]
		}
	}
	return &r.variants[0]
}

// verdict is what the conditions of a request say.
type verdict int

const (
	differs verdict = iota
	matched
	unsure
)

// matches takes the conditions that browsers send: the validator that they once got. All else is unsure.
func (v *variant) matches(noneMatch, modifiedSince []byte) verdict {
	switch {
	case noneMatch != nil && (v.etag == "" || bytes.ContainsAny(noneMatch, ",* \t")):
		return unsure
	case noneMatch != nil:
		if string(noneMatch) == v.etag || len(noneMatch) > 2 && string(noneMatch[:2]) == "W/" && string(noneMatch[2:]) == v.etag {
			return matched
		}
		return differs
	case modifiedSince == nil:
		return differs
	case v.lastModified != "" && string(modifiedSince) == v.lastModified:
		return matched
	}
	return unsure
}

// holds says whether the file and its side files are as the record was made of them.
func (r *record) holds(t *tree, res *resource, o *Options) (bool, error) {
	if r == nil || r.info == nil || !sameState(r.info, res.info) {
		return false, nil
	}
	for c, known := range r.sideInfo {
		side, info, err := t.side(res, coding(c), o)
		if err != nil {
			return false, err
		}
		if side != nil {
			_ = side.Close() // it was only looked at
		}
		if (info == nil) != (known == nil) || info != nil && !sameState(info, known) {
			return false, nil
		}
	}
	return true, nil
}

// fill makes the variants of a file: as it is, in the codings of its side files, and in those that we make. With a side file
// that is not for memory the whole file is not: clients would get another coding.
func (h *Handler) fill(t *tree, rec *record, res *resource, body []byte) error {
	compress := h.mayCompress(res)
	res.vary = res.vary || compress
	h.addVariant(rec, res, body)
	for c := range coding(codings) {
		v := *res
		v.coding = c
		packed, info, err := t.sideContent(res, c, &h.config.Options)
		switch {
		case err != nil:
			return err
		case info != nil && packed == nil:
			rec.variants, rec.info = nil, nil
			return nil
		case packed != nil:
			v.info = info
			rec.sides |= 1 << c
			rec.sideInfo[c] = info
			h.addVariant(rec, &v, packed)
			continue
		}
		if !compress || !onTheFly.has(c) {
			continue
		}
		if packed := encoded(body, c); packed != nil {
			rec.made |= 1 << c
			h.addVariant(rec, &v, packed)
		}
	}
	return nil
}

// sideContent reads a side file. info is nil if there is none, packed if it is not for memory.
func (t *tree) sideContent(res *resource, c coding, o *Options) (packed []byte, info fs.FileInfo, err error) {
	side, info, err := t.side(res, c, o)
	if side == nil || err != nil {
		return nil, nil, err
	}
	if info.Size() <= t.hot.largest && t.hot.settled(info) {
		packed, _, err = whole(side, info)
	}
	return packed, info, errors.Join(err, side.Close())
}

func (h *Handler) addVariant(rec *record, res *resource, body []byte) {
	v := variant{coding: res.coding, body: body}
	v.etag, v.modified = validators(res.info, res.coding)
	v.header = h.header(res, v.etag)
	full := maps.Clone(h.config.Header)
	if full == nil {
		full = http.Header{}
	}
	maps.Copy(full, v.header)
	if vary := h.config.Header["Vary"]; len(vary) > 0 && res.vary {
		full["Vary"] = slices.Concat(vary, v.header["Vary"])
	}
	if !v.modified.IsZero() {
		v.lastModified = v.modified.UTC().Format(http.TimeFormat)
		full["Last-Modified"] = []string{v.lastModified}
	}
	full["Accept-Ranges"] = []string{"bytes"}
	full["Content-Length"] = []string{strconv.Itoa(len(body))}
	v.ok = appendHead(nil, http.StatusOK, full)
	for _, name := range []string{"Accept-Ranges", "Content-Length", "Content-Type", "Content-Encoding"} {
		delete(full, name)
	}
	if v.etag != "" {
		delete(full, "Last-Modified") // as http.ServeContent does, after RFC 9110 section 15.4.5
	}
	v.notModified = appendHead(nil, http.StatusNotModified, full)
	rec.variants = append(rec.variants, v)
	rec.cost += int64(len(v.body) + len(v.ok) + len(v.notModified))
}

func appendHead(b []byte, status int, header http.Header) []byte {
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	b = append(b, http.StatusText(status)...)
	b = append(b, "\r\n"...)
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, value := range header[name] {
			b = append(b, name...)
			b = append(b, ": "...)
			b = append(b, value...)
			b = append(b, "\r\n"...)
		}
	}
	return b
}

// whole reads a file that does not change meanwhile. A nil body means that it did; after is what it is then.
func whole(file *os.File, info fs.FileInfo) (body []byte, after fs.FileInfo, err error) {
	body = make([]byte, info.Size()+1)
	n, err := file.ReadAt(body, 0)
	if err != nil && err != io.EOF {
		return nil, info, err
	}
	if after, err = file.Stat(); err != nil {
		return nil, info, err
	}
	if int64(n) != info.Size() || !sameState(info, after) {
		return nil, after, nil
	}
	return body[:n:n], after, nil
}

// serve answers from memory what the fast lane does not: conditions of all kinds, ranges, HTTP/2.
func (v *variant) serve(w http.ResponseWriter, r *http.Request) {
	setHeader(w, v.header)
	sendContent(w, r, v.coding, v.modified, int64(len(v.body)), bytes.NewReader(v.body))
}
