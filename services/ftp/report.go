package ftp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	ftpserver "github.com/fclairamb/ftpserverlib"

	"github.com/gtwistd/gtwistd/services/ftp/accounts"
)

// Reload implements plugins.Reloader. A file that is wrong leaves what it says as it was.
func (s *server) Reload(ctx context.Context) error {
	var errs []error
	if s.users != nil {
		if err := s.users.Reload(ctx); err != nil {
			errs = append(errs, fmt.Errorf("--auth: %w", err))
		} else if err := s.checkNames(); err != nil {
			errs = append(errs, fmt.Errorf("--auth: %w", err))
		}
	}
	if err := s.env.Pool.Do(ctx, func() error { s.hide(); return s.book.Reload(ctx) }); err != nil {
		errs = append(errs, fmt.Errorf("--users: %w", err))
	}
	s.reopen(ctx)
	s.warnOfWriters(ctx)
	if len(errs) == 0 {
		errs = append(errs, s.env.Pool.Do(ctx, func() error { s.warnOfDirectories(ctx); return nil }))
	}
	return errors.Join(errs...)
}

// reopen opens the directory of the command line anew, for those who log in from now on.
func (s *server) reopen(ctx context.Context) {
	var moved bool
	err := s.env.Pool.Do(ctx, func() (err error) {
		moved, err = s.roots.reopen()
		return err
	})
	switch {
	case err != nil: // after --chroot the path is another
		s.log.WarnContext(ctx, "--root not opened anew, the old one stays", "root", s.dir, "error", err)
	case moved:
		s.log.InfoContext(ctx, "--root is another directory now", "root", s.roots.path())
	}
}

// warnOfWriters is called at the start and after a reload, and warns of what was not so before.
func (s *server) warnOfWriters(ctx context.Context) {
	guest := s.book.Anonymous()
	now := s.anonymous && guest.MayChange()
	if before := s.openToAll.Swap(now); before || !now {
		return
	}
	way := "the users file lets anonymous clients change files; --anonymous off lets none in"
	if s.users == nil && s.writable {
		way = "--writable lets anonymous clients change and delete files; --auth FILE lets only users do that"
	}
	s.log.WarnContext(ctx, "ANYBODY CAN WRITE: "+way, "root", guest.Root, "permissions", describe(guest))
}

// Report implements plugins.Reporter.
func (s *server) Report() []slog.Attr {
	s.mu.Lock()
	sessions := len(s.sessions)
	s.mu.Unlock()
	attrs := s.terms()
	if n := s.guard.Bans(); n > 0 {
		attrs = append(attrs, slog.Int("bans", n))
	}
	if sessions > 0 {
		attrs = append(attrs, slog.Int("sessions", sessions))
	}
	if n := s.transfers.Load(); n > 0 {
		attrs = append(attrs, slog.Int64("transfers", n))
	}
	if s.tls != nil && s.tls.Report != nil {
		attrs = append(attrs, s.tls.Report()...)
	}
	return attrs
}

// terms are what does not change but at a reload.
func (s *server) terms() []slog.Attr {
	attrs := []slog.Attr{slog.String("root", s.roots.path())}
	if s.anonymous {
		attrs = append(attrs, slog.String("anonymous", describe(s.book.Anonymous())))
	}
	if s.users != nil {
		attrs = append(attrs, slog.String("users", fmt.Sprintf("%d, %s", len(s.users.Names()), s.theirRights())))
	}
	attrs = append(attrs, slog.String("tls", s.describeTLS()))
	if s.clientCA != "" {
		attrs = append(attrs, slog.String("client-ca", s.clientCA))
	}
	if s.ports.low > 0 {
		attrs = append(attrs, slog.String("passive-ports", s.ports.String()))
	}
	if list := s.publicIP.GetSlice(); len(list) > 0 {
		attrs = append(attrs, slog.String("public-ip", strings.Join(list, ", ")))
	}
	return attrs
}

// describeTLS says what there is on ordinary ports, if there are some, and on those that begin with TLS.
func (s *server) describeTLS() string {
	switch {
	case s.implicit == 0:
		return s.mode
	case s.implicit == len(s.listeners):
		return "implicit"
	}
	return s.mode + " and implicit"
}

// theirRights says in a few words what users may do.
func (s *server) theirRights() string {
	if s.usersFile != "" {
		return "as " + s.usersFile + " says"
	}
	if s.writable {
		return describe(accounts.Account{Permissions: accounts.All})
	}
	return describe(accounts.Account{Permissions: accounts.Read})
}

// describe says in a word or two what an account may do.
func describe(a accounts.Account) string {
	switch {
	case a.Disabled:
		return "off"
	case a.Permissions == accounts.All:
		return "reads and writes"
	case a.Permissions == accounts.Read:
		return "reads"
	}
	return a.Permissions.String()
}

var (
	_ ftpserver.MainDriver                         = (*library)(nil)
	_ ftpserver.MainDriverExtensionPassiveWrapper  = (*library)(nil)
	_ ftpserver.MainDriverExtensionPostAuthMessage = (*library)(nil)
)
