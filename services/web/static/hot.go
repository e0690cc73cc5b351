package static

import (
	"bytes"
	"context"
	"errors"
	"hash/maphash"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A file in memory is looked at again on the disk after it was used for lookAgain, by one of its readers while the others go
// on; none uses it for longer than tooOld without.
const (
	lookAgain = 500 * time.Millisecond
	tooOld    = 950 * time.Millisecond

	// smallFile is the size in bytes up to which files are kept, if so large a one is no more than a part of the memory.
	smallFile = 256 << 10

	// A file is not for memory until its last change is older than what its file system counts time in: a tick of the kernel
	// of up to 10 ms, or a second or two. Until then its time does not tell one state from the next, and it may be half written.
	tick       = 100 * time.Millisecond
	coarseTick = 2 * time.Second

	recordOverhead = 1 << 10 // bytes of memory for a file besides its content, about
	shards         = 16
)

// HotRequest is what the answer from memory depends on. The slices are only read during the call; nil means that there is no
// such header.
type HotRequest struct {
	Path                                         []byte // of the URL, plain: nothing is encoded, no segment is empty or begins with a dot
	AcceptEncoding, IfNoneMatch, IfModifiedSince []byte
}

// HotAnswer is an answer that is ready to be sent. Nobody may change its slices.
type HotAnswer struct {
	Status int
	// Head is the status line and the header, each line ended by CRLF, without Date and Connection.
	Head, Body []byte
}

// Hot answers a GET with what is in memory, and takes small files into it. It is false for anything that ServeHTTP is needed
// for. It may wait for a slot of the pool and for the disk.
func (h *Handler) Hot(ctx context.Context, r *HotRequest) (HotAnswer, bool) {
	t, prefix := h.tree.Load(), h.config.Prefix
	if t.hot == nil || len(r.Path) <= len(prefix) || string(r.Path[:len(prefix)]) != prefix || r.Path[len(prefix)] != '/' {
		return HotAnswer{}, false
	}
	key := r.Path[len(prefix)+1:]
	now := t.hot.now()
	rec := t.hot.get(key)
	if rec == nil || !rec.usable(now) {
		var err error
		if rec, err = h.refresh(ctx, t, string(key), rec); err != nil {
			return HotAnswer{}, false // ServeHTTP meets it again and knows what to say
		}
	}
	if len(rec.variants) == 0 {
		return HotAnswer{}, false
	}
	rec.used.Store(int64(now))
	v := rec.choose(r.AcceptEncoding, false)
	switch v.matches(r.IfNoneMatch, r.IfModifiedSince) {
	case matched:
		return HotAnswer{Status: http.StatusNotModified, Head: v.notModified}, true
	case differs:
		return HotAnswer{Status: http.StatusOK, Head: v.ok, Body: v.body}, true
	}
	return HotAnswer{}, false
}

// record is what is known of a request path.
type record struct {
	cost     int64
	variants []variant // none: it is not for memory
	sides    codingSet // of the variants, those that are files
	made     codingSet // and those that we made
	info     fs.FileInfo

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

// refresh asks the disk what the path stands for now. before is what was known of it, which may be nil.
func (h *Handler) refresh(ctx context.Context, t *tree, key string, before *record) (*record, error) {
	name, slash, ok := localName("/"+key, h.config.Options.Hidden)
	if !ok {
		return nil, fs.ErrNotExist
	}
	rec, res, err := h.fetch(ctx, t, key, name, slash, before)
	res.close()
	return rec, err
}

// fetch finds what a path stands for. A small file comes as a record, anything else as a resource and a record that says so.
func (h *Handler) fetch(ctx context.Context, t *tree, key, name string, slash bool, before *record) (rec *record, res resource, err error) {
	if before != nil {
		defer before.refreshing.Store(false)
	}
	now, forgotten := t.hot.now(), t.hot.forgotten.Load()
	err = h.config.Pool.Do(ctx, func() (err error) {
		if res, err = t.find(name, slash, &h.config.Options); err != nil {
			return err
		}
		rec, err = h.remember(t, &res, now, before)
		return err
	})
	if err != nil {
		if statusOf(err) < http.StatusInternalServerError {
			t.hot.remove(key) // it is not there; any other trouble may be over soon
		}
		res.close()
		return nil, resource{}, err
	}
	if len(rec.variants) > 0 {
		res.close()
		res = resource{}
	}
	if rec != before {
		t.hot.put(key, rec, forgotten)
	}
	return rec, res, nil
}

// remember makes a record of a resource. It makes blocking calls only, for the pool.
func (h *Handler) remember(t *tree, res *resource, now time.Duration, before *record) (*record, error) {
	rec := &record{cost: recordOverhead}
	rec.checked.Store(int64(now))
	rec.used.Store(int64(now))
	if res.file == nil || res.info.Size() > t.hot.largest || !t.hot.settled(res.info) {
		return rec, nil
	}
	if before.holds(res.info) && !h.config.Options.Precompressed {
		before.checked.Store(int64(now))
		return before, nil
	}
	body, after, err := whole(res.file, res.info)
	if body == nil || err != nil {
		res.info = after // what is sent from the disk is to have the tag of what is there now
		return rec, err
	}
	rec.info = res.info
	if err := h.fill(t, rec, res, body); err != nil {
		return nil, err
	}
	return rec, nil
}

// holds says whether the file is as the record was made of it.
func (r *record) holds(info fs.FileInfo) bool {
	return r != nil && r.info != nil && sameState(r.info, info)
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
			rec.variants = nil
			return nil
		case packed != nil:
			v.info = info
			rec.sides |= 1 << c
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

// hotCache holds records up to a number of bytes; those that were not used for longest leave first, about. It is safe for
// concurrent use.
type hotCache struct {
	limit   int64 // bytes of each shard
	largest int64 // bytes of a file
	clock   func() time.Time
	start   time.Time
	seed    maphash.Seed
	shards  [shards]shard

	forgotten atomic.Int64 // how often
}

type shard struct {
	mu      sync.RWMutex
	size    int64
	records map[string]*record
}

// newHotCache returns nil if nothing is to be kept.
func newHotCache(limit int64, clock func() time.Time) *hotCache {
	if limit <= 0 {
		return nil
	}
	c := &hotCache{
		limit: limit / shards, largest: min(smallFile, limit/shards/2), seed: maphash.MakeSeed(), clock: clock, start: clock(),
	}
	for i := range c.shards {
		c.shards[i].records = map[string]*record{}
	}
	return c
}

// now is the time since the start.
func (c *hotCache) now() time.Duration { return c.clock().Sub(c.start) }

// settled says whether the last change of a file was long enough ago. A file with a time to come is not settled before.
func (c *hotCache) settled(info fs.FileInfo) bool {
	changed := info.ModTime()
	if at := time.Unix(0, changeTime(info)); at.After(changed) {
		changed = at
	}
	old := tick
	if changed.Nanosecond() == 0 {
		old = coarseTick // it seems that the file system counts in seconds
	}
	return c.clock().Sub(changed) >= old
}

func (c *hotCache) get(key []byte) *record {
	s := &c.shards[maphash.Bytes(c.seed, key)%shards]
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.records[string(key)]
}

func (c *hotCache) shard(key string) *shard { return &c.shards[maphash.String(c.seed, key)%shards] }

// put keeps a record of what was read when forgotten had that value.
func (c *hotCache) put(key string, rec *record, forgotten int64) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(key)
	rec.cost += int64(len(key))
	if rec.cost > c.limit || c.forgotten.Load() != forgotten {
		return
	}
	for s.size+rec.cost > c.limit {
		s.evict()
	}
	s.size += rec.cost
	s.records[key] = rec
}

func (c *hotCache) remove(key string) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(key)
}

// forget empties the cache, also of what is being read.
func (c *hotCache) forget() {
	if c == nil {
		return
	}
	c.forgotten.Add(1)
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.size = 0
		clear(s.records)
		s.mu.Unlock()
	}
}

func (s *shard) remove(key string) {
	if rec := s.records[key]; rec != nil {
		s.size -= rec.cost
		delete(s.records, key)
	}
}

// evict removes the least recently used of some records, which a map hands out in a random order.
func (s *shard) evict() {
	const sample = 8
	oldest, looked := "", 0
	for key, rec := range s.records {
		if looked == 0 || rec.used.Load() < s.records[oldest].used.Load() {
			oldest = key
		}
		if looked++; looked == sample {
			break
		}
	}
	s.remove(oldest)
}
