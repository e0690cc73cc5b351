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

// AwaitNoSessions waits until nothing is left of any session; nobody may connect meanwhile. It returns how many have come since.
func AwaitNoSessions(service plugins.Service) int {
	s := service.(*server)
	s.work.Wait()
	s.mu.Lock() // which the next session does, too, before it counts
	defer s.mu.Unlock()
	return len(s.sessions)
}

// AgePublicIPs makes what host names mean as old as it may be.
func AgePublicIPs(service plugins.Service) {
	for _, rule := range service.(*server).publicIP.rules {
		rule.mu.Lock()
		rule.at = time.Now().Add(-resolvedFor)
		rule.mu.Unlock()
	}
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
func PluginWithShelf() plugins.Plugin { return WatchedShelf(nil) }

// WatchedShelf is PluginWithShelf that tells what Watched does.
func WatchedShelf(moved func(upload bool, n int)) plugins.Plugin {
	p := Plugin()
	p.New = func() plugins.Maker {
		o := newOptions()
		o.settle = -time.Hour
		return watched{o, moved}
	}
	return p
}

// OnShelf is how many bytes of room listings take that are kept, or still being sent.
func OnShelf(service plugins.Service) int64 { return service.(*server).shelf.room.used.Load() }

// PartName is partName.
var PartName = partName
