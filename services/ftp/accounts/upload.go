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
//	upload, err := session.Upload(ctx, -1) // a new file
//	n, err := upload.Reserve(offset, int64(len(p)))
//	written, err := file.WriteAt(p[:n], offset) // n may be less than what was asked for
//	upload.Close(size)
type Upload struct {
	session *Session
	size    int64 // of the file, as far as it is counted
	closed  bool
}

// Upload begins one. size is that of the file at this moment, -1 if there is none. The bytes of a file that is cut to nothing
// first are given back by Removed and a size of -1. With a quota the files below the root are counted first if nobody did,
// which may take a while. The error is ErrQuota, or what ended the counting: ctx's error, plugins.ErrFull, or one of the file
// system, without the path.
func (s *Session) Upload(ctx context.Context, size int64) (*Upload, error) {
	if err := s.Count(ctx); err != nil {
		return nil, err
	}
	if size < 0 {
		if err := s.usage.takeFile(s.user.account.Load().MaxFiles); err != nil {
			return nil, err
		}
	}
	return &Upload{session: s, size: max(size, 0)}, nil
}

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
	granted := u.session.usage.takeBytes(end-u.size, a.Quota)
	if u.size+granted <= offset {
		u.session.usage.give(granted, 0)
		return 0, ErrQuota
	}
	u.size += granted
	return u.size - offset, nil
}

// Close ends the upload of a file that now has that size, or, if that is -1, was removed. A file that was put in the place of
// another one is told by Removed besides. More calls do nothing.
func (u *Upload) Close(size int64) {
	if u.closed {
		return
	}
	u.closed = true
	if size < 0 {
		u.session.usage.give(u.size, 1)
		return
	}
	u.session.usage.give(u.size-size, 0)
}

// Mkdir counts a directory that is about to be made; Removed(0) takes that back. The errors are those of Upload.
func (s *Session) Mkdir(ctx context.Context) error {
	if err := s.Count(ctx); err != nil {
		return err
	}
	return s.usage.takeFile(s.user.account.Load().MaxFiles)
}

// Removed tells that a file of that size is gone, deleted or replaced by a rename, or, with 0, a directory.
func (s *Session) Removed(size int64) { s.usage.give(max(size, 0), 1) }

// Room returns how many bytes may still be stored, -1 for as many as the disk has room for (ALLO, AVBL). The errors are those
// of Upload except ErrQuota.
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

// Count counts the files below the root if there is a limit for them and nobody did before. Called at the login it keeps the
// first upload from waiting. The errors are those of Upload except ErrQuota.
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
