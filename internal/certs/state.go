package certs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// stateDir is the state directory.
type stateDir struct {
	manager *Manager
	real    string // without symbolic links; "" if there is none
}

// file is where the process had a file when it started.
func (d *stateDir) file(name string) string { return filepath.Join(d.real, name) }

// make makes the state directory and one below it, "" for none, unless they are there.
func (d *stateDir) make(below string) error {
	if d.real == "" {
		return &Error{text: "no directory is known to keep certificates in", hint: "name one with --state-dir DIR"}
	}
	dir := d.manager.reach(d.file(""))
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil { // whoever the process becomes passes through these
		return d.fail(err)
	}
	for _, dir := range []string{dir, filepath.Join(dir, below)} {
		if err := d.mkdir(dir); err != nil {
			return d.fail(err)
		}
	}
	return nil
}

func (d *stateDir) mkdir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if owner := d.owner(); err == nil && owner != nil {
		err = os.Lchown(dir, owner.UID, owner.GID)
	}
	return err
}

// owner is whom to give what is made; nil is whoever we are.
func (d *stateDir) owner() *Owner {
	if os.Geteuid() != 0 {
		return nil
	}
	return d.manager.opts.Owner
}

// write makes a file whose content is there as a whole or not at all. If another process has made it in the meantime, that
// one stays, unless it is to be replaced.
func (d *stateDir) write(name string, data []byte, replace bool) error {
	path := d.manager.reach(d.file(name))
	temporary, err := d.temporary(path, data)
	if err != nil {
		return d.fail(err)
	}
	if !replace {
		err = os.Link(temporary, path)
		if err == nil || errors.Is(err, fs.ErrExist) {
			return os.Remove(temporary)
		}
		// A file system without hard links: the last one wins, and who was first finds a changed file.
	}
	if err := os.Rename(temporary, path); err != nil {
		return d.fail(errors.Join(err, os.Remove(temporary)))
	}
	return nil
}

// temporary writes a file beside path, for nobody but its owner.
func (d *stateDir) temporary(path string, data []byte) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if owner := d.owner(); err == nil && owner != nil {
		err = f.Chown(owner.UID, owner.GID)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

func (d *stateDir) fail(err error) error {
	e := &Error{text: fmt.Sprintf("state directory: %v", err), err: err}
	if errors.Is(err, fs.ErrPermission) {
		e.hint = "name one that can be written with --state-dir DIR"
	}
	return e
}
