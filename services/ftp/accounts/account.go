package accounts

import (
	"net/netip"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// userMark stands for the name of the user in a root.
const userMark = "%u"

// Account is what one user may do. The zero value may log in from everywhere, without limits, and do nothing. A Book hands out
// copies; nobody changes what its slices hold.
type Account struct {
	// Root is the directory, an absolute path, that the user sees as "/".
	Root string
	// Disabled users cannot log in.
	Disabled bool
	// Permissions are the user's rights wherever paths do not say otherwise.
	Permissions Permissions
	// Quota is how many bytes may be stored below Root, MaxFiles how many files and directories, MaxFileSize how many bytes
	// one uploaded file may have. 0 is no limit.
	Quota, MaxFiles, MaxFileSize int64
	// UploadBandwidth and DownloadBandwidth are the bytes a second of all sessions of the user together. 0 is no limit.
	UploadBandwidth, DownloadBandwidth int64
	// MaxSessions is how many sessions the user may have at once. 0 is no limit.
	MaxSessions int
	// AllowFrom are the networks to log in from. Nil is everywhere. A unix socket is always allowed.
	AllowFrom []netip.Prefix

	named  bool   // Root had a userMark
	misfit bool   // Root has a userMark still, as the user's name can be that of no directory
	rules  []rule // the deepest directories first
}

// rule is what may be done in a directory and below it, in place of the account's permissions.
type rule struct {
	dir string // clean and absolute, as the user sees it
	may Permissions
}

// MayChange reports whether there is anything that the user may write, delete, rename or make, anywhere.
func (a *Account) MayChange() bool {
	if a.Disabled {
		return false
	}
	return a.Permissions&^Read != 0 || slices.ContainsFunc(a.rules, func(r rule) bool { return r.may&^Read != 0 })
}

func (a *Account) allows(from netip.Addr) bool {
	return a.AllowFrom == nil || !from.IsValid() || contains(a.AllowFrom, from)
}

func contains(networks []netip.Prefix, addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("") // a network holds no address with a zone
	return slices.ContainsFunc(networks, func(network netip.Prefix) bool { return network.Contains(addr) })
}

// in returns the rights in a clean directory.
func (a *Account) in(dir string) Permissions {
	switch {
	case a.Disabled:
		return None
	case len(a.rules) == 0:
		return a.Permissions
	}
	for _, r := range a.rules {
		if below(dir, r.dir) {
			return r.may
		}
	}
	return a.Permissions
}

// ruled reports whether a rule is about name or something below it: what is moved elsewhere would leave its rule behind.
func (a *Account) ruled(name string) bool {
	return slices.ContainsFunc(a.rules, func(r rule) bool { return below(r.dir, name) })
}

// below reports whether name is dir or below it.
func below(name, dir string) bool {
	return dir == "/" || name == dir || len(name) > len(dir) && name[len(dir)] == '/' && strings.HasPrefix(name, dir)
}

// clean makes the path that a user sees absolute and without dots, as if the working directory were "/".
func clean(name string) string { return path.Clean("/" + name) }

// rootOf puts the name of a user into a root. It stays as it is for a name that would lead elsewhere.
func rootOf(pattern, name string) string {
	if !strings.Contains(pattern, userMark) {
		return pattern
	}
	if name == "." || strings.ContainsAny(name, `/\%`) || !filepath.IsLocal(name) {
		return pattern
	}
	return strings.ReplaceAll(pattern, userMark, name)
}
