package static

import (
	"context"
	"io/fs"
	"net/http"
	"time"
)

// A file in memory is looked at again on the disk after it was used for lookAgain, by one of its readers while the others go
// on; none uses it for longer than tooOld without.
const (
	lookAgain = 500 * time.Millisecond
	tooOld    = 950 * time.Millisecond
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
	if res.file == nil || res.info.Size() > t.hot.largest {
		return rec, nil
	}
	if !t.hot.settled(res.info) {
		rec.checked.Add(int64(tick - lookAgain)) // it may be for memory soon
		return rec, nil
	}
	holds, err := before.holds(t, res, &h.config.Options)
	if err != nil {
		return nil, err
	}
	if holds {
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
