package ftp

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/gtwistd/gtwistd/internal/part"
	"github.com/gtwistd/gtwistd/internal/regular"
)

const nonblock = regular.Nonblock

// partName is how the part of a user's file is called; the user "" is anonymous. Nobody finds the part of another user, and no
// name is that of another file: what a long name becomes has no "-" where all others have one.
func partName(user, name string) string {
	sum := sha256.Sum256([]byte("gtwistd part\x00" + user + "\x00" + name)) // no name of a file has a NUL
	return part.Name(name + "-" + hex.EncodeToString(sum[:16]))
}

// isRandom says whether a part is that of a second upload at once, which nobody goes on with.
func isRandom(name string) bool {
	const length = 26 // of rand.Text
	core, ok := part.Core(name)
	return ok && len(core) == length && strings.Trim(core, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

func isOld(info fs.FileInfo) bool { return time.Since(info.ModTime()) > part.MaxAge }

func (f *files) partOf(rel string) string {
	user := f.user.name
	if f.user.anonymous {
		user = ""
	}
	return path.Join(path.Dir(rel), partName(user, path.Base(rel)))
}

// partInfo describes an unfinished upload of this user that can be taken up.
func (f *files) partInfo(rel string) (fs.FileInfo, error) {
	info, err := f.user.root.Lstat(f.partOf(rel))
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 || isOld(info) {
		return nil, notExist(rel)
	}
	return info, nil
}

// removePart removes an unfinished upload of this user that nobody works on.
func (f *files) removePart(rel string) error {
	if _, err := f.partInfo(rel); err != nil {
		return err
	}
	f.session.forget(rel)
	return f.removeUnlocked(f.partOf(rel), func(fs.FileInfo) bool { return true })
}

// removeUnlocked removes a part that nobody writes.
func (f *files) removeUnlocked(name string, unwanted func(fs.FileInfo) bool) error {
	root := f.user.root
	return f.user.account.Change(func() (fs.FileInfo, error) {
		file, err := root.OpenFile(name, os.O_RDWR|nonblock, 0)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		if err := part.Lock(file); err != nil {
			return nil, err
		}
		info, err := file.Stat()
		if err != nil {
			return nil, err
		}
		named, err := root.Lstat(name)
		if err != nil || !named.Mode().IsRegular() || !os.SameFile(info, named) || !unwanted(info) {
			return nil, notExist(name)
		}
		if err := root.Remove(name); err != nil {
			return nil, err
		}
		return named, nil
	})
}

// removeParts removes the unfinished uploads of a directory that holds nothing else, and says whether it did.
func (f *files) removeParts(rel string) bool {
	dir, err := f.user.root.Open(rel)
	if err != nil {
		return false
	}
	defer dir.Close()
	found, err := dir.ReadDir(batch)
	if err != nil {
		return false
	}
	for _, d := range found {
		if !part.Is(d.Name()) {
			return false
		}
	}
	for _, d := range found {
		if f.removeUnlocked(path.Join(rel, d.Name()), func(fs.FileInfo) bool { return true }) != nil {
			return false
		}
	}
	return true
}

const (
	// sweepEvery is how often the parts of a directory are looked at, when it is listed, and maxSweep how many of them.
	sweepEvery = time.Hour
	maxSweep   = 1000
)

// sweeps remembers when the parts of directories were looked at. The zero value is ready. It is safe for concurrent use.
type sweeps struct {
	mu   sync.Mutex
	last map[string]time.Time // by absolute path
}

// due says whether it is time again, and if so, that it is done.
func (s *sweeps) due(dir string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.last[dir]) < sweepEvery {
		return false
	}
	if s.last == nil || len(s.last) > 10_000 {
		s.last = map[string]time.Time{}
	}
	s.last[dir] = time.Now()
	return true
}

// sweep removes, of the parts in a directory that has just been read, those that nobody will go on with: old ones, and what a
// kill left of a second upload at once. Somebody who may not upload there removes nothing, so that a server that only reads
// never writes.
func (f *files) sweep(rel string, parts []string) {
	if len(parts) == 0 || !f.user.account.MayUpload(f.shown(path.Join(rel, "any")), false) || !f.session.srv.sweeps.due(path.Join(f.user.path, rel)) {
		return
	}
	for _, found := range parts {
		_ = f.session.srv.env.Pool.Do(f.session.ctx, func() error {
			name := path.Join(rel, found)
			err := f.removeUnlocked(name, func(info fs.FileInfo) bool { return isRandom(found) || isOld(info) })
			if err != nil && !isAny(err, part.ErrLocked, fs.ErrNotExist) {
				f.session.log.Warn("an old part of an upload cannot be removed", "path", f.shown(name), "error", bare(err))
			}
			return f.changed("unfinished upload removed", f.shown(name), err)
		})
	}
}
