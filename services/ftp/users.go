package ftp

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
)

// permissions are what a user may do.
type permissions uint16

const (
	mayRead   permissions = 1 << iota // RETR, HASH
	mayList                           // LIST, NLST, MLSD, STAT
	mayWrite                          // STOR, APPE: new files, and more of or instead of those that are there
	mayDelete                         // DELE, RMD
	mayRename                         // RNFR, RNTO
	mayMake                           // MKD
	mayChange                         // MFMT

	readOnly = mayRead | mayList
	all      = readOnly | mayWrite | mayDelete | mayRename | mayMake | mayChange
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
	path      string // of root, absolute, links resolved
	may       permissions
	meter     meter  // nil without quota and bandwidth
	leave     func() // when the session has ended; nil if there is nothing to do
}

// meter bounds what a user takes. It is safe for concurrent use.
type meter interface {
	// Wait delays a transfer by as long as n bytes take.
	Wait(ctx context.Context, upload bool, n int) error
	// Grow asks for n more bytes of disk, fewer if negative. An error means that there is no more.
	Grow(n int64) error
}

// errLogin says that there is no such user, or that the password is another. Nobody is told which.
var errLogin = errors.New("wrong user or password")

// login finds out who somebody is. The error is errLogin, plugins.ErrFull, or what went wrong.
func (s *server) login(ctx context.Context, a attempt) (*user, error) {
	if s.isAnonymous(a.name) {
		may := readOnly
		if s.writable && s.users == nil {
			may = all
		}
		return &user{name: anonymousName, anonymous: true, root: s.root, path: s.path, may: may}, nil
	}
	if s.users == nil {
		return nil, errLogin
	}
	right, err := s.users.Verify(ctx, a.name, a.password)
	switch {
	case err != nil:
		return nil, err
	case !right:
		return nil, errLogin
	}
	may := readOnly
	if s.writable {
		may = all
	}
	return &user{name: a.name, root: s.root, path: s.path, may: may}, nil
}

func (s *server) isAnonymous(name string) bool {
	return s.anonymous && (name == s.anonymousName || strings.EqualFold(name, "ftp"))
}
