package static

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/gtwistd/gtwistd/internal/regular"
	"github.com/gtwistd/gtwistd/plugins"
)

// tree is the opened directory that is served, or the directory of the one file that is.
type tree struct {
	root    *os.Root
	path    string                   // absolute, links resolved
	file    string                   // the only file served, as a name below root; "" means all
	name    string                   // what that file was called on the command line
	private func(path string) bool   // of absolute paths; may be nil
	below   func(path string) string // what is private there; may be nil
	secret  func(fs.FileInfo) bool   // of files by any name; may be nil
	hot     *hotCache                // nil means that nothing is kept in memory
	shelf   *shelf                   // nil likewise
}

// pathError says why a path cannot be served, in words that follow the path.
type pathError struct {
	reason string
	err    error
}

func (e *pathError) Error() string { return e.reason }
func (e *pathError) Unwrap() error { return e.err }

// explain turns what the file system said into a pathError.
func explain(err error) error {
	var inner *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &pathError{"no such directory", err}
	case errors.Is(err, fs.ErrPermission):
		return &pathError{"permission denied", err}
	case errors.As(err, &inner):
		return &pathError{inner.Err.Error(), err}
	}
	return err
}

// openPath opens a directory, or the one of a regular file that is to be served alone.
func openPath(given string, private func(path string) bool) (*tree, error) {
	abs, err := filepath.Abs(given)
	if err != nil {
		return nil, err
	}
	resolved, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return nil, explain(err)
	}
	info, err := os.Stat(resolved)
	switch {
	case err != nil:
		return nil, explain(err)
	case info.IsDir():
		return openDirectory(resolved, private)
	case info.Mode().IsRegular():
		return openFile(resolved, filepath.Base(abs))
	}
	return nil, &pathError{"not a directory or regular file", nil}
}

// enter says why this process cannot use what is open, if it has given up rights since.
func (t *tree) enter() error {
	if t.file != "" {
		f, err := t.root.OpenFile(t.file, os.O_RDONLY|regular.Nonblock, 0)
		if err != nil {
			return explain(err)
		}
		return f.Close()
	}
	if _, err := t.root.Lstat("."); err != nil {
		return explain(err)
	}
	return nil
}

func openDirectory(dir string, private func(path string) bool) (*tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, explain(err)
	}
	// A directory that may be read but not searched opens well and then refuses every file.
	if _, err := root.Lstat("index.html"); errors.Is(err, fs.ErrPermission) {
		_ = root.Close()
		return nil, explain(err)
	}
	return &tree{root: root, path: dir, private: private}, nil
}

func openFile(file, name string) (*tree, error) {
	root, err := os.OpenRoot(filepath.Dir(file))
	if err != nil {
		return nil, explain(err)
	}
	t := &tree{root: root, path: file, file: filepath.Base(file), name: name}
	f, _, err := t.open(t.file)
	if err != nil {
		_ = root.Close()
		return nil, explain(err)
	}
	return t, f.Close()
}

// find returns what name stands for. It makes blocking calls only, for the pool.
func (t *tree) find(name string, slash bool, o *Options) (resource, error) {
	if t.file != "" {
		return t.findOnly(name, slash, o)
	}
	info, err := t.stat(name)
	switch {
	case o.CleanURLs && !slash && errors.Is(err, fs.ErrNotExist):
		return t.regular(name+pageSuffix, path.Base(name)+pageSuffix, o)
	case err != nil:
		return resource{}, err
	case info.IsDir() && slash:
		return t.directory(name, o)
	case info.IsDir():
		return resource{moved: name + "/"}, nil
	case slash:
		return resource{}, notExist(name)
	case o.CleanURLs && strings.HasSuffix(name, pageSuffix) && name != o.SPA && name != o.NotFound && t.isFree(o.cleaned(name)):
		return resource{moved: o.cleaned(name)}, nil
	}
	return t.found(name, path.Base(name), info, o)
}

// isFree says whether the name of a page without its suffix is that of nothing else. One with a slash is its directory.
func (t *tree) isFree(name string) bool {
	_, err := t.root.Lstat(name)
	return strings.HasSuffix(name, "/") || errors.Is(err, fs.ErrNotExist)
}

// checkPages says whether the files that stand for others are there.
func (t *tree) checkPages(o *Options) error {
	for _, page := range []struct{ option, file string }{{"spa", o.SPA}, {"not-found", o.NotFound}} {
		if page.file == "" {
			continue
		}
		res, err := t.find(page.file, false, o)
		res.close()
		if err != nil || res.file == nil {
			return plugins.Usagef("--%s %q: no such file below the directory that is served", page.option, page.file)
		}
	}
	return nil
}

// pageSuffix is what --clean-urls leaves out.
const pageSuffix = ".html"

func (t *tree) isPrivate(name string) bool {
	return t.private != nil && t.private(filepath.Join(t.path, name))
}

// guarded says whether there may be private files below the root. If not, nothing more is to be asked.
func (t *tree) guarded() bool {
	return t.private != nil && (t.below == nil || t.below(t.path) != "")
}

func (t *tree) isSecret(info fs.FileInfo) bool { return t.secret != nil && t.secret(info) }

