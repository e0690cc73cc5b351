// Package web is the plugin that serves a directory, or a single file, over HTTP. It owns the http.Server, the access log
// and what becomes of a handler that panics; what a path means is the business of the packages below it.
package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/services/web/static"
)

const (
	defaultListen = "tcp:8080"

	accessLogOwn = "log" // into the program's own log
	accessLogOff = "off"
)

// Plugin returns the subcommand "web".
func Plugin() plugins.Plugin {
	return plugins.Plugin{
		Name:    "web",
		Summary: "serve a directory or a single file over HTTP",
		Scheme:  "http",
		Example: "gtwistd -n web\n" +
			"gtwistd -n web --port 8080 --path public\n" +
			"gtwistd web --listen tcp:8080:interface=127.0.0.1 --listen unix:web.sock --path public --access-log access.log",
		New: func() plugins.Maker { return &options{} },
	}
}

// options is what the command line says. The paths are made absolute as it is read: afterwards the program may change
// its directory (--rundir).
type options struct {
	port      string
	portGiven *pflag.Flag // tells an empty port from none
	listen    []string
	path      filePath
	static    static.Options
	accessLog filePath
}

// Flags implements plugins.Maker.
func (o *options) Flags(fs *pflag.FlagSet) {
	o.path = filePath{kind: "DIR|FILE", here: workingDirectory()}
	o.accessLog = filePath{kind: "FILE|log|off", given: accessLogOwn, words: []string{accessLogOwn, accessLogOff}}
	fs.StringVarP(&o.port, "port", "p", "",
		"listen on `PORT`: a number, or any endpoint that --listen takes (default 8080 without --listen)")
	o.portGiven = fs.Lookup("port")
	fs.StringArrayVar(&o.listen, "listen", nil,
		"listen on `ENDPOINT`, such as tcp:8080:interface=127.0.0.1 or unix:/run/web.sock; repeatable, and beside --port")
	fs.Var(&o.path, "path",
		"what to serve: the files below a directory, or one single file (default: the current directory)")
	o.static.Flags(fs)
	fs.Var(&o.accessLog, "access-log",
		"where to append one record per request, in combined format: a file, log (the program's own log) or off")
}

// Make implements plugins.Maker.
func (o *options) Make(ctx context.Context, env *plugins.Env) (plugins.Service, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &site{env: env, path: o.path.name()}
	if err := o.open(ctx, s); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (o *options) check() error {
	if o.portGiven != nil && o.portGiven.Changed && !maybeEndpoint(o.port) {
		reason, number := "not a port, nor an endpoint", "give a number such as 8080"
		if o.port == "" {
			reason, number = "no port", "leave the option out for 8080"
		}
		return &plugins.UsageError{Reason: fmt.Sprintf("--port %q: %s", o.port, reason), Suggestion: number + "; --port 0 takes a free one"}
	}
	return nil
}

// maybeEndpoint leaves numbers, and all that has the marks of an endpoint or a path, to those who know more about them.
func maybeEndpoint(s string) bool {
	return strings.ContainsAny(s, `:/\=`) || s != "" && strings.Trim(s, "0123456789") == ""
}

// open fills s, from what is most likely to be wrong to what others can see.
func (o *options) open(ctx context.Context, s *site) (err error) {
	s.files, err = static.New(static.Config{Path: o.path.path(), Options: o.static, Private: s.env.Private, Pool: s.env.Pool, Log: s.env.Log})
	var usage *plugins.UsageError
	switch {
	case errors.As(err, &usage):
		return err
	case err != nil:
		return fmt.Errorf("--path %q: %w", s.path, err)
	}
	if s.access, err = o.openAccessLog(s.env); err != nil {
		return err
	}
	for _, spec := range o.endpoints() {
		l, err := s.env.Listen(ctx, spec)
		if err != nil {
			return err
		}
		s.listeners = append(s.listeners, l)
	}
	return nil
}

func (o *options) endpoints() []string {
	list := o.listen
	if o.port != "" {
		list = append([]string{o.port}, list...)
	}
	if len(list) == 0 {
		list = []string{defaultListen}
	}
	return list
}

func (o *options) openAccessLog(env *plugins.Env) (*accessLog, error) {
	var w io.WriteCloser
	var err error
	switch o.accessLog.given {
	case accessLogOff:
		return nil, nil
	case accessLogOwn:
		w, err = env.AccessLog("")
	default:
		w, err = env.AccessLog(o.accessLog.path())
	}
	if err != nil {
		return nil, fmt.Errorf("--access-log %q: %w", o.accessLog.given, err)
	}
	return newAccessLog(w, formatCombined), nil
}
