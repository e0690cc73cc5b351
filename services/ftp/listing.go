package ftp

import (
	"encoding/binary"
	"io/fs"
	"net"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gtwistd/gtwistd/internal/part"
)

// A listing that the library would make costs it more than the directory costs the disk. So it gets an empty one, or one of a
// file, whose first write the data connection exchanges for this.

const (
	// What the listings under way keep of names, in bytes: maxNames together, and freeNames of each besides. A directory is
	// sorted as far as there is room for its names: one of some hundred thousand in pieces.
	maxNames  = 64 << 20
	freeNames = 64 << 10
	mostNames = 16 << 20 // of one listing
	nameStep  = 256 << 10

	// itemCost is what an item takes besides its name, with the room that a growing list has to spare.
	itemCost = 40

	// maxStat is how many lines the answer to STAT may have.
	maxStat = 5000
)

// listing is a directory on its way to a client: the names of all or a part of it, and what else is to be said is looked up
// while they are sent. One goroutine uses it.
type listing struct {
	files   *files
	folder  *folder // nil if there is text that needs none
	rel     string  // below the root
	real    string  // absolute, links resolved, with a separator at the end; "" if nothing private can be there
	pattern string  // of path.Match; "" is all
	verb    string
	prefix  string // of names in NLST

	items []item   // read, and not yet sent
	parts []string // of uploads, which are not shown
	end   bool     // the directory has no more
	kept  int64    // bytes, of items
	room  int64    // taken of the server's
	began time.Time
	now   int64 // began, in seconds since 1970
	dates calendar

	text    []byte   // all of it, nil if it has to be rendered
	shelved *shelved // whose text that is, nil if nobody else's
	copy    []byte   // what was rendered so far, nil if it will not be kept
	stamp   stamp
	changes int // when it began, see shelf
}

// openListing makes blocking calls. The caller closes it.
func (f *files) openListing(rel, pattern, verb string) (*listing, error) {
	if f.isPrivate(rel) {
		return nil, notExist(rel)
	}
	folder, err := openFolder(f.user.root, rel)
	if err != nil {
		return nil, err
	}
	l := &listing{files: f, folder: folder, rel: rel, pattern: pattern, verb: verb, prefix: relativeTo(f.session.context.Path(), oneLine(path.Join("/", rel))), began: time.Now()}
	l.now = l.began.Unix()
	if f.guarded() {
		if real := f.inFull(f.resolve(rel)); f.session.srv.below(real) != "" {
			l.real = strings.TrimSuffix(real, string(filepath.Separator)) + string(filepath.Separator)
		}
	}
	if l.isLasting() {
		if l.stamp = folder.stamp(); l.stamp != (stamp{}) {
			l.shelved, l.changes = f.session.srv.shelf.get(l.place(), l.stamp, l.began)
		}
	}
	if l.shelved != nil {
		l.text = l.shelved.text
		return l, nil
	}
	if err := l.fill(); err != nil {
		l.close()
		return nil, err
	}
	l.copy = l.newCopy()
	return l, nil
}

// listingOf is LIST of one file. The library would write other dates than we do of a directory.
func (f *files) listingOf(name string, info fs.FileInfo) *listing {
	l := &listing{files: f, verb: "LIST", now: time.Now().Unix()}
	found := factsOf(info)
	l.text = l.appendList(nil, &found, name)
	return l
}

// statMark stands before a line of LIST in the place of a name in STAT: the session sends what is behind it, not the library's.
const statMark = "\x00"

// forStat makes a line of LIST the name.
func (e *entry) forStat(line []byte) *entry {
	e.name = statMark + strings.TrimSuffix(string(line), "\r\n")
	return e
}

// close may be called once.
func (l *listing) close() {
	if l.folder != nil {
		l.folder.close()
	}
	l.files.session.srv.names.give(l.room)
	l.drop()
	if l.shelved != nil {
		l.files.session.srv.shelf.leave(l.shelved)
	}
}

func (l *listing) place() place { return place{l.files.user.path, l.rel, l.verb} }

