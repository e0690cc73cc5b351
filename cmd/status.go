package cmd

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/gtwistd/gtwistd/daemon"
	"github.com/gtwistd/gtwistd/internal/control"
	"github.com/gtwistd/gtwistd/internal/pool"
)

// States of the process, as `gtwistd status` shows them.
const (
	starting  = "starting"
	running   = "running"
	reloading = "reloading"
	stopping  = "stopping"
	stopped   = "stopped"
)

// startControl binds the control socket, for root and for the user that the process will run as, and answers on it until
// stop is called.
func (r *runner) startControl(identity *daemon.Identity) (stop func(), err error) {
	if r.paths.socket == "" {
		return func() {}, nil
	}
	uids := []int{0, os.Geteuid()}
	var owner *control.Owner
	if identity != nil {
		uids = append(uids, identity.UID)
		owner = &control.Owner{UID: identity.UID, GID: identity.GID}
	}
	server, err := control.Listen(r.paths.socket, owner, uids)
	if errors.Is(err, errors.ErrUnsupported) {
		r.log.Warn("control", "error", err)
		return func() {}, nil
	}
	if err != nil {
		return nil, err // names the control socket
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		err := server.Serve(ctx, r.log, control.Actions{
			Status: r.status,
			Stop:   func() { r.stopOnce.Do(func() { close(r.asked) }) },
			Reload: r.reload,
			Reopen: func(context.Context) error { return r.reopen() },
		})
		if err != nil {
			r.log.Warn("control", "error", err) // names the socket
		}
	})
	return func() {
		cancel()
		serving.Wait()
	}, nil
}

func (r *runner) status() control.Status {
	log := r.logs.observer.Stats()
	s := control.Status{
		State:         r.state.Load().(string),
		PID:           os.Getpid(),
		Version:       version(),
		Started:       r.started,
		UptimeSeconds: int64(time.Since(r.started).Seconds()),
		Pidfile:       r.paths.pidfile,
		Logfile:       r.paths.logfile,
		Rundir:        r.paths.rundir,
		LogDropped:    log.Dropped,
		Pool:          poolStatus(r.pool.Stats()),
	}
	if log.Err != nil {
		s.LogError = log.Err.Error()
	}
	for _, service := range r.services {
		s.Services = append(s.Services, r.serviceStatus(service, s.State))
	}
	return s
}

func (r *runner) serviceStatus(s *service, state string) control.Service {
	counts := r.endpoints.Counts(s.name)
	out := control.Service{
		Name: s.name, Plugin: s.plugin.Name, State: state,
		Connections: counts.Open, Accepted: counts.Accepted, Dropped: counts.Dropped,
	}
	for _, info := range r.endpoints.Listeners(s.name) {
		for _, url := range r.urlsOf(s, info) {
			out.Listeners = append(out.Listeners, control.Listener{
				URL: url, Address: info.Addr.String(), Network: info.Network, Spec: info.Spec, TLS: info.TLS,
			})
		}
	}
	for _, attr := range s.report() {
		out.Report = append(out.Report, control.Field{Name: attr.Key, Value: attr.Value.String()})
	}
	return out
}

func poolStatus(p pool.Stats) control.Pool {
	return control.Pool{
		Size: p.Size, Busy: p.Busy, Idle: p.Idle, Queued: p.Queued, QueueLimit: p.QueueLimit,
		Done: p.Done, Rejected: p.Rejected, Panics: p.Panics,
		Waited: p.Waited, WaitTotalSeconds: p.WaitTotal.Seconds(), WaitMaxSeconds: p.WaitMax.Seconds(),
	}
}
