package ftp

import (
	"context"
	"time"

	"github.com/gtwistd/gtwistd/plugins"
)

// Hasty is the plugin that waits no longer than that for data connections and TLS handshakes.
func Hasty(wait time.Duration) plugins.Plugin {
	p := Plugin()
	p.New = func() plugins.Maker { return hasty{newOptions(), wait} }
	return p
}

type hasty struct {
	*options
	wait time.Duration
}

// Make implements plugins.Maker.
func (h hasty) Make(ctx context.Context, env *plugins.Env) (plugins.Service, error) {
	service, err := h.options.Make(ctx, env)
	if err != nil {
		return nil, err
	}
	s := service.(*server)
	s.connect, s.handshake = h.wait, h.wait
	return s, nil
}
