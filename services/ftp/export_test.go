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

// RenameNew is renameNew.
var RenameNew = renameNew

// PluginWithRoom is the plugin with another bound of what listings keep of names, in bytes.
func PluginWithRoom(most int64) plugins.Plugin {
	p := Plugin()
	p.New = func() plugins.Maker {
		o := newOptions()
		o.names = most
		return o
	}
	return p
}

// PluginWithShelf is the plugin that keeps listings also of directories that have just changed.
func PluginWithShelf() plugins.Plugin {
	p := Plugin()
	p.New = func() plugins.Maker {
		o := newOptions()
		o.settle = -time.Hour
		return o
	}
	return p
}
