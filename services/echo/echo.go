// Package echo is the `echo` of gtwistd: it sends bytes back to whoever sent them (RFC 862), over TCP, UDP and unix
// sockets at once. It is also the example to copy for a new plugin:
//
//	echo.go      the plugin, its options, and Make, which checks them and binds
//	server.go    Serve: from bound sockets to the last goroutine's end
//	stream.go    what is done with a connection
//	datagram.go  what is done with a datagram
//	guard.go     which datagrams are answered, so that no loop arises
//
// The runner owns sockets and connections; this package owns one goroutine for each socket and each connection, and
// Serve waits for all of them. docs/plugins.md explains how a plugin is written, docs/echo.md how this one is used.
package echo

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
)

// Plugin returns the description of the echo service.
func Plugin() plugins.Plugin {
	return plugins.Plugin{
		Name:    "echo",
		Summary: "send bytes back to the sender, over TCP, UDP and unix sockets",
		Example: `gtwistd -n echo
gtwistd echo --listen tcp:7 --listen udp:7   # the standard ports, as root
gtwistd -n echo --listen tcp:7007:interface=127.0.0.1 --listen unix:/run/echo.sock --idle-timeout 5m`,
		New: func() plugins.Maker { return &options{listen: []string{"tcp:7007"}} },
	}
}

// options is what the command line says.
type options struct {
	listen      []string
	idleTimeout time.Duration
}

// Flags implements plugins.Maker.
func (o *options) Flags(fs *pflag.FlagSet) {
	fs.StringArrayVar(&o.listen, "listen", o.listen,
		"listen on this `ENDPOINT`, such as tcp:7007, udp:7007 or unix:/run/echo.sock; may be repeated")
	fs.Var((*plugins.Duration)(&o.idleTimeout), "idle-timeout",
		"close a connection whose client neither sends nor takes its bytes for this `TIME`, such as 90s or 5m; 0 is never")
}

// Make implements plugins.Maker.
func (o *options) Make(ctx context.Context, env *plugins.Env) (plugins.Service, error) {
	if len(o.listen) == 0 {
		return nil, plugins.Usagef("--listen: no endpoint given")
	}
	s := &server{log: env.Log, idleTimeout: o.idleTimeout}
	for _, spec := range o.listen {
		if err := s.bind(ctx, env, spec); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// bind adds one socket to those of the server. After an error, env closes what was bound before.
func (s *server) bind(ctx context.Context, env *plugins.Env, spec string) error {
	// The types of endpoints are not case-sensitive.
	if kind, _, _ := strings.Cut(spec, ":"); strings.EqualFold(kind, "udp") {
		pc, err := env.ListenPacket(ctx, spec)
		if err != nil {
			return err
		}
		s.packets = append(s.packets, pc)
		return nil
	}
	ln, err := env.Listen(ctx, spec)
	if err != nil {
		return err
	}
	s.streams = append(s.streams, ln)
	return nil
}
