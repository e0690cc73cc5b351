package ftp

import (
	"context"
	"time"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/services/ftp/accounts"
)

// PluginWithGrace is the plugin with another time before --min-rate matters.
func PluginWithGrace(grace time.Duration) plugins.Plugin {
	p := Plugin()
	p.New = func() plugins.Maker {
		o := newOptions()
		o.limits.grace = grace
		return o
	}
	return p
}

// PluginWith is the plugin with another answer to failed logins.
func PluginWith(guard accounts.GuardOptions) plugins.Plugin {
	p := Plugin()
	p.New = func() plugins.Maker {
		o := newOptions()
		o.guard = guard
		return o
	}
	return p
}

// Watched is the plugin that tells how much data connections move at once, before they wait for the user's bandwidth. What is
// received is in the file by then, what is sent is the system's. Several transfers call at once.
func Watched(moved func(upload bool, n int)) plugins.Plugin {
	p := Plugin()
	p.New = func() plugins.Maker { return watched{newOptions(), moved} }
	return p
}

type watched struct {
	*options
	moved func(upload bool, n int)
}

func (w watched) Make(ctx context.Context, env *plugins.Env) (plugins.Service, error) {
	service, err := w.options.Make(ctx, env)
	if err == nil {
		service.(*server).moved = w.moved
	}
	return service, err
}
