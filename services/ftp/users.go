package ftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/services/ftp/accounts"
)

// attempt is somebody who wants to log in.
type attempt struct {
	name, password string
	client         netip.Addr // invalid on a unix socket
}

// user is somebody who has logged in.
type user struct {
	name      string
	anonymous bool
	root      *os.Root
	path      string            // of root, absolute, links resolved
	account   *accounts.Session // rights, quota and bandwidth
	leave     func()            // called once, at the logout or when nothing is left of the session
}

var (
	// errLogin says that there is no such user, or that the password is another. Nobody is told which.
	errLogin = errors.New("wrong user or password")
	// errNoRoot says that the directory of a user whose password was right cannot be opened.
	errNoRoot = errors.New("the user's directory cannot be opened")
)

// isDenied says whether the client is told no more than of a wrong password.
func isDenied(err error) bool {
	return isAny(err, errLogin, accounts.ErrDisabled, accounts.ErrNetwork, accounts.ErrName)
}

// login decides who logs in, and as whom; the error is errLogin, plugins.ErrFull, one of accounts, or what went wrong.
func (s *server) login(ctx context.Context, a attempt) (*user, error) {
	u := &user{name: a.name}
	var err error
	switch {
	case s.isAnonymous(a.name):
		u.name, u.anonymous = anonymousName, true
		u.account, err = s.book.LoginAnonymous(a.client)
	case s.users == nil:
		err = errLogin
	default:
		u.account, err = s.authenticate(ctx, a)
	}
	if err != nil {
		return nil, err
	}
	if err = s.env.Pool.Do(ctx, func() error { return s.settle(u) }); err != nil {
		u.account.Close()
		return nil, err
	}
	return u, nil
}

// userNames returns what lists the users of the password file, nil if there is none.
func (s *server) userNames() func() []string {
	if s.users == nil {
		return nil
	}
	return s.users.Names
}

// checkNames looks for users whose password nobody would ask for.
func (s *server) checkNames() error {
	if s.users == nil {
		return nil
	}
	for _, name := range s.users.Names() {
		if s.isAnonymous(name) {
			return &plugins.UsageError{Reason: fmt.Sprintf("%q is anonymous here, and asked for no password", name), Suggestion: "rename that user, or say --anonymous off"}
		}
	}
	return nil
}

// maxAbsent is how many users without a directory have a record each, and how many with one that does not serve.
const maxAbsent = 10

// checkBook says whether a users file can be meant: it fails if nobody knows the passwords or a directory is missing; one that has
// the user's name in it may be made later. It makes blocking calls.
func (s *server) checkBook(ctx context.Context, book *accounts.Book) error {
	if s.users == nil && book.HasUsers() {
		return &plugins.UsageError{Reason: "it has users, and nobody knows their passwords", Suggestion: "add --auth FILE"}
	}
	wrong, absent := &accounts.Error{}, 0
	for _, home := range book.Homes() {
		if home.Root == s.dir {
			continue
		}
		err := isDirectory(home.Root)
		switch {
		case err == nil:
			continue
		case !home.Named:
			e := home.Error(err)
			wrong.Path, wrong.Problems = e.Path, append(wrong.Problems, e.Problems...)
			continue
		}
		if absent++; absent <= maxAbsent {
			s.log.WarnContext(ctx, "a user cannot log in", "user", home.User, "error", home.Error(err))
		}
	}
	if absent > maxAbsent {
		s.log.WarnContext(ctx, "more users cannot log in for want of a directory", "users", absent-maxAbsent)
	}
	if len(wrong.Problems) > 0 {
		return wrong
	}
	return nil
}

// warnOfHomes tells of directories that are there and that this process, which may have given up its rights, cannot open or
// cannot write to for those who may. It makes blocking calls.
func (s *server) warnOfHomes(ctx context.Context) {
	warned := 0
	for _, home := range s.book.Homes() {
		closed, dry := s.tryHome(home)
		if closed == nil && dry == nil {
			continue
		}
		switch warned++; {
		case warned > maxAbsent:
		case closed != nil:
			s.log.WarnContext(ctx, "this process cannot open a directory that is there for users", "user", home.User, "error", home.Error(closed))
		default:
			s.log.WarnContext(ctx, "this process cannot write to a directory of users who may: every upload there will be refused", "user", home.User, "error", home.Error(dry))
		}
	}
	if warned > maxAbsent {
		s.log.WarnContext(ctx, "this process cannot open or cannot write to more directories", "directories", warned-maxAbsent)
	}
}

// tryHome says why a directory cannot be opened or cannot be written to. That one of a user is missing is checkBook's to
// tell; another has been there, and is not after a --chroot.
func (s *server) tryHome(home accounts.Home) (closed, dry error) {
	if home.Root == s.dir {
		return nil, nil
	}
	root, err := s.roots.retain(home.Root)
	switch {
	case home.Named && err != nil && !errors.Is(err, fs.ErrPermission):
		return nil, nil
	case err != nil:
		return bare(err), nil
	}
	defer s.roots.release(root)
	if home.Writes {
		dry = writable(root.root)
	}
	return nil, dry
}

