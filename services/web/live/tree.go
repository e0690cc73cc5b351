package live

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// tree is what one of the paths leads to.
type tree struct {
	given string      // absolute
	root  string      // the directory that is watched, without symbolic links
	only  string      // the name of the single file that counts in it; "" is all of the tree
	info  fs.FileInfo // of root; nil means that there is nothing
}

// openTree follows the links of a path. Beside an error the tree has nothing.
func openTree(given string) (tree, error) {
	t := tree{given: given}
	resolved, err := filepath.EvalSymlinks(given)
	if err != nil {
		return t, err
	}
	info, err := os.Stat(resolved)
	if err != nil {
		return t, err
	}
	if !info.IsDir() {
		// An editor may put another file in its place, so its directory is watched.
		t.only, resolved = filepath.Base(resolved), filepath.Dir(resolved)
		if info, err = os.Stat(resolved); err != nil {
			return t, err
		}
	}
	t.root, t.info = resolved, info
	return t, nil
}

// moved reports whether the path leads elsewhere by now. That a single file is away may be an editor's doing.
func (t tree) moved() bool {
	now, err := openTree(t.given)
	switch {
	case err != nil:
		return t.info != nil && t.only == ""
	case t.info == nil:
		return true
	}
	return now.root != t.root || now.only != t.only || !os.SameFile(now.info, t.info)
}

func anyMoved(trees []tree) bool { return slices.ContainsFunc(trees, tree.moved) }

// contains returns the names that lead from the root to path, none for the root itself.
func (t tree) contains(path string) (names []string, ok bool) {
	if t.info == nil {
		return nil, false
	}
	if path == t.root {
		return nil, true
	}
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(t.root, string(filepath.Separator))+string(filepath.Separator))
	if !ok {
		return nil, false
	}
	return strings.Split(rest, string(filepath.Separator)), true
}

// counts reports whether a change of path is one of the site.
func (l *Live) counts(trees []tree, path string) bool {
	if l.config.Private != nil && l.config.Private(path) {
		return false
	}
	return slices.ContainsFunc(trees, func(t tree) bool {
		names, ok := t.contains(path)
		if t.only != "" {
			return ok && len(names) == 1 && names[0] == t.only
		}
		return ok && !slices.ContainsFunc(names, l.ignored)
	})
}

// ignored reports whether a name is not of a site: what is hidden, what editors write on the side, and what package
// managers and version control keep by the ten thousand.
func (l *Live) ignored(name string) bool {
	switch name {
	case ".well-known": // RFC 8615
		return false
	case ".git", ".hg", ".svn", ".jj", "node_modules", "__pycache__",
		"4913": // vim looks whether it can write
		return true
	}
	return strings.HasPrefix(name, ".") && !l.config.Hidden ||
		strings.HasSuffix(name, "~") ||
		strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#") ||
		strings.HasSuffix(name, "___jb_tmp___") || strings.HasSuffix(name, "___jb_old___")
}

// eachDirectory calls fn for every directory of the tree, or below path in it, that counts. What vanishes meanwhile or may not
// be read is left out; an error is that of fn.
func (l *Live) eachDirectory(t tree, path string, fn func(dir string) error) error {
	if t.only != "" {
		if err := fn(t.root); err != fs.SkipAll {
			return err
		}
		return nil
	}
	return l.walk(t, path, func(path string, entry fs.DirEntry) error {
		if entry.IsDir() {
			return fn(path)
		}
		return nil
	})
}

// walk calls fn for path and all that is below it and counts.
func (l *Live) walk(t tree, path string, fn func(path string, entry fs.DirEntry) error) error {
	return filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil && entry != nil && entry.IsDir():
			return fs.SkipDir
		case err != nil:
			return nil
		case path != t.root && (l.ignored(entry.Name()) || l.config.Private != nil && l.config.Private(path)):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		return fn(path, entry)
	})
}
