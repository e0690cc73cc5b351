// Package web is the plugins that serve a site over HTTP and HTTPS. A site is a list of mounts: places in the space of URLs,
// each with a kind that says what is there. This package owns the servers, the access log, who may ask for what, and what
// becomes of a handler that panics; what a path means is the business of the packages below it.
package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/services/web/static"
)

const (
	defaultListen    = "tcp:8080"
	defaultListenTLS = "tcp:8443"

	accessLogOwn = "log" // into the program's own log
	accessLogOff = "off"
)

// Plugin returns the subcommand "web". A program of its own can add kinds of mounts; their names must be distinct, and none of
// "static", "proxy" and "redirect".
func Plugin(more ...Kind) plugins.Plugin {
	return plugins.Plugin{
		Name:    "web",
		Summary: "serve files, other servers and redirects over HTTP",
		Scheme:  "http",
		Example: "gtwistd -n web\n" +
			"gtwistd -n web --port 8080 --path public\n" +
			"gtwistd -n web --port auto --path public --live --open\n" +
			"gtwistd -n web --mount /=static:public --mount /api=proxy:http://127.0.0.1:9000 --mount /old=redirect:/new\n" +
			"gtwistd web --listen tcp:8080:interface=127.0.0.1 --listen unix:web.sock --path public --access-log access.log",
		Topics: topics(more),
		New:    func() plugins.Maker { return &options{more: more} },
	}
}

// SecurePlugin returns the subcommand "ssl-web": the same with TLS on.
func SecurePlugin(more ...Kind) plugins.Plugin {
	return plugins.Plugin{
		Name:    "ssl-web",
		Summary: "serve files, other servers and redirects over HTTPS",
		Scheme:  "http",
		Example: "gtwistd -n ssl-web --path public\n" +
			"gtwistd -n ssl-web --port 8443 --path public --certificate cert.pem --privkey key.pem\n" +
			"gtwistd ssl-web --port 443 --path public --acme example.org --acme www.example.org --http 80 --redirect-http",
		Topics: topics(more),
		New:    func() plugins.Maker { return &options{more: more, secure: true} },
	}
}

// options is what the command line says. The paths are made absolute as it is read: afterwards the program may change
// its directory (--rundir).
type options struct {
	more   []Kind
	secure bool // ssl-web
	kinds  []Kind

	port        string
	portGiven   *pflag.Flag // tells an empty port from none
	listen      []string
	path        plugins.Path
	mounts      mountList
	routePrefix string

	static      static.Options // of mounts that do not say otherwise
	staticFlags *pflag.FlagSet
	common      common
	commonFlags *pflag.FlagSet

	tls    tlsOptions
	guards guards

	accessLog    plugins.Path
	accessFormat recordFormat
	qr, open     bool
	live         bool
}

// Flags implements plugins.Maker.
func (o *options) Flags(fs *pflag.FlagSet) {
	var err error
	if o.kinds, err = allKinds(o.more); err != nil {
		panic(err) // a mistake of the program's author, found at its first start
	}
	plugins.Group(fs, "Where to listen", o.listenFlags)
	plugins.Group(fs, "What to serve", o.siteFlags)
	o.staticFlags, o.commonFlags = newFlagSet(), newFlagSet()
	o.static.Flags(o.staticFlags)
	o.common.flags(o.commonFlags)
	fs.AddFlagSet(o.staticFlags)
	fs.AddFlagSet(o.commonFlags)
	plugins.Group(fs, headingAccess, o.guards.accessFlags)
	plugins.Group(fs, "TLS", func(fs *pflag.FlagSet) { o.tls.flags(fs, o.secure) })
	plugins.Group(fs, "Limits", o.guards.flags)
	plugins.Group(fs, "Log", o.logFlags)
	plugins.Group(fs, "At a terminal", o.terminalFlags)
}

func (o *options) logFlags(fs *pflag.FlagSet) {
	o.accessLog = plugins.Path{Kind: "FILE|log|off", Given: accessLogOwn, Words: []string{accessLogOwn, accessLogOff}}
	fs.Var(&o.accessLog, "access-log", "where a record of each request goes: to a file, to the program's own log (log) or nowhere (off)")
	o.accessFormat = formatCombined
	fs.Var(plugins.Choice(&o.accessFormat, formatCombined, formatJSON), "access-format", "form of the records: combined, as Apache writes it, or json, one object a line")
}

