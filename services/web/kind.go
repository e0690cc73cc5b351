package web

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/services/web/proxy"
	"github.com/gtwistd/gtwistd/services/web/static"
)

// Kind is a kind of mount: what may stand behind the "=" of --mount. It is a value, like a plugins.Plugin.
type Kind struct {
	// Name is the word in --mount: lower-case letters, digits and hyphens.
	Name string
	// Summary says in one line, without a full stop, what such a mount does and what its argument is.
	Summary string
	// New returns a fresh set of options, since one site may have several mounts of a kind.
	New func() Mounter
}

// Mounter holds the options of one mount while they are parsed.
type Mounter interface {
	// Flags binds the options that may follow the argument, "…,name=value", to the receiver. It is called once, before Mount.
	Flags(fs *pflag.FlagSet)

	// Mount checks options and argument and returns the handler of the place. A *plugins.UsageError is a mistake of the
	// command line, any other error one of the files or machines that it names. The handler may also be
	//
	//   - a plugins.Preparer, a plugins.Reloader and a plugins.Reporter, which are called like a service's,
	//   - a plugins.Service, whose Serve runs beside the server and ends with it,
	//   - an io.Closer, which is called when no request is under way any more, also if the start fails.
	Mount(ctx context.Context, at Place, env *plugins.Env) (http.Handler, error)
}

// Place is where a mount is.
type Place struct {
	// Host is the name that clients must have asked for, in lower case and without a port. Empty means any.
	Host string
	// Path is the beginning of the URL paths that belong to the mount, without a slash at its end: "" for all of a host,
	// "/files" for /files and what is below it. The requests that the handler gets have their whole path.
	Path string
	// Arg is what stands behind the kind, "/srv/site" in "static:/srv/site". Empty means that there was none.
	Arg string
	// Header is part of every answer. It is set when ServeHTTP is called; only a handler that writes an answer in another way
	// has to see to it.
	Header http.Header
	// Origins are the other sites whose scripts may change things here, such as "https://example.org". Scripts of all others
	// may at most read.
	Origins []string
}

// builtIn are the kinds that every site has.
func builtIn() []Kind {
	return []Kind{
		{"static", "the files below a directory, or a single file: static:/srv/site", func() Mounter { return &staticMount{} }},
		{"proxy", "what another server answers: proxy:http://127.0.0.1:9000 or proxy:unix:/run/app.sock", func() Mounter { return &proxyMount{} }},
		{"redirect", "send clients to another URL: redirect:https://example.org", func() Mounter { return &redirectMount{} }},
	}
}

// allKinds checks the kinds that a program adds. An error is a mistake of the program's author.
func allKinds(more []Kind) ([]Kind, error) {
	kinds := builtIn()
	for _, k := range more {
		if k.Name == "" || strings.Trim(k.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return nil, fmt.Errorf("kind %q: a name is lower-case letters, digits and hyphens", k.Name)
		}
		if _, twice := kindOf(kinds, k.Name); twice {
			return nil, fmt.Errorf("kind %s: listed twice", k.Name)
		}
		if k.New == nil {
			return nil, fmt.Errorf("kind %s: no New function", k.Name)
		}
		kinds = append(kinds, k)
	}
	return kinds, nil
}

func kindOf(kinds []Kind, name string) (Kind, bool) {
	for _, k := range kinds {
		if k.Name == name {
			return k, true
		}
	}
	return Kind{}, false
}

func kindNames(kinds []Kind) string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.Name)
	}
	return strings.Join(names, ", ")
}

// staticMount makes the mount of a tree of files.
type staticMount struct{ options static.Options }

// Flags implements Mounter.
func (m *staticMount) Flags(fs *pflag.FlagSet) { m.options.Flags(fs) }

// Mount implements Mounter.
func (m *staticMount) Mount(_ context.Context, at Place, env *plugins.Env) (http.Handler, error) {
	if at.Arg == "" {
		return nil, &plugins.UsageError{Reason: "static: no directory", Suggestion: "name one: static:."}
	}
	dir, err := filepath.Abs(at.Arg) // now: afterwards the program may change its directory
	if err != nil {
		return nil, err
	}
	h, err := static.New(static.Config{
		Path: dir, Prefix: at.Path, Options: m.options, Header: at.Header, Origins: at.Origins,
		Private: env.Private, PrivateBelow: env.PrivateBelow, PrivateFile: env.PrivateFile, Pool: env.Pool, Log: env.Log,
	})
	if err != nil {
		return nil, err
	}
	return h, nil
}

// proxyMount makes the mount of another server.
type proxyMount struct{ options proxy.Options }

// Flags implements Mounter.
func (m *proxyMount) Flags(fs *pflag.FlagSet) { m.options.Flags(fs) }

// Mount implements Mounter.
func (m *proxyMount) Mount(ctx context.Context, at Place, env *plugins.Env) (http.Handler, error) {
	h, err := proxy.New(ctx, at.Path, at.Arg, &m.options, env)
	if err != nil {
		return nil, err
	}
	return h, nil
}
