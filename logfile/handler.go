package logfile

import (
	"context"
	"log/slog"
	"slices"
)

var _ slog.Handler = (*handler)(nil)

// handler is the slog.Handler of one service. WithAttrs renders its attributes at once, so that a record only copies
// them.
type handler struct {
	o     *Observer
	min   slog.Level
	heads [len(levelNames)][]byte

	pre    []byte   // rendered attributes, in JSON with the groups that are open
	groups []string // opened by WithGroup
	opened int      // how many of groups are open in pre; JSON only
	keys   []string // in the innermost open object; JSON only
	prefix string   // "group.group." before a key; not in JSON
}

func newHandler(o *Observer, name string) *handler {
	h := &handler{o: o, min: o.levels.Level(name)}
	for i, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		h.heads[i] = o.head(name, level)
	}
	h.keys = append(h.keys, slog.TimeKey, slog.LevelKey, serviceKey, slog.MessageKey)
	return h
}

func (h *handler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.min }

// Handle always returns nil: what the sink cannot take is the observer's matter.
func (h *handler) Handle(_ context.Context, r slog.Record) error {
	o := h.o
	t := r.Time
	if o.given || (t.IsZero() && o.format != JSON) {
		t = o.now()
	}
	l := o.newLine()
	l.begin(o, t, h.heads[levelIndex(r.Level)])
	addMessage(l, o, r.Message)
	l.buf = append(l.buf, h.pre...)
	if o.format == JSON {
		l.jsonAttrs(h, r)
	} else {
		r.Attrs(func(a slog.Attr) bool {
			l.textAttr(h.prefix, a, o.color)
			return true
		})
	}
	l.end(o)
	o.add(l.buf)
	o.scratch.Put(l)
	if r.Level >= slog.LevelError {
		o.through()
	}
	return nil
}

// jsonAttrs writes the attributes of r inside the groups of h, which appear only if there is something in them.
func (l *line) jsonAttrs(h *handler, r slog.Record) {
	l.keys = append(l.keys[:0], h.keys...)
	mark, groups := len(l.buf), h.opened
	if r.NumAttrs() > 0 {
		base := l.jsonOpen(h.groups[h.opened:])
		before := len(l.buf)
		r.Attrs(func(a slog.Attr) bool {
			l.jsonAttr(a, base)
			return true
		})
		if len(l.buf) == before {
			l.buf = l.buf[:mark]
		} else {
			groups = len(h.groups)
		}
	}
	for range groups {
		l.buf = append(l.buf, '}')
	}
}

// jsonOpen opens nested objects. The key of the first is checked against those around it; those of the innermost are
// l.keys[base:].
func (l *line) jsonOpen(groups []string) (base int) {
	for _, g := range groups {
		l.jsonKey(g, base)
		l.buf = append(l.buf, '{')
		base = len(l.keys)
	}
	return base
}

// WithAttrs returns a handler whose records all have these attributes.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	c := *h
	l := &line{buf: slices.Clone(h.pre), keys: slices.Clone(h.keys)}
	if h.o.format != JSON {
		for _, a := range attrs {
			l.textAttr(h.prefix, a, h.o.color)
		}
		c.pre = slices.Clip(l.buf)
		return &c
	}
	base := l.jsonOpen(h.groups[h.opened:])
	before := len(l.buf)
	for _, a := range attrs {
		l.jsonAttr(a, base)
	}
	if len(l.buf) == before {
		return h // nothing but empty groups
	}
	c.pre, c.opened = slices.Clip(l.buf), len(h.groups)
	c.keys = slices.Clip(l.keys[base:])
	return &c
}

// WithGroup returns a handler that puts later attributes into a group.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.groups = append(slices.Clip(h.groups), name)
	c.prefix = h.prefix + name + "."
	return &c
}
