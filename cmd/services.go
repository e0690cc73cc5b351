package cmd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"runtime/debug"
	"strings"

	"github.com/gtwistd/gtwistd/daemon"
	"github.com/gtwistd/gtwistd/internal/pool"
	"github.com/gtwistd/gtwistd/internal/terms"
	"github.com/gtwistd/gtwistd/plugins"
)

// service is a part that was made.
type service struct {
	part
	env     *plugins.Env
	running plugins.Service
}

// makeServices makes each part in order; when it returns without an error every listener is bound.
func (r *runner) makeServices(ctx context.Context) error {
	for _, part := range r.parts {
		s := &service{part: part, env: r.environmentFor(&part)}
		if err := s.make(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, blameEnvironment(err, part.fromEnv))
		}
		r.services = append(r.services, s)
	}
	return nil
}

// prepareServices lets each service see what it may still do as that user, nil for the one who started the process.
func (r *runner) prepareServices(ctx context.Context, identity *daemon.Identity) error {
	for _, s := range r.services {
		err := s.prepare(ctx)
		if err == nil {
			continue
		}
		err = fmt.Errorf("%s: %w", s.name, blameEnvironment(err, s.fromEnv))
		if identity != nil && errors.Is(err, fs.ErrPermission) && hintOf(err) == "" {
			err = &exitError{err, exitCode(err), fmt.Sprintf("after --uid the process is %s, who has no right to it", identity.Name)}
		}
		return err
	}
	return nil
}

// blameEnvironment lets a usage error name the variables that nobody sees on the command line.
func blameEnvironment(err error, variables []string) error {
	var usage *plugins.UsageError
	if len(variables) == 0 || !errors.As(err, &usage) {
		return err
	}
	return &plugins.UsageError{
		Reason:     fmt.Sprintf("%v (%s is set in the environment)", err, strings.Join(variables, ", ")),
		Suggestion: usage.Suggestion,
	}
}

func (r *runner) environmentFor(part *part) *plugins.Env {
	name := part.name
	blame := func(err error, spec string) error {
		err = terms.Usage(err)
		usage, ok := errors.AsType[*plugins.UsageError](err)
		if option := part.listener(spec); ok && option != "" {
			return &plugins.UsageError{Reason: option + ": " + usage.Reason, Suggestion: usage.Suggestion}
		}
		return err
	}
	return &plugins.Env{
		Name: name,
		Log:  r.logs.observer.Logger(name),
		Pool: servicePool{r.pool},
		Listen: func(ctx context.Context, spec string) (net.Listener, error) {
			l, err := r.endpoints.Listen(ctx, name, spec)
			return l, blame(err, spec)
		},
		ListenPacket: func(ctx context.Context, spec string) (net.PacketConn, error) {
			c, err := r.endpoints.ListenPacket(ctx, name, spec)
			return c, blame(err, spec)
		},
		TLS: func(_ context.Context, o plugins.TLSOptions) (*plugins.TLS, error) {
			return terms.TLS(r.certs, &r.secrets, r.startDir, o)
		},
		ListenTLS: func(ctx context.Context, spec string, c *tls.Config) (net.Listener, error) {
			l, err := r.endpoints.ListenTLS(ctx, name, spec, c)
			return l, blame(err, spec)
		},
		AccessLog: r.accessLog(name),
		Users:     r.users,
		Private:   r.private, PrivateBelow: r.privateBelow, PrivateFile: r.secrets.Is, Hide: r.secrets.Add,
	}
}

// servicePool speaks the vocabulary of package plugins.
type servicePool struct{ *pool.Pool }

func (p servicePool) Do(ctx context.Context, fn func() error) error {
	err := p.Pool.Do(ctx, fn)
	if errors.Is(err, pool.ErrFull) {
		return plugins.ErrFull
	}
	return err
}

func (s *service) make(ctx context.Context) (err error) {
	defer recoverInto(&err, s.env.Log)
	s.running, err = s.maker.Make(ctx, s.env)
	return err
}

func (s *service) prepare(ctx context.Context) (err error) {
	preparer, ok := s.running.(plugins.Preparer)
	if !ok {
		return nil
	}
	defer recoverInto(&err, s.env.Log)
	return preparer.Prepare(ctx)
}

// serve returns nil only if the service ended because ctx did.
func (s *service) serve(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", s.name, err)
		}
	}()
	defer recoverInto(&err, s.env.Log)
	if err := s.running.Serve(ctx); err != nil {
		return err
	}
	if ctx.Err() == nil {
		return errors.New("ended without being asked to")
	}
	return nil
}

func (s *service) reload(ctx context.Context) (err error) {
	reloader, ok := s.running.(plugins.Reloader)
	if !ok {
		return nil
	}
	defer recoverInto(&err, s.env.Log)
	if err := reloader.Reload(ctx); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}

// leave lets the service tell its clients. A panic keeps nobody from the end.
func (s *service) leave(ctx context.Context) {
	var panicked error
	defer recoverInto(&panicked, s.env.Log)
	if l, ok := s.running.(plugins.Leaver); ok {
		l.Leave(ctx)
	}
}

// report is what the service says about itself, nothing if it has nothing to say.
func (s *service) report() []slog.Attr {
	if reporter, ok := s.running.(plugins.Reporter); ok {
		return reporter.Report()
	}
	return nil
}

// recoverInto turns a panic into an error, so that one service cannot take the others' shutdown with it. The stack goes
// to the log.
func recoverInto(err *error, log *slog.Logger) {
	if v := recover(); v != nil {
		log.Error(fmt.Sprintf("panic: %v\n%s", v, debug.Stack()))
		*err = fmt.Errorf("panic: %v", v)
	}
}
