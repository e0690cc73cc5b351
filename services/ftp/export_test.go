package ftp

import (
	"context"
	"time"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/services/ftp/accounts"
)

// adjusted is the plugin with other options than the command line can give, and a service that is changed before it serves.
// Either may be nil.
func adjusted(options func(*options), service func(*server)) plugins.Plugin {
	p := Plugin()
	p.New = func() plugins.Maker {
		o := newOptions()
		if options != nil {
			options(o)
		}
		return adjustment{o, service}
	}
	return p
}

type adjustment struct {
	*options
	service func(*server)
}

// Make implements plugins.Maker.
func (a adjustment) Make(ctx context.Context, env *plugins.Env) (plugins.Service, error) {
	service, err := a.options.Make(ctx, env)
	if err == nil && a.service != nil {
		a.service(service.(*server))
	}
	return service, err
}

// PluginWithGrace is the plugin with another time before --min-rate matters.
func PluginWithGrace(grace time.Duration) plugins.Plugin {
	return adjusted(func(o *options) { o.limits.grace = grace }, nil)
}

// PluginWith is the plugin with another answer to failed logins.
func PluginWith(guard accounts.GuardOptions) plugins.Plugin {
	return adjusted(func(o *options) { o.guard = guard }, nil)
}

// PluginWithRoom is the plugin with another bound of what listings keep of names, in bytes.
func PluginWithRoom(most int64) plugins.Plugin {
	return adjusted(func(o *options) { o.names = most }, nil)
}

// PluginWithShelf is the plugin that keeps listings also of directories that have just changed.
func PluginWithShelf() plugins.Plugin { return WatchedShelf(nil) }

// WatchedShelf is PluginWithShelf that tells what Watched does.
func WatchedShelf(moved func(upload bool, n int)) plugins.Plugin {
	return adjusted(func(o *options) { o.settle = -time.Hour }, func(s *server) { s.moved = moved })
}

// OnShelf is how many bytes of room listings take that are kept, or still being sent.
func OnShelf(service plugins.Service) int64 { return service.(*server).shelf.room.used.Load() }

// Watched is the plugin that tells how much data connections move at once, before they wait for the user's bandwidth. What is
// received is in the file by then, what is sent is the system's. Several transfers call at once.
func Watched(moved func(upload bool, n int)) plugins.Plugin {
	return adjusted(nil, func(s *server) { s.moved = moved })
}

// Hasty is the plugin that waits no longer than that for data connections and TLS handshakes.
func Hasty(wait time.Duration) plugins.Plugin {
	return adjusted(nil, func(s *server) { s.connect, s.handshake = wait, wait })
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

// PartName is partName.
var PartName = partName
