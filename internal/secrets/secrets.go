// Package secrets knows the files that say who may do what: password files, keys, and what services hide. Nobody hands them out,
// and nobody puts other files into their places.
package secrets

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Within reports whether a path is that of dir or below it. Both are clean.
func Within(dir, path string) bool {
	rest, ok := strings.CutPrefix(path, dir)
	return ok && (rest == "" || os.IsPathSeparator(rest[0]) || os.IsPathSeparator(dir[len(dir)-1]))
}

// List is what the process keeps to itself. The zero value is empty; it is safe for concurrent use.
type List struct {
	mu    sync.Mutex
	names []string        // with symbolic links resolved and without, and each link on the way that leads to nothing else
	ways  []string        // links on the way that lead to other files, too
	files map[string]file // by the name that was given
}

// file is what was found under a name.
type file struct {
	path string // without links
	info fs.FileInfo
}

// Add takes an absolute path, perhaps once more, as it may lead elsewhere than before. What it led to stays a secret. It makes
// blocking calls.
func (l *List) Add(path string) {
	names, ways := trail(path)
	info, err := os.Stat(path)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.names, l.ways = union(l.names, names), union(l.ways, ways)
	if err != nil {
		return
	}
	if l.files == nil {
		l.files = map[string]file{}
	}
	l.files[path] = file{names[len(names)-1], info}
}

func union(list, more []string) []string {
	for _, s := range more {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// Has reports whether an absolute path is that of a secret.
func (l *List) Has(path string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Contains(l.names, path)
}

// Below returns a secret, or a link on the way to one, at an absolute path or below it; "" means that there is none.
func (l *List) Below(dir string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, list := range [][]string{l.names, l.ways} {
		if i := slices.IndexFunc(list, func(path string) bool { return Within(dir, path) }); i >= 0 {
			return list[i]
		}
	}
	return ""
}

// Is reports whether a file is one of the secrets, by whatever name it was found. It makes a blocking call if it may be.
func (l *List) Is(info fs.FileInfo) bool {
	l.mu.Lock()
	var found []file
	for _, f := range l.files {
		if os.SameFile(f.info, info) {
			found = append(found, f)
		}
	}
	l.mu.Unlock()
	return slices.ContainsFunc(found, func(f file) bool {
		if now, err := os.Stat(f.path); err == nil && os.SameFile(now, info) {
			return true
		}
		// It was moved away, or removed, and its number is another file's now.
		return info.Size() == f.info.Size() && info.ModTime().Equal(f.info.ModTime())
	})
}

// trail returns the names of a file: the path, each link of which it is the end, and at last the path without links. ways
// are the links to directories that it leads through. What is not there counts as no link.
func trail(path string) (names, ways []string) {
	const maxLinks = 255
	volume := filepath.VolumeName(path) + string(filepath.Separator)
	names = []string{path}
	done, left := volume, elements(path)
	for links := 0; len(left) > 0; {
		next := filepath.Join(done, left[0])
		left = left[1:]
		target, err := os.Readlink(next)
		if err != nil || links == maxLinks {
			done = next
			continue
		}
		links++
		if len(left) == 0 {
			names = append(names, next)
		} else {
			ways = append(ways, next)
		}
		if filepath.IsAbs(target) {
			done = filepath.VolumeName(target) + string(filepath.Separator)
		}
		left = append(elements(target), left...)
	}
	return append(names, done), ways
}

func elements(path string) []string {
	return strings.FieldsFunc(path[len(filepath.VolumeName(path)):], func(r rune) bool { return r < 0x80 && os.IsPathSeparator(byte(r)) })
}