// isLasting says whether others may be sent the same.
func (l *listing) isLasting() bool {
	return (l.verb == "LIST" || l.verb == "MLSD") && l.pattern == "" && l.real == ""
}

// newCopy returns room for what is rendered, nil if it need not be kept.
func (l *listing) newCopy() []byte {
	const more = 64 // bytes of a line, besides the name
	if !l.end || len(l.items) < minShelved || l.stamp == (stamp{}) || l.began.Sub(time.Unix(0, l.stamp.changed)) < l.files.session.srv.shelf.settle {
		return nil
	}
	size := int64(0)
	for _, it := range l.items {
		size += int64(more + len(it.name))
	}
	if size > mostShelved || !l.files.session.srv.shelf.room.take(size) {
		return nil
	}
	return make([]byte, 0, size)
}

// drop gives up the copy.
func (l *listing) drop() {
	if l.copy != nil {
		l.files.session.srv.shelf.room.give(int64(cap(l.copy)))
		l.copy = nil
	}
}

// keep adds to the copy, and puts it on the shelf when it is whole.
func (l *listing) keep(b []byte) {
	switch {
	case l.copy == nil:
	case len(l.copy)+len(b) > cap(l.copy), time.Since(l.began) > shelfTime:
		l.drop()
	default:
		l.copy = append(l.copy, b...)
		if len(l.items) == 0 {
			l.files.session.srv.shelf.put(l.place(), &shelved{text: l.copy, stamp: l.stamp, began: l.began}, l.changes)
			l.copy = nil
		}
	}
}

// fill reads as many names as there is room for, at least some. It makes blocking calls.
func (l *listing) fill() error {
	l.items, l.kept = l.items[:0], 0
	for !l.end && l.hasRoom() {
		had := len(l.items)
		items, size, err := l.folder.next(l.items)
		if err != nil {
			return err
		}
		l.end = len(items) == had
		l.items = items[:had+l.wanted(items[had:])]
		l.kept += int64(size + itemCost*(len(l.items)-had))
	}
	sortItems(l.items)
	return nil
}

// hasRoom says whether more names may be kept.
func (l *listing) hasRoom() bool {
	for l.kept+folderBuffer > l.room+freeNames {
		if l.kept >= mostNames || !l.files.session.srv.names.take(nameStep) {
			return len(l.items) == 0
		}
		l.room += nameStep
	}
	return true
}

// shared is a number of bytes that are shared. It is safe for concurrent use.
type shared struct {
	most int64
	used atomic.Int64
}

// take takes n bytes, if there are as many.
func (r *shared) take(n int64) bool {
	if r.used.Add(n) <= r.most {
		return true
	}
	r.give(n)
	return false
}

func (r *shared) give(n int64) { r.used.Add(-n) }

// wanted moves the items whose names are shown to the front, and returns how many they are. It also finds parts of uploads.
func (l *listing) wanted(items []item) int {
	n := 0
	for _, it := range items {
		if part.Is(it.name) {
			if len(l.parts) < maxSweep {
				l.parts = append(l.parts, it.name)
			}
			continue
		}
		if it.kind == kindOther {
			continue
		}
		if l.pattern != "" {
			if ok, err := path.Match(l.pattern, it.name); err != nil || !ok {
				continue
			}
		}
		items[n] = it
		n++
	}
	return n
}

// sortItems sorts by name. Most comparisons are of the eight bytes after what all have in common.
func sortItems(items []item) {
	if len(items) < 2 {
		return
	}
	first := items[0].name
	common := len(first)
	for _, it := range items[1:] {
		common = commonPrefix(first[:common], it.name)
	}
	for i := range items {
		var key [8]byte
		copy(key[:], items[i].name[common:])
		items[i].key = binary.BigEndian.Uint64(key[:])
	}
	slices.SortFunc(items, func(a, b item) int {
		switch {
		case a.key < b.key:
			return -1
		case a.key > b.key:
			return 1
		}
		return strings.Compare(a.name, b.name)
	})
}

func commonPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// look finds out what is to be said of an item; false if it is not shown. It makes blocking calls.
func (l *listing) look(it item) (facts, bool) {
	if l.real != "" && l.files.session.srv.private(l.real+it.name) {
		return facts{}, false
	}
	if l.verb == "NLST" && (it.kind == kindFile || it.kind == kindDir) {
		return facts{kind: it.kind}, true
	}
	found, err := facts{kind: it.kind}, error(nil)
	if it.kind != kindLink {
		found, err = l.folder.lstat(it.name)
	}
	if err == nil && found.kind == kindLink {
		info, err := l.files.stat(path.Join(l.rel, it.name))
		if err != nil {
			return facts{}, false
		}
		return factsOf(info), true
	}
	return found, err == nil && (found.kind == kindFile || found.kind == kindDir)
}

// render adds lines until there are about as many bytes as are sent at once, or no more. It makes blocking calls.
func (l *listing) render(b []byte) ([]byte, error) {
	for len(b) < listBuffer {
		if len(l.items) == 0 {
			if l.end {
				break
			}
			if err := l.fill(); err != nil {
				return b, err
			}
			continue
		}
		it := l.items[0]
		l.items = l.items[1:]
		found, ok := l.look(it)
		switch {
		case !ok:
		case l.verb == "NLST":
			b = append(appendName(append(b, l.prefix...), it.name), "\r\n"...)
		case l.verb == "MLSD":
			b = l.appendFacts(b, &found, it.name)
		default:
			b = l.appendList(b, &found, it.name)
		}
	}
	return b, nil
}

// list sends a listing, and closes it.
func (d *dataConn) list(l *listing) error {
	if !d.session.enter() { // and the connection is perhaps not in use any more, either
		l.close()
		return net.ErrClosed
	}
	defer d.session.release()
	defer l.close()
	if l.text != nil {
		return d.repeat(l.text)
	}
	pool := d.session.srv.env.Pool
	for {
		// After 10 ms without it, the runtime would take the processor away in system calls, every 20 µs.
		runtime.Gosched()
		err := pool.Do(d.session.ctx, func() (err error) {
			d.gathered, err = l.render(d.gathered[:0])
			l.keep(d.gathered)
			return err
		})
		if err != nil {
			d.err = d.fail(err)
			return d.err
		}
		if len(d.gathered) == 0 {
			l.files.sweep(l.rel, l.parts)
			return nil
		}
		if err := d.flush(); err != nil {
			return err
		}
	}
}

// repeat sends a listing that was sent before.
func (d *dataConn) repeat(text []byte) error {
	for len(text) > 0 {
		n := min(len(text), d.chunk(false, sendChunk))
		if err := d.deliver(text[:n]); err != nil {
			return err
		}
		text = text[n:]
	}
	return nil
}

// entries are all items, as the library wants them for STAT. It makes blocking calls.
func (l *listing) entries() ([]*entry, error) {
	var list []*entry
	for {
		if len(l.items) > maxStat || len(list) > maxStat {
			return nil, errStat
		}
		for _, it := range l.items {
			if found, ok := l.look(it); ok {
				list = append(list, found.entry(it.name).forStat(l.appendList(nil, &found, it.name)))
			}
		}
		if l.end {
			return list, nil
		}
		if err := l.fill(); err != nil {
			return nil, err
		}
	}
}

// relativeTo is what goes before the names of a directory, for who is in base. Both are clean and absolute.
func relativeTo(base, dir string) string {
	up := ""
	for base != dir {
		if rest, ok := strings.CutPrefix(dir, strings.TrimSuffix(base, "/")+"/"); ok {
			return up + rest + "/"
		}
		up += "../"
		base = path.Dir(base)
	}
	return up
}

// stash keeps a listing for the data connection; false if there is no transfer for it.
func (c *session) stash(l *listing) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.transfer
	if t == nil || t.verb != l.verb || t.listing != nil {
		return false
	}
	t.listing = l
	return true
}

// takeListing returns what stash kept, once: the caller closes it.
func (c *session) takeListing(t *transfer) *listing {
	if t == nil || t.verb != "LIST" && t.verb != "NLST" && t.verb != "MLSD" {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l := t.listing
	t.listing = nil
	return l
}
