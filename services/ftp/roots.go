package ftp

import (
	"io/fs"
	"os"
	"sync"
)

// sharedRoot is a directory that is open once for all sessions that have it.
type sharedRoot struct {
	root *os.Root
	path string // absolute, links resolved
	dir  string // by which name it was asked for
	info fs.FileInfo
	refs int // under the mu of roots
}

// roots are the directories that are open. Use begin first. It is safe for concurrent use; all but release makes blocking
// calls.
type roots struct {
	dir string // of the command line

	mu    sync.Mutex
	byDir map[string]*sharedRoot
	main  *sharedRoot // of dir, with a reference of its own; nil after end
	where string      // path of main, also after end
}

// begin opens the directory of the command line, which is kept until end.
func (r *roots) begin(dir string) error {
	r.dir, r.byDir = dir, map[string]*sharedRoot{}
	main, err := r.open(dir)
	if err != nil {
		return err
	}
	r.main, r.where = main, main.path
	return nil
}

// end gives up the directory of the command line. Without begin, it does nothing.
func (r *roots) end() {
	r.mu.Lock()
	main := r.main
	r.main = nil
	r.mu.Unlock()
	if main != nil {
		r.release(main)
	}
}

// path is where the directory of the command line is.
func (r *roots) path() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.where
}

// retain returns a directory for a session, which calls release in the end. That of the command line has been open since the
// start or the last reload, perhaps from before a --chroot; any other is looked for now, as its name may be that of another one by now.
func (r *roots) retain(dir string) (*sharedRoot, error) {
	r.mu.Lock()
	if main := r.main; main != nil && dir == r.dir {
		defer r.mu.Unlock()
		main.refs++
		return main, nil
	}
	r.mu.Unlock()
	return r.open(dir)
}

// open returns the directory that is open already if it still is the one of that name.
func (r *roots) open(dir string) (*sharedRoot, error) {
	root, path, err := openRoot(dir)
	if err != nil {
		return nil, err
	}
	info, err := root.Stat(".")
	if err != nil {
		_ = root.Close()
		return nil, bare(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if shared := r.byDir[dir]; shared != nil && shared.path == path && os.SameFile(shared.info, info) {
		_ = root.Close()
		shared.refs++
		return shared, nil
	}
	shared := &sharedRoot{root: root, path: path, dir: dir, info: info, refs: 1}
	r.byDir[dir] = shared
	return shared, nil
}

// release closes a directory that nobody else has.
func (r *roots) release(shared *sharedRoot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if shared.refs--; shared.refs > 0 {
		return
	}
	if r.byDir[shared.dir] == shared {
		delete(r.byDir, shared.dir)
	}
	_ = shared.root.Close()
}

// reopen looks for the directory of the command line anew, which a link may lead elsewhere by now. Sessions keep the one that they have.
// After an error it is the old one.
func (r *roots) reopen() (moved bool, err error) {
	fresh, err := r.open(r.dir)
	if err != nil {
		return false, err
	}
	r.mu.Lock()
	old := r.main
	if old == nil { // the service has ended meanwhile
		old = fresh
	} else {
		r.main, r.where = fresh, fresh.path
	}
	r.mu.Unlock()
	r.release(old)
	return fresh != old, nil
}
