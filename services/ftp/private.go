package ftp

import (
	"context"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
)

// The program's own files are not there for clients. Nor can anybody put something else into their places: what stands on
// the way to one of them, link or directory, stays what and where it is.

// below returns a private file that is at an absolute path or below it, or would be if it were there; "" for none.
func (s *server) below(path string) string {
	switch {
	case s.env.Private == nil:
		return ""
	case s.env.PrivateBelow == nil:
		return path
	}
	return s.env.PrivateBelow(path)
}

// private says whether an absolute path, links resolved, is one of the program's own files.
func (s *server) private(path string) bool { return s.env.Private != nil && s.env.Private(path) }

// isSecret says whether a file is one of them by another name, such as a hard link.
func (s *server) isSecret(info fs.FileInfo) bool {
	return s.env.PrivateFile != nil && s.env.PrivateFile(info)
}

// hide makes the users file a private one, also where a link leads to by now. It makes blocking calls.
func (s *server) hide() {
	defer s.shelf.forget()
	if s.usersFile != "" && s.env.Hide != nil {
		s.env.Hide(s.usersFile)
	}
}

// guarded says whether there may be private files below the user's root. If not, nothing more is to be asked.
func (f *files) guarded() bool { return f.session.srv.below(f.user.path) != "" }

// isPrivate says whether a path leads to a file of the program, also by way of links. It makes blocking calls.
func (f *files) isPrivate(rel string) bool {
	if !f.guarded() {
		return false
	}
	private := f.session.srv.private
	if private(f.inFull(rel)) {
		return true
	}
	resolved := f.resolve(rel)
	return resolved != rel && private(f.inFull(resolved))
}

// keeps says whether what a path names is a file of the program, or stands on the way to one, or would if it were there. A
// link is not followed. It makes blocking calls.
func (f *files) keeps(rel string) bool {
	if !f.guarded() {
		return false
	}
	place := path.Join(f.resolve(path.Dir(rel)), path.Base(rel))
	return f.session.srv.below(f.inFull(rel)) != "" || place != rel && f.session.srv.below(f.inFull(place)) != ""
}

func (f *files) inFull(rel string) string {
	return filepath.Join(f.user.path, filepath.FromSlash(rel))
}

// resolve returns a path without links. What is not there, or leads out of the root, counts as no link. It makes blocking
// calls, below the root: after a --chroot its path may mean another directory.
func (f *files) resolve(rel string) string {
	const maxLinks = 40 // as in Linux
	links, done := 0, "."
	for left := strings.Split(rel, "/"); len(left) > 0; {
		next := path.Join(done, left[0])
		left = left[1:]
		target, err := f.user.root.Readlink(next)
		if err != nil || path.IsAbs(target) || links == maxLinks {
			done = next
			continue
		}
		links++
		left = append(strings.Split(filepath.ToSlash(target), "/"), left...)
	}
	return done
}

// warnOfPrivate tells of private files that lie where users write.
func (s *server) warnOfPrivate(ctx context.Context) {
	for _, dir := range s.book.WritableRoots() {
		root := dir
		if dir == s.dir {
			root = s.roots.path()
		} else if real, err := filepath.EvalSymlinks(dir); err == nil {
			root = real
		}
		if file := s.below(root); file != "" {
			s.log.WarnContext(ctx, "a file of gtwistd's own lies where users write: they cannot reach it, but elsewhere it lies better", "root", dir, "file", file)
		}
	}
}
