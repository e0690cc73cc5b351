package ftp

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
)

// rights say what a user may do. Paths are as the user sees them, absolute. It is safe for concurrent use; the answers may
// change at a reload. An accounts.Session has them.
type rights interface {
	MayList(dir string) bool                   // LIST, NLST, MLSD, STAT
	MayStat(name string) bool                  // SIZE, MDTM, MLST
	MayDownload(name string) bool              // RETR, HASH
	MayUpload(name string, exists bool) bool   // STOR, APPE
	MaySetTime(name string) bool               // MFMT
	MayDelete(name string) bool                // DELE, RMD
	MayMkdir(name string) bool                 // MKD
	MayRename(from, to string, over bool) bool // RNTO, over says that there is a file
}

// everywhere are the same rights for all paths: to read, and perhaps to write.
type everywhere struct{ write bool }

// MayList implements rights.
func (everywhere) MayList(string) bool { return true }

// MayStat implements rights.
func (everywhere) MayStat(string) bool { return true }

// MayDownload implements rights.
func (everywhere) MayDownload(string) bool { return true }

// MayUpload implements rights.
func (e everywhere) MayUpload(string, bool) bool { return e.write }

// MaySetTime implements rights.
func (e everywhere) MaySetTime(string) bool { return e.write }

// MayDelete implements rights.
func (e everywhere) MayDelete(string) bool { return e.write }

// MayMkdir implements rights.
func (e everywhere) MayMkdir(string) bool { return e.write }

// MayRename implements rights.
func (e everywhere) MayRename(string, string, bool) bool { return e.write }

// pace is a user's bandwidth: Wait returns when n bytes may be sent, or the next received after n. It is safe for concurrent use.
type pace interface {
	Wait(ctx context.Context, upload bool, n int) error
}

// storage is a user's quota. It is safe for concurrent use, a reservation is not.
type storage interface {
	// Begin counts an upload into a file of that size, -1 for a new one.
	Begin(ctx context.Context, size int64) (reservation, error)
	// Mkdir counts a directory that is about to be made.
	Mkdir(ctx context.Context) error
	// Removed takes back a file of that size, or, with 0, a directory.
	Removed(size int64)
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

// errLogin says that there is no such user, or that the password is another. Nobody is told which.
var errLogin = errors.New("wrong user or password")

// login is the gate for anonymous users and those of a password file.
func (s *server) login(ctx context.Context, a attempt) (*user, error) {
	if s.isAnonymous(a.name) {
		return &user{name: anonymousName, anonymous: true, root: s.root, path: s.path, rights: everywhere{s.writable && s.users == nil}}, nil
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
	return &user{name: a.name, root: s.root, path: s.path, rights: everywhere{s.writable}}, nil
}

func (s *server) isAnonymous(name string) bool {
	return s.anonymous && (name == s.anonymousName || strings.EqualFold(name, "ftp"))
}
