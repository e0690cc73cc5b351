package cmd

import (
	"iter"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gtwistd/gtwistd/internal/secrets"
)

// private is the Private function of all environments.
func (r *runner) private(path string) bool {
	for form := range r.forms(path) {
		if slices.Contains(r.ownFiles, form) || r.logs.own(form) || r.certs.Owns(form) || r.secrets.Has(form) {
			return true
		}
	}
	return false
}

// privateBelow is the PrivateBelow function of all environments. What is worst to lose comes first.
func (r *runner) privateBelow(dir string) string {
	for form := range r.forms(dir) {
		if found := r.secrets.Below(form); found != "" {
			return found
		}
		if found := r.certs.Below(form); found != "" {
			return found
		}
		if found := r.logs.below(form); found != "" {
			return found
		}
		if i := slices.IndexFunc(r.ownFiles, func(path string) bool { return secrets.Within(form, path) }); i >= 0 {
			return r.ownFiles[i]
		}
	}
	if r.private(dir) {
		return dir // a rotated log, which nobody lists
	}
	return ""
}

// forms are the ways to write a path: after a chroot, services have paths from before and from after it.
func (r *runner) forms(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if !yield(path) || r.jail == "" || !yield(filepath.Join(r.jail, path)) {
			return
		}
		if secrets.Within(r.jail, path) {
			yield(filepath.Join("/", strings.TrimPrefix(path, r.jail)))
		}
	}
}
