//go:build unix

package logfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxLinks is how many symbolic links a path may lead over, as in path_resolution(7).
const maxLinks = 40

// openSafely opens name for appending. As root it goes along the path one directory at a time, so that nobody who may
// write to one of them makes root append to a file that is not his, or create one where he may not: in such a
// directory no symbolic link is followed, and the file must have one name and belong to root, to the owner of the directory or
// to user.
func openSafely(name string, mode fs.FileMode, user int) (*os.File, place, error) {
	if special(name) {
		file, p, err := openPlainly(name, mode)
		p.linked = true // the file that stdout leads to is whose it is
		return file, p, err
	}
	if os.Geteuid() != 0 {
		return openPlainly(name, mode)
	}
	w := &walk{name: name}
	defer w.climb(0)
	file, p, err := w.open(mode, user)
	var path *fs.PathError
	if errors.As(err, &path) {
		err = explain(name, &fs.PathError{Op: "open", Path: name, Err: path.Err})
	}
	return file, p, err
}

// walk is a way along a path. It holds every directory from / to where it is.
type walk struct {
	name string
	dirs []*os.Root
	rest []string // elements of the path still to go
}

func elements(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == filepath.Separator })
}

func (w *walk) open(mode fs.FileMode, user int) (*os.File, place, error) {
	top, err := os.OpenRoot(string(filepath.Separator))
	if err != nil {
		return nil, place{}, err
	}
	w.dirs, w.rest = []*os.Root{top}, elements(w.name)
	linked := false
	for links := 0; len(w.rest) > 0; {
		dir, element := w.dirs[len(w.dirs)-1], w.rest[0]
		info, err := dir.Lstat(element)
		switch last := len(w.rest) == 1; {
		case element == "..":
			w.rest = w.rest[1:]
			w.climb(max(1, len(w.dirs)-1))
		case element == ".":
			w.rest = w.rest[1:]
		case err == nil && info.Mode()&fs.ModeSymlink != 0:
			linked = linked || last
			if links++; links > maxLinks {
				return nil, place{}, &fs.PathError{Op: "open", Path: w.name, Err: syscall.ELOOP}
			}
			target, err := w.target(dir, element, info)
			if err != nil {
				return nil, place{}, err
			}
			if target := filepath.Join(append([]string{target}, w.rest[1:]...)...); special(target) {
				return openSafely(target, mode, user)
			}
			w.replace(target)
		case last:
			return w.enter(dir, element, mode, user, linked)
		case err != nil:
			return nil, place{}, err
		case !info.IsDir():
			return nil, place{}, &fs.PathError{Op: "open", Path: w.name, Err: syscall.ENOTDIR}
		default:
			next, err := dir.OpenRoot(element)
			if err != nil {
				return nil, place{}, err
			}
			w.dirs, w.rest = append(w.dirs, next), w.rest[1:]
		}
	}
	return nil, place{}, &fs.PathError{Op: "open", Path: w.name, Err: syscall.EISDIR}
}

// climb leaves all directories but the first n.
func (w *walk) climb(n int) {
	for _, dir := range w.dirs[n:] {
		_ = dir.Close()
	}
	w.dirs = w.dirs[:n]
}

// replace goes on with the target of a symbolic link instead of the link.
func (w *walk) replace(target string) {
	w.rest = append(elements(target), w.rest[1:]...)
	if filepath.IsAbs(target) {
		w.climb(1)
	}
}

// target reads a symbolic link, if nobody but root can have put it there.
func (w *walk) target(dir *os.Root, element string, link fs.FileInfo) (string, error) {
	d, err := dir.Stat(".")
	if err != nil {
		return "", err
	}
	kept := d.Mode()&fs.ModeSticky != 0 && ownerOf(d) == 0 && ownerOf(link) == 0 // nobody else can move it
	if shared(d) && !kept {
		if path := filepath.Join(dir.Name(), element); path != w.name {
			return "", w.refuse("%s is a symbolic link", path)
		}
		return "", w.refuse("it is a symbolic link")
	}
	return dir.Readlink(element)
}

// enter opens the last element of the path.
func (w *walk) enter(dir *os.Root, element string, mode fs.FileMode, user int, linked bool) (*os.File, place, error) {
	d, err := dir.Stat(".")
	if err != nil {
		return nil, place{}, err
	}
	file, created, err := openIn(dir.OpenFile, element, mode)
	if err != nil {
		return nil, place{}, err
	}
	p := place{created: created, linked: linked, shared: shared(d)}
	info, err := file.Stat()
	if err == nil && p.shared && !created {
		switch owner := ownerOf(info); {
		case links(info) > 1:
			err = w.refuse("it has %d names", links(info))
		case owner != 0 && owner != ownerOf(d) && owner != user:
			err = w.refuse("it belongs to uid %d", owner)
		}
	}
	if err != nil {
		file.Close()
		return nil, place{}, err
	}
	return file, p, nil
}

func (w *walk) refuse(format string, args ...any) error {
	return &failure{
		text:  fmt.Sprintf("open %s: %s, and others than root can write to its directory", w.name, fmt.Sprintf(format, args...)),
		hint:  "put it into a directory of root's, or take what is there away",
		cause: fs.ErrPermission,
	}
}

// shared reports whether others than root can put files into a directory.
func shared(dir fs.FileInfo) bool { return ownerOf(dir) != 0 || dir.Mode()&0o022 != 0 }

// ownerOf returns the user that a file belongs to, -1 if that cannot be known.
func ownerOf(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

// links returns how many hard links a file has.
func links(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink)
	}
	return 0
}

// belongs reports whether a file is a user's and a group's already; -1 is any.
func belongs(info fs.FileInfo, uid, gid int) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && (uid == -1 || int(st.Uid) == uid) && (gid == -1 || int(st.Gid) == gid)
}

// reserved says why root must not give a file at that place to a user, empty if it may: it could be anybody's file that
// only has a name there.
func (p place) reserved(info fs.FileInfo, uid int) string {
	owner := ownerOf(info)
	switch {
	case p.linked:
		return "its path is a symbolic link"
	case links(info) != 1:
		return fmt.Sprintf("it has %d names", links(info))
	case p.created, owner == uid && uid != 0, owner == 0 && !p.shared:
		return ""
	case owner == 0:
		return "it belongs to root, in a directory that others can write to"
	}
	return fmt.Sprintf("it belongs to uid %d", owner)
}