// warnOfRoot does the same of the directory of the command line. It makes blocking calls.
func (s *server) warnOfRoot(ctx context.Context) {
	root, err := s.roots.retain(s.dir)
	if err != nil {
		s.log.WarnContext(ctx, "--root cannot be opened", "root", s.dir, "error", err)
		return
	}
	defer s.roots.release(root)
	if err := readable(root.root); err != nil {
		s.log.WarnContext(ctx, "this process cannot read the directory of --root: clients will find nothing there", "root", s.roots.path(), "error", bare(err))
		return
	}
	if !s.writable && !slices.Contains(s.book.WritableRoots(), s.dir) {
		return
	}
	if err := writable(root.root); err != nil {
		way := "--writable"
		if !s.writable {
			way = "the users file lets users write"
		}
		s.log.WarnContext(ctx, way+", but this process cannot write to the directory: every upload there will be refused", "root", s.roots.path(), "error", err)
	}
}

// enterRoot says why nobody would reach anything: all users are in the directory of the command line, which this process cannot
// enter. It makes a blocking call.
func (s *server) enterRoot() error {
	guests := s.anonymous && s.book.Anonymous().Root == s.dir
	if s.book.HasUsers() || !guests && s.users == nil {
		return nil
	}
	root, err := s.roots.retain(s.dir)
	if err != nil {
		return fmt.Errorf("--root %q: %w", s.dir, err)
	}
	defer s.roots.release(root)
	if _, err := root.root.Lstat("."); err != nil {
		return fmt.Errorf("--root %q: %w", s.dir, bare(err))
	}
	return nil
}

// readable says why a directory cannot be listed.
func readable(root *os.Root) error {
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	return dir.Close()
}

// authenticate checks the password, and whether the user may come at all: who may not is held up like one with a wrong
// password, so that neither the answer nor the time it takes says that it was right.
func (s *server) authenticate(ctx context.Context, a attempt) (*accounts.Session, error) {
	try, err := s.guard.Try(ctx, a.client, a.name)
	if err != nil {
		return nil, err
	}
	right, err := s.users.Verify(ctx, a.name, a.password)
	if err != nil {
		try.Abandon()
		return nil, err
	}
	var session *accounts.Session
	if err = errLogin; right {
		session, err = s.book.Login(a.name, a.client)
	}
	penalty := try.Done(!isDenied(err))
	if err == nil {
		return session, nil
	}
	if penalty.Ban > 0 {
		s.log.WarnContext(ctx, "client banned", "client", a.client.String(), "user", a.name, "duration", penalty.Ban)
	}
	if ended := penalty.Wait(ctx); ended != nil {
		return nil, ended
	}
	return nil, err
}

// settle takes the user's root.
func (s *server) settle(u *user) error {
	dir := u.account.Root()
	shared, err := s.roots.retain(dir)
	if err != nil {
		return fmt.Errorf("%w: %q: %w", errNoRoot, dir, bare(err))
	}
	u.root, u.path = shared.root, shared.path
	u.account.Found(shared.path)
	u.leave = func() {
		s.roots.release(shared)
		u.account.Close()
	}
	return nil
}

func (s *server) isAnonymous(name string) bool {
	return s.anonymous && (name == s.anonymousName || strings.EqualFold(name, "ftp"))
}

// loggedIn takes note of who the client is.
func (c *session) loggedIn(name string, u *user, err error) {
	c.mu.Lock()
	secure := c.secure
	switch {
	case err == nil:
		c.user = u
	default:
		c.failure = refusedLogin(err)
	}
	c.mu.Unlock()
	log := c.log.With("user", name)
	if c.srv.isAnonymous(name) && name != anonymousName {
		log = c.log.With("user", anonymousName, "name", name)
	}
	log = log.With("tls", secure)
	switch {
	case err == nil:
		log.Info("login")
	case isDenied(err), errors.Is(err, accounts.ErrSessions), errors.As(err, new(*accounts.BannedError)):
		log.Warn("login refused", "reason", err)
	case errors.Is(err, context.Canceled):
		log.Info("login broken off")
	default:
		log.Error("login failed", "error", err)
	}
}

// refusedLogin says why somebody is not logged in.
func refusedLogin(err error) *failure {
	banned, isBanned := errors.AsType[*accounts.BannedError](err)
	switch {
	case isDenied(err):
		return &failure{530, "Login incorrect."}
	case isBanned:
		return &failure{530, sentence(banned.Error())}
	case errors.Is(err, errNoRoot):
		return &failure{530, "Your directory is not there."}
	case errors.Is(err, accounts.ErrSessions):
		return &failure{421, sentence(err.Error())}
	case errors.Is(err, plugins.ErrFull):
		return &failure{421, "Too many logins at the moment, try again later."}
	case errors.Is(err, context.Canceled):
		return &failure{421, "The server stops."}
	}
	return &failure{421, "The password cannot be checked at the moment."}
}
