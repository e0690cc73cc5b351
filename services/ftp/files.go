package ftp

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"path"
	"path/filepath"
	"strings"

	ftpserver "github.com/fclairamb/ftpserverlib"
	"github.com/spf13/afero"

	"github.com/gtwistd/gtwistd/internal/part"
)

// files is what a user sees of the disk. The paths of the library are absolute, with "/" for the user's root. What is not a
// directory or a regular file is not there; neither are unfinished uploads and the program's own files.
type files struct {
	session *session
	user    *user
}

var (
	_ ftpserver.ClientDriver                      = (*files)(nil)
	_ ftpserver.ClientDriverExtentionFileTransfer = (*files)(nil)
	_ ftpserver.ClientDriverExtensionFileList     = (*files)(nil)
	_ ftpserver.ClientDriverExtensionRemoveDir    = (*files)(nil)
	_ ftpserver.ClientDriverExtensionHasher       = (*files)(nil)
)

// refusal is an error of ours, with what the client is told.
type refusal struct {
	code   int
	reason string
}

func (r *refusal) Error() string { return r.reason }

var (
	errNoPermission = &refusal{550, "permission denied"}
	errName         = &refusal{553, "files with such a name are not taken"}
	errSpecial      = &refusal{550, "not a regular file"}
	errRoot         = &refusal{550, "it is the root"}
	errBeyond       = &refusal{554, "the file ends before that"}
	errNotHere      = &refusal{502, "not to be had here"}
)

// do runs fn in the pool, if the user may, and tells the session what went wrong with the file of that path.
func (f *files) do(name string, may bool, fn func(rel string) error) error {
	if !f.session.enter() {
		return net.ErrClosed
	}
	defer f.session.release()
	rel, err := f.local(name)
	if err == nil && !may {
		err = errNoPermission
	}
	if err == nil {
		err = f.session.srv.env.Pool.Do(f.session.ctx, func() error { return fn(rel) })
	}
	return f.told(name, err)
}

// surely runs fn in the pool, or without it if the pool takes nothing: what was begun has to end.
func (f *files) surely(fn func() error) error {
	ran := false
	err := f.session.srv.env.Pool.Do(context.WithoutCancel(f.session.ctx), func() error {
		ran = true
		return fn()
	})
	if !ran {
		err = fn()
	}
	return err
}

// told keeps what is to be said of an error.
func (f *files) told(name string, err error) error {
	if err == nil {
		return nil
	}
	why := f.session.failureOf(name, err)
	f.session.mu.Lock()
	f.session.failure = why
	f.session.mu.Unlock()
	return err
}

// local returns the path below the root; "." is the root. What hides is not there, whoever asks.
func (f *files) local(name string) (string, error) {
	if !path.IsAbs(name) {
		name = f.absolute(name)
	}
	rel := strings.TrimPrefix(path.Clean(strings.ReplaceAll(name, "\x00", "\n")), "/")
	if rel == "" {
		return ".", nil
	}
	if filepath.Separator != '/' && strings.ContainsAny(rel, `\:`) || !filepath.IsLocal(filepath.FromSlash(rel)) {
		return "", errName
	}
	for element := range strings.SplitSeq(rel, "/") {
		if part.Is(element) {
			return "", notExist(rel)
		}
	}
	return rel, nil
}

func notExist(rel string) error { return &fs.PathError{Op: "open", Path: rel, Err: fs.ErrNotExist} }

// stat returns what a path leads to. It makes blocking calls.
func (f *files) stat(rel string) (fs.FileInfo, error) {
	info, err := f.user.root.Stat(rel)
	switch {
	case err != nil:
		return nil, err
	case !info.IsDir() && !info.Mode().IsRegular(), f.isPrivate(rel), f.session.srv.isSecret(info):
		return nil, notExist(rel)
	}
	return info, nil
}

// Stat implements afero.Fs. For SIZE, an upload that was broken off has its name already, so that it can be taken up again.
func (f *files) Stat(name string) (fs.FileInfo, error) {
	verb := f.session.running()
	var found fs.FileInfo
	err := f.do(name, f.maySee(name), func(rel string) error {
		info, err := f.stat(rel)
		switch {
		case err == nil:
		case errors.Is(err, fs.ErrNotExist) && verb == "SIZE" && f.user.account.MayUpload(f.shown(rel), false):
			if info, err = f.partInfo(rel); err != nil {
				return err
			}
			f.session.tell(rel, info.Size())
		case errors.Is(err, fs.ErrNotExist) && isPattern(verb, rel):
			if info, err = f.stat(path.Dir(rel)); err != nil {
				return err
			}
		default:
			return err
		}
		found = entryOf(path.Base(rel), info)
		return nil
	})
	return found, err
}

// maySee says whether the client may know of a file. Whoever may do anything with one must be able to find it, and anybody may
// go to a directory.
func (f *files) maySee(name string) bool {
	switch f.session.running() {
	case "CWD", "XCWD", "CDUP":
		return true
	case "RNFR":
		return f.user.account.MayRename(name, name, false)
	case "LIST", "NLST", "MLSD":
		return f.user.account.MayList(path.Dir(name)) || f.user.account.MayList(name)
	}
	return f.user.account.MayStat(f.absolute(name))
}

// absolute is the path that a user's rights are about. The library's HASH has relative ones.
func (f *files) absolute(name string) string {
	if path.IsAbs(name) {
		return name
	}
	return path.Join(f.session.context.Path(), name)
}

// shown is the path by which the client knows what is there.
func (f *files) shown(rel string) string {
	return path.Join("/", strings.ReplaceAll(rel, "\n", "\x00"))
}

// running is the command that runs.
func (c *session) running() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.transfer != nil {
		return c.transfer.verb
	}
	return c.verb
}

// tell remembers that the client knows of an unfinished upload, and so means to go on with it.
func (c *session) tell(rel string, size int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.told == nil || len(c.told) > 1000 {
		c.told = map[string]int64{}
	}
	c.told[rel] = size
}

// forget returns what tell was told, 0 for nothing.
func (c *session) forget(rel string) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	size := c.told[rel]
	delete(c.told, rel)
	return size
}

// isPattern says whether a listing's path may mean more than one file.
func isPattern(verb, rel string) bool {
	return (verb == "LIST" || verb == "NLST") && strings.ContainsAny(path.Base(rel), "*?[")
}

// Name implements afero.Fs.
func (f *files) Name() string { return "gtwistd" }

// What follows is afero.Fs, too, and for commands that there are not.

// Create implements afero.Fs.
func (f *files) Create(string) (afero.File, error) { return nil, errNotHere }

// MkdirAll implements afero.Fs.
func (f *files) MkdirAll(string, fs.FileMode) error { return errNotHere }

// Open implements afero.Fs.
func (f *files) Open(string) (afero.File, error) { return nil, errNotHere }

// OpenFile implements afero.Fs.
func (f *files) OpenFile(string, int, fs.FileMode) (afero.File, error) { return nil, errNotHere }

// RemoveAll implements afero.Fs.
func (f *files) RemoveAll(string) error { return errNotHere }

// Chown implements afero.Fs.
func (f *files) Chown(string, int, int) error { return errNotHere }