// stat returns what a name leads to. The program's own files do not exist, also by way of links.
func (t *tree) stat(name string) (fs.FileInfo, error) {
	info, err := t.root.Stat(name)
	if err != nil || !t.guarded() {
		return info, err
	}
	path, err := t.realPath(name)
	if err == nil && (t.private(path) || t.isPrivate(name)) {
		err = notExist(name)
	}
	return info, err
}

// realPath returns the absolute path, without links, of what a name leads to.
func (t *tree) realPath(name string) (string, error) {
	if path, err := filepath.EvalSymlinks(filepath.Join(t.path, name)); err == nil {
		return path, nil // is several times as fast, but after a --chroot the path of the root may be another
	}
	resolved, err := t.resolve(name)
	return filepath.Join(t.path, resolved), err
}

// resolve returns the name without links of what a name leads to.
func (t *tree) resolve(name string) (string, error) {
	const maxLinks = 40 // as in Linux
	links, done := 0, "."
	for elements := strings.Split(name, "/"); len(elements) > 0; {
		next := path.Join(done, elements[0])
		elements = elements[1:]
		info, err := t.root.Lstat(next)
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			done = next
			continue
		}
		target, err := t.root.Readlink(next)
		if err != nil {
			return "", err
		}
		if links++; links > maxLinks {
			return "", notExist(name)
		}
		elements = append(strings.Split(filepath.ToSlash(target), "/"), elements...)
	}
	return done, nil
}

func (t *tree) findOnly(name string, slash bool, o *Options) (resource, error) {
	if name != "." && (name != t.name || slash) {
		return resource{}, notExist(name)
	}
	res, err := t.regular(t.file, t.name, o)
	if name == "." {
		res.saveAs = t.name
	}
	return res, err
}

// directory returns the index file of a directory, or the directory itself to be listed.
func (t *tree) directory(dir string, o *Options) (resource, error) {
	for _, name := range o.Index {
		if o.Listing == ListOn {
			break
		}
		res, err := t.regular(path.Join(dir, name), name, o)
		if err == nil || statusOf(err) != http.StatusNotFound {
			return res, err
		}
	}
	if o.Listing == ListOff {
		return resource{}, notExist(dir)
	}
	d, err := t.root.OpenFile(dir, regular.Nonblock, 0)
	return resource{dir: d}, err
}

func (t *tree) regular(file, name string, o *Options) (resource, error) {
	info, err := t.stat(file)
	if err != nil {
		return resource{}, err
	}
	return t.found(file, name, info, o)
}

// found is regular after stat.
func (t *tree) found(file, name string, info fs.FileInfo, o *Options) (resource, error) {
	f, info, err := t.openFound(file, info)
	if err != nil {
		return resource{}, err
	}
	kind, err := o.contentType(name, f)
	if err != nil {
		_ = f.Close()
		return resource{}, err
	}
	return resource{file: f, info: info, name: file, contentType: kind, coding: identity, vary: o.Precompressed}, nil
}

// side opens the file that holds res in a coding, if there is one and it is not older. It is nil if there is none.
func (t *tree) side(res *resource, c coding, o *Options) (*os.File, fs.FileInfo, error) {
	if !o.Precompressed {
		return nil, nil, nil
	}
	f, info, err := t.open(res.name + sideSuffixes[c])
	switch {
	case err != nil && statusOf(err) == http.StatusNotFound:
		return nil, nil, nil
	case err != nil:
		return nil, nil, err
	case info.ModTime().Before(res.info.ModTime()):
		_ = f.Close() // it was only looked at
		return nil, nil, nil
	}
	return f, info, nil
}

// prefer exchanges the file of res for the side file that the client likes best.
func (t *tree) prefer(res *resource, accept []byte, o *Options) error {
	if res.file == nil || !o.Precompressed {
		return nil
	}
	for left := codingSet(1<<codings - 1); ; {
		c := left.best(accept)
		if c == identity {
			return nil
		}
		f, info, err := t.side(res, c, o)
		if err != nil {
			return err
		}
		if f != nil {
			_ = res.file.Close() // it was only read from
			res.file, res.info, res.coding = f, info, c
			return nil
		}
		left &^= 1 << c
	}
}

// open opens a regular file and nothing else. It looks before it opens, as opening a device may do something, and again
// afterwards, as the name may have been given to something else meanwhile; the open itself never waits for a FIFO's writer. A
// secret is none, by whatever name.
func (t *tree) open(name string) (*os.File, fs.FileInfo, error) {
	info, err := t.stat(name)
	if err != nil {
		return nil, nil, err
	}
	return t.openFound(name, info)
}

// openFound is open after stat.
func (t *tree) openFound(name string, info fs.FileInfo) (*os.File, fs.FileInfo, error) {
	if !info.Mode().IsRegular() {
		return nil, nil, notExist(name)
	}
	f, err := t.root.OpenFile(name, os.O_RDONLY|regular.Nonblock, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err = f.Stat()
	if err == nil && (!info.Mode().IsRegular() || t.isSecret(info)) {
		err = notExist(name)
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

func notExist(name string) error {
	return &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}
