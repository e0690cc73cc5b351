package static

import (
	"bytes"
	"cmp"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// entry is one line of a listing: a directory or a regular file that a request would find.
type entry struct {
	name     string // as the file system has it, not always UTF-8
	dir      bool
	size     int64 // bytes; meaningless for a directory
	modified time.Time
}

// entries reads a directory, directories first, then by name without regard to case.
func (t *tree) entries(dir string) ([]entry, error) {
	d, err := t.root.OpenFile(dir, nonblock, 0)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	found, err := d.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	list := make([]entry, 0, len(found))
	for _, f := range found {
		if e, ok := t.entry(dir, f); ok {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b entry) int {
		switch {
		case a.dir && !b.dir:
			return -1
		case b.dir && !a.dir:
			return 1
		}
		return cmp.Or(strings.Compare(strings.ToLower(a.name), strings.ToLower(b.name)), strings.Compare(a.name, b.name))
	})
	return list, nil
}

// entry leaves out what a request would not get: hidden and private names, links that lead nowhere or out of the root, FIFOs, devices.
func (t *tree) entry(dir string, d fs.DirEntry) (entry, bool) {
	if hidden(d.Name()) || t.isPrivate(path.Join(dir, d.Name())) {
		return entry{}, false
	}
	info, err := d.Info()
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		info, err = t.root.Stat(path.Join(dir, d.Name()))
	}
	if err != nil || !info.IsDir() && !info.Mode().IsRegular() {
		return entry{}, false
	}
	return entry{name: d.Name(), dir: info.IsDir(), size: info.Size(), modified: info.ModTime()}, true
}

// Name returns the name for people.
func (e entry) Name() string {
	name := strings.ToValidUTF8(e.name, "\uFFFD")
	if e.dir {
		name += "/"
	}
	return name
}

// Link returns a reference that resolves to the entry whatever its name: "./" keeps "a:b" from being a scheme.
func (e entry) Link() string {
	link := "./" + url.PathEscape(e.name)
	if e.dir {
		link += "/"
	}
	return link
}

// Size returns the size in binary units, "" for a directory.
func (e entry) Size() string {
	if e.dir {
		return ""
	}
	if e.size < 1024 {
		return strconv.FormatInt(e.size, 10) + " B"
	}
	size, unit := float64(e.size)/1024, 0
	for size >= 1023.95 && unit < len(units)-1 {
		size /= 1024
		unit++
	}
	return strconv.FormatFloat(size, 'f', 1, 64) + " " + units[unit:unit+1] + "iB"
}

const units = "KMGTPE"

// Time returns the time of the last change for people, in UTC.
func (e entry) Time() string { return e.modified.UTC().Format("2006-01-02 15:04") }

// Datetime returns the same for programs.
func (e entry) Datetime() string { return e.modified.UTC().Format(time.RFC3339) }

func (h *Handler) list(w http.ResponseWriter, r *http.Request, name string, entries []entry) {
	title := "/"
	if name != "." {
		title += strings.ToValidUTF8(name, "\uFFFD") + "/"
	}
	var page bytes.Buffer
	err := h.listing.Execute(&page, map[string]any{"Title": title, "Parent": name != ".", "Entries": entries})
	if err != nil {
		h.fail(w, r, err)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(page.Len()))
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	_, _ = w.Write(page.Bytes()) // the client has gone: there is nobody to tell
}
