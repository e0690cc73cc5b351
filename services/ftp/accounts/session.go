package accounts

import (
	"context"
	"path"
	"sync"
)

// Session is one user who is logged in. Its rights are those of the newest users file; only the root stays. Paths are as the
// user sees them, absolute, with slashes; they need not be clean. It is safe for concurrent use.
type Session struct {
	book  *Book
	user  *user
	root  string
	usage *usage
	close sync.Once
}

// Root is the directory that the user sees as "/", as it was at the login. Empty if nobody said one.
func (s *Session) Root() string { return s.root }

// Found says where Root is, links resolved. Who comes to one directory by several names shares its figures, and a name that
// leads elsewhere by now has those of that. It is called before all methods but Root and Close, or not at all.
func (s *Session) Found(path string) {
	if path == s.root {
		return
	}
	before := s.usage
	s.usage = s.book.usage.open(path)
	s.book.usage.close(before)
}

// Close ends the session, so that another can begin. Uploads that still run are closed first. More calls do nothing.
func (s *Session) Close() {
	s.close.Do(func() {
		s.book.mu.Lock()
		defer s.book.mu.Unlock()
		s.user.sessions--
		if s.user.sessions == 0 {
			delete(s.book.users, s.user.name)
		}
		s.book.usage.close(s.usage)
	})
}

// Wait returns when n bytes may be sent, or the next received after n. All sessions of the user share the bandwidth. The error
// is ctx's; without a limit it returns at once.
func (s *Session) Wait(ctx context.Context, upload bool, n int) error {
	return s.user.limiter(upload).Wait(ctx, n)
}

// Chunk returns how many bytes, at most so many, should be moved between two calls of Wait. A reload may change it.
func (s *Session) Chunk(upload bool, most int) int { return s.user.limiter(upload).Chunk(most) }

// MayList reports whether the names in a directory may be seen.
func (s *Session) MayList(dir string) bool { return s.may(clean(dir), List) }

// MayStat reports whether the size and the time of a file or directory may be seen, which whoever may fetch or resume it
// needs, too (SIZE, MDTM, MLST).
func (s *Session) MayStat(name string) bool {
	dir := parent(name)
	return s.may(dir, List) || s.may(dir, Download) || s.may(dir, Overwrite)
}

// MayDownload reports whether a file may be fetched.
func (s *Session) MayDownload(name string) bool { return s.may(parent(name), Download) }

// MayUpload reports whether a file may be uploaded; exists says whether there is one of that name already.
func (s *Session) MayUpload(name string, exists bool) bool {
	if exists {
		return s.may(parent(name), Overwrite)
	}
	return s.may(parent(name), Create)
}

// MaySetTime reports whether a file's time may be changed (MFMT).
func (s *Session) MaySetTime(name string) bool { return s.may(parent(name), Overwrite) }

// MayDelete reports whether a file or an empty directory may be removed. Never remove what is below a directory with it:
// rules of their own may be about that.
func (s *Session) MayDelete(name string) bool { return s.may(parent(name), Delete) }

// MayMkdir reports whether a directory may be made.
func (s *Session) MayMkdir(name string) bool { return s.may(parent(name), Mkdir) }

// MayRename reports whether a file or directory may be moved; exists says whether the new name is that of a file already.
// What the users file has a rule about, or about something below, stays where it is.
func (s *Session) MayRename(from, to string, exists bool) bool {
	a := s.user.account.Load()
	from, to = clean(from), clean(to)
	target := a.in(path.Dir(to))
	return a.in(path.Dir(from)).Has(Rename) && target.Has(Rename) && (!exists || target.Has(Overwrite)) && !a.ruled(from) && !a.ruled(to)
}

func (s *Session) may(dir string, right Permissions) bool {
	return s.user.account.Load().in(dir).Has(right)
}

// parent is the directory whose rules are about name.
func parent(name string) string { return path.Dir(clean(name)) }
