package ftp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/services/ftp/accounts"
)

// rights say what a user may do. Paths are as the user sees them, absolute. It is safe for concurrent use; the answers may
// change at a reload. An accounts.Session has them.
type rights interface {
	MayList(dir string) bool                   // LIST, NLST, MLSD, STAT
	MayStat(name string) bool                  // SIZE, MDTM, MLST
	MayDownload(name string) bool              // RETR, HASH
	MayUpload(name string, exists bool) bool   // STOR, APPE
	MaySetTime(name string) bool               // MFMT, SITE CHMOD
	MayDelete(name string) bool                // DELE, RMD
	MayMkdir(name string) bool                 // MKD
	MayRename(from, to string, over bool) bool // RNTO, over says that there is a file
}

// pace is a user's bandwidth: Wait returns when n bytes may be sent, or the next received after n. It is safe for concurrent use.
type pace interface {
	Wait(ctx context.Context, upload bool, n int) error
	// Chunk returns how many bytes, at most so many, are moved between two calls of Wait.
	Chunk(upload bool, most int) int
}

// storage is a user's quota. It is safe for concurrent use, a reservation is not.
type storage interface {
	// Begin counts an upload into a file of that size, -1 for a new one.
	Begin(ctx context.Context, size int64) (reservation, error)
	// Mkdir counts a directory that is about to be made.
	Mkdir(ctx context.Context) error
	// Removed takes back a file of that size, or, with 0, a directory.
	Removed(size int64)
	// Room returns how many bytes more may be stored, -1 for no limit.
	Room(ctx context.Context) (int64, error)
}

// reservation is the room of one upload.
type reservation interface {
	// Reserve returns how many of n bytes may be written at offset; the error says that none may.
	Reserve(offset, n int64) (int64, error)
	// Close says how large the file is now, -1 that there is none.
	Close(size int64)
}

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
	path      string // of root, absolute, links resolved
	rights    rights
	pace      pace    // nil for no limit
	storage   storage // nil for no limit
	leave     func()  // when the session has ended; nil if there is nothing to do
}

// member is an account as the files of a session need it.
type member struct{ *accounts.Session }

var (
	_ rights  = member{}
	_ pace    = member{}
	_ storage = member{}
)

// Chunk implements pace.
func (m member) Chunk(upload bool, most int) int {
	if upload {
		return m.UploadLimit().Chunk(most)
	}
	return m.DownloadLimit().Chunk(most)
}

// Begin implements storage.
func (m member) Begin(ctx context.Context, size int64) (reservation, error) {
	u, err := m.Upload(ctx, size)
	if err != nil {
		return nil, err // not a reservation that is a nil *Upload
	}
	return u, nil
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

// login is the gate for anonymous users and those of a password file.
func (s *server) login(ctx context.Context, a attempt) (*user, error) {
	u := &user{name: a.name}
	var session *accounts.Session
	var err error
	switch {
	case s.isAnonymous(a.name):
		u.name, u.anonymous = anonymousName, true
		session, err = s.book.LoginAnonymous(a.client)
	case s.users == nil:
		err = errLogin
	default:
		session, err = s.authenticate(ctx, a)
	}
	if err != nil {
		return nil, err
	}
	var shared *sharedRoot
	if err = s.env.Pool.Do(ctx, func() (err error) {
		shared, err = s.settle(session.Root())
		return err
	}); err != nil {
		session.Close()
		return nil, err
	}
	u.root, u.path = shared.root, shared.path
	m := member{session}
	u.rights, u.pace, u.storage = m, m, m
	u.leave = func() {
		s.roots.release(shared)
		session.Close()
	}
	return u, nil
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

// settle returns the user's root.
func (s *server) settle(dir string) (*sharedRoot, error) {
	shared, err := s.roots.retain(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %q: %w", errNoRoot, dir, bare(err))
	}
	return shared, nil
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
	log := c.log.With("user", name, "tls", secure)
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