func (o *options) terminalFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&o.qr, "qr", false, "print a QR code of the address, for phones in the same network")
	fs.BoolVar(&o.open, "open", false, "open the address in the browser")
	fs.BoolVar(&o.live, "live", false, "reload pages in the browser when a file changes; the files stay as they are")
}

func newFlagSet() *pflag.FlagSet {
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	fs.SortFlags = false
	return fs
}

func (o *options) listenFlags(fs *pflag.FlagSet) {
	port, _ := o.defaults()
	fs.StringVarP(&o.port, "port", "p", "", fmt.Sprintf(
		"listen on `PORT`, or on an endpoint as --listen does; auto takes the first free port from %d on (default %d without --listen)", port, port))
	o.portGiven = fs.Lookup("port")
	fs.StringArrayVar(&o.listen, "listen", nil, fmt.Sprintf(
		"listen on `ENDPOINT`, such as tcp:%d:interface=127.0.0.1 or unix:web.sock; repeatable; see gtwistd help endpoints", port))
}

func (o *options) siteFlags(fs *pflag.FlagSet) {
	o.path = plugins.PathHere("DIR|FILE")
	o.path.Once = true // more than one directory is more than one --mount
	fs.Var(&o.path, "path", "serve the files below a directory, or a single file (default the current directory, without --mount)")
	o.mounts.kinds = o.kinds
	fs.Var(&o.mounts, "mount", "serve something else at a path, such as /api=proxy:http://127.0.0.1:9000; repeatable. Kinds: "+
		kindNames(o.kinds)+"; see gtwistd help mounts")
	fs.StringVar(&o.routePrefix, "route-prefix", "", "serve the whole site below `PATH`, as behind a proxy that leaves it in the URL")
}

// defaults are what is listened on when nothing is said.
func (o *options) defaults() (port int, endpoint string) {
	if o.tls.on(o.secure) {
		return firstAutoPortTLS, defaultListenTLS
	}
	return firstAutoPort, defaultListen
}

