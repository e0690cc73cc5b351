package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/services/web/static"
)

// mount is a place with what is there.
type mount struct {
	spec       *mountSpec
	host, path string
	handler    http.Handler // with what the common options add
	inner      http.Handler // the kind's own
	users      plugins.Users
	guard      func(http.Handler) http.Handler // puts the common options around a handler
	files      *static.Handler                 // nil if its answers cannot come from memory
}

// makeMount makes what a spec says, with the options for all mounts.
func (o *options) makeMount(ctx context.Context, spec *mountSpec, env *plugins.Env) (*mount, error) {
	kind, _ := kindOf(o.kinds, spec.kind)
	maker, flags, defaults := kind.New(), newFlagSet(), newFlagSet()
	var own common
	own.flags(flags)
	defaults.AddFlagSet(o.commonFlags)
	if spec.kind == "static" {
		defaults.AddFlagSet(o.staticFlags)
	}
	maker.Flags(flags)
	if err := spec.apply(flags, defaults); err != nil {
		return nil, spec.blame(err)
	}
	if o.live && spec.kind == "static" {
		if err := flags.Set("memory", "0"); err != nil { // a browser comes back within milliseconds of a change
			return nil, err
		}
	}
	m := &mount{spec: spec, host: spec.host, path: spec.path}
	var err error
	if m.users, err = own.users(spec, env); err != nil {
		return nil, err
	}
	header := own.header()
	at := Place{Host: spec.host, Path: spec.path, Arg: spec.arg, Header: header, Origins: own.origins.named()}
	if m.inner, err = maker.Mount(ctx, at, env); err != nil {
		return nil, spec.blame(err)
	}
	m.guard = func(next http.Handler) http.Handler { return own.wrap(next, header, m.users, env) }
	m.handler = m.guard(m.inner)
	if files, ok := m.inner.(*static.Handler); ok && own.plain() {
		m.files = files
	}
	return m, nil
}

func (m *mount) place() string {
	if m.path == "" {
		return m.host + "/"
	}
	return m.host + m.path
}

func (m *mount) close() error {
	if c, ok := m.inner.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

func (m *mount) prepare(ctx context.Context) error {
	p, ok := m.inner.(plugins.Preparer)
	if !ok {
		return nil
	}
	if err := p.Prepare(ctx); err != nil {
		return m.spec.blame(err)
	}
	return nil
}

func (m *mount) reload(ctx context.Context, log *slog.Logger) error {
	if m.users != nil {
		if err := m.users.Reload(ctx); err != nil {
			return fmt.Errorf("%s: %w", m.spec.option("auth"), err)
		}
	}
	before := m.root()
	if r, ok := m.inner.(plugins.Reloader); ok {
		if err := r.Reload(ctx); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				// The service does not know whether there was a --chroot.
				return fmt.Errorf("%w (after --chroot it must exist inside, too)", err)
			}
			return err
		}
	}
	if now := m.root(); now != before {
		log.InfoContext(ctx, "serving another directory", "root", now, "before", before)
	}
	return nil
}

// root is the directory that is served, "" if it is none.
func (m *mount) root() string {
	if files, ok := m.inner.(*static.Handler); ok {
		return files.Root()
	}
	return ""
}
