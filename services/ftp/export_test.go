package ftp

import (
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
