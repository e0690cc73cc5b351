package accounts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// What a user may not store, FTP 552. The texts may go to the client.
var (
	// ErrQuota: no more may be stored below the user's root.
	ErrQuota = errors.New("quota exceeded")
	// ErrTooLarge: the file would be larger than max-file-size.
	ErrTooLarge = errors.New("the file is larger than allowed")
)

// maxSize is larger than files are; sums of many such stay within an int64.
const maxSize = 1 << 53

// Upload is one file that is being written. What it reserved counts as stored, so that uploads cannot exceed the quota
// together; Close puts that right. It is not safe for concurrent use, but many uploads at once are.
//
//	err := session.Count(ctx)
//	upload, err := session.Upload(-1) // a new file
//	n, err := upload.Reserve(offset, int64(len(p)))
//	written, err := file.WriteAt(p[:n], offset) // n may be less than what was asked for
//	upload.Close(size)
type Upload struct {
	session *Session
	closed  bool

	// Written with usage.mu; size is read without by the one that writes it.
	size int64       // of the file, as far as it is counted
	file fs.FileInfo // of Hold; nil for none
	gone bool        // it has no name any more
}

// Upload begins one. size is that of the file at this moment, -1 if there is none. Limits are kept if Count was called
// before; the error is ErrQuota.
func (s *Session) Upload(size int64) (*Upload, error) {
	if size < 0 {
		if err := s.usage.takeFile(s.user.account.Load().MaxFiles); err != nil {
			return nil, err
		}
	}
	return &Upload{session: s, size: max(size, 0)}, nil
}

// Hold says which file is written, and reports whether no other upload below the same root writes it. If others remove it
// meanwhile it counts until Close, as it takes its room until then. Called within Change.
func (u *Upload) Hold(file fs.FileInfo) bool { return u.session.usage.hold(u, file) }

// Reserve asks whether n bytes may be written at offset and returns how many may, at least one unless n is 0. Fewer than n are
// what is left of the quota or of max-file-size; the next call returns ErrQuota or ErrTooLarge. To write where the file has
// bytes already is always allowed; a hole before offset counts as stored.
func (u *Upload) Reserve(offset, n int64) (int64, error) {
	if offset < 0 || n < 0 || offset > maxSize-n {
		return 0, ErrTooLarge
	}
	end, a := offset+n, u.session.user.account.Load()
	if limit := max(a.MaxFileSize, u.size); a.MaxFileSize > 0 && end > limit {
		if offset >= limit {
			return 0, fmt.Errorf("%w, at most %d bytes", ErrTooLarge, a.MaxFileSize)
		}
		end = limit
	}
	if end <= u.size {
		return end - offset, nil
	}
	if !u.session.usage.grow(u, offset, end, a.Quota) {
		return 0, ErrQuota
	}
	return u.size - offset, nil
}

// Cut says that the file was cut to that size.
func (u *Upload) Cut(size int64) {
	u.session.usage.cut(u, size)
}

// Close ends the upload of a file that now has that size, or, if that is -1, was removed by the caller. A file in whose place it
// was put is what Change tells besides. After Hold it is called within Change. More calls do nothing.
func (u *Upload) Close(size int64) {
	if u.closed {
		return
	}
	u.closed = true
	u.session.usage.end(u, size)
}

// Mkdir counts a directory that is about to be made; NoDir takes that back. Limits are kept if Count was called before; the
// error is ErrQuota.
func (s *Session) Mkdir() error { return s.usage.takeFile(s.user.account.Load().MaxFiles) }

// NoDir says that a directory was not made after all.
func (s *Session) NoDir() { s.usage.give(0, 1) }

// Change runs fn, which removes, replaces or renames something below the root, while nobody else does so through a session with
// the same root, and counts what fn says was lost: the file or directory that had a name before and has none now, as Lstat
// showed it within fn; nil for none. The error is fn's.
func (s *Session) Change(fn func() (lost fs.FileInfo, err error)) error {
	s.usage.changing.Lock()
	defer s.usage.changing.Unlock()
	lost, err := fn()
	if lost != nil {
		s.usage.lose(lost)
	}
	return err
}

// Room returns how many bytes may still be stored, -1 for as many as the disk has room for (ALLO, AVBL). It may count first; the
// errors are those of Count.
func (s *Session) Room(ctx context.Context) (int64, error) {
	quota := s.user.account.Load().Quota
	if quota <= 0 {
		return -1, nil
	}
	if err := s.Count(ctx); err != nil {
		return 0, err
	}
	bytes, _ := s.usage.stored()
	return max(quota-bytes, 0), nil
}

// Count counts the files below the root if there is a limit for them and nobody did before, which may take a while. Whoever
// uploads or makes a directory calls it first, and not from within Options.Pool. The error is what ended the counting: ctx's
// error, plugins.ErrFull, or one of the file system, without the path.
func (s *Session) Count(ctx context.Context) error {
	if a := s.user.account.Load(); a.Quota <= 0 && a.MaxFiles <= 0 {
		return nil
	}
	err := s.usage.count(ctx)
	var of *fs.PathError
	if errors.As(err, &of) {
		err = of.Err // the client does not learn where its root is
	}
	if err != nil {
		return fmt.Errorf("count what is stored: %w", err)
	}
	return nil
}