// Make implements plugins.Maker.
func (o *options) Make(ctx context.Context, env *plugins.Env) (plugins.Service, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &site{env: env, guards: o.guards, hsts: o.tls.strictTransport(), h2c: o.tls.h2c, announcement: plugins.Announcement{QR: o.qr, Open: o.open, Path: o.routePrefix}}
	if err := o.openSite(ctx, s); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (o *options) check() error {
	if o.portGiven != nil && o.portGiven.Changed && !maybeEndpoint(o.port) {
		port, _ := o.defaults()
		reason, number := "not a port, nor an endpoint", fmt.Sprintf("give a number such as %d", port)
		if o.port == "" {
			reason, number = "no port", fmt.Sprintf("leave the option out for %d", port)
		}
		return &plugins.UsageError{Reason: fmt.Sprintf("--port %q: %s", o.port, reason), Suggestion: number + "; --port 0 or auto takes a free one"}
	}
	if o.routePrefix != "" {
		if err := checkPath(o.routePrefix); err != nil || o.routePrefix[0] != '/' {
			return plugins.Usagef("--route-prefix %q: not a path such as /app", o.routePrefix)
		}
		o.routePrefix = strings.TrimSuffix(o.routePrefix, "/")
	}
	if o.accessLog.Given == "-" {
		return &plugins.UsageError{Reason: `--access-log "-": not a file`, Suggestion: "--access-log /dev/stdout, or ./- for a file of that name"}
	}
	if err := o.guards.check(); err != nil {
		return err
	}
	return o.tls.check(o.secure, len(o.guards.proxies.GetSlice()) > 0)
}

// maybeEndpoint leaves numbers, and all that has the marks of an endpoint or a path, to those who know more about them.
func maybeEndpoint(s string) bool {
	return s == portAuto || strings.ContainsAny(s, `:/\=`) || s != "" && strings.Trim(s, "0123456789") == ""
}

// openSite fills s, from what is most likely to be wrong to what others can see.
func (o *options) openSite(ctx context.Context, s *site) (err error) {
	if err := o.makeMounts(ctx, s); err != nil {
		return err
	}
	if s.tls, err = o.tls.make(ctx, s.env, o.secure); err != nil {
		return err
	}
	if s.access, err = o.openAccessLog(s.env); err != nil { // of which the environment knows now that it is none of the others
		return err
	}
	if o.live {
		if err := s.watch(o.routePrefix); err != nil {
			return err
		}
	}
	return o.bind(ctx, s)
}

// makeMounts makes what the command line mounts; without a word about it, that is the current directory.
func (o *options) makeMounts(ctx context.Context, s *site) error {
	specs := o.mounts.list
	if o.path.Given != "" || len(specs) == 0 {
		root := mountSpec{kind: "static", arg: o.path.Abs(), typed: o.path.Name()}
		specs = append([]mountSpec{root}, specs...)
	}
	if err := o.checkStatic(specs); err != nil {
		return err
	}
	for _, flags := range []*pflag.FlagSet{o.staticFlags, o.commonFlags} {
		if err := checkIdle(specs, flags); err != nil {
			return err
		}
	}
	for i := range specs {
		spec := &specs[i]
		spec.path = o.routePrefix + spec.path
		m, err := o.makeMount(ctx, spec, s.env)
		if err != nil {
			return err
		}
		for _, other := range s.mounts {
			if other.host == m.host && other.path == m.path {
				return errors.Join(m.close(), plugins.Usagef("%s: %s is the place of %s already", spec.name(), m.place(), other.spec.name()))
			}
		}
		s.mounts = append(s.mounts, m)
		s.router.add(m)
	}
	return s.checkRedirects()
}

// checkStatic refuses options for files where there are none.
func (o *options) checkStatic(specs []mountSpec) (err error) {
	if slices.ContainsFunc(specs, func(m mountSpec) bool { return m.kind == "static" }) {
		return nil
	}
	o.staticFlags.VisitAll(func(f *pflag.Flag) {
		if f.Changed && err == nil {
			err = &plugins.UsageError{Reason: fmt.Sprintf("--%s: there is no mount of files that it could be about", f.Name), Suggestion: "add --path DIR or a --mount of the kind static"}
		}
	})
	return err
}

// bind opens the listeners.
func (o *options) bind(ctx context.Context, s *site) error {
	if err := o.bindMain(ctx, s); err != nil {
		return err
	}
	for _, spec := range o.tls.http {
		l, err := s.env.Listen(ctx, spec)
		if err != nil {
			return err
		}
		to := &s.main
		if o.tls.redirectHTTP {
			to = &s.plain
		}
		to.listeners = append(to.listeners, l)
	}
	return nil
}

// bindMain opens what --port and --listen name.
func (o *options) bindMain(ctx context.Context, s *site) error {
	listen := s.env.Listen
	if s.tls != nil {
		listen = func(ctx context.Context, spec string) (net.Listener, error) {
			return s.env.ListenTLS(ctx, spec, s.tls.Config)
		}
	}
	port, endpoint := o.defaults()
	specs := o.listen
	switch {
	case o.port == portAuto:
		env := *s.env
		env.Listen = listen
		l, err := listenAuto(ctx, &env, port, func(port int) string { return fmt.Sprintf("tcp:%d", port) })
		if err != nil {
			return err
		}
		s.main.listeners = append(s.main.listeners, l)
	case o.port != "":
		specs = append([]string{o.port}, specs...)
	case len(specs) == 0:
		specs = []string{endpoint}
	}
	for _, spec := range specs {
		l, err := listen(ctx, spec)
		if err != nil {
			return suggestAuto(err)
		}
		s.main.listeners = append(s.main.listeners, l)
	}
	return nil
}

func (o *options) openAccessLog(env *plugins.Env) (*accessLog, error) {
	var w io.WriteCloser
	var err error
	switch o.accessLog.Given {
	case accessLogOff:
		return nil, nil
	case accessLogOwn:
		w, err = env.AccessLog("")
	default:
		w, err = env.AccessLog(o.accessLog.Abs())
	}
	if err != nil {
		return nil, fmt.Errorf("--access-log %q: %w", o.accessLog.Given, err)
	}
	return newAccessLog(w, o.accessFormat), nil
}
