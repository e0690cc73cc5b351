package cmd

import (
	"net"
	"os"
	"path/filepath"
	"runtime"

	"github.com/gtwistd/gtwistd/daemon"
	"github.com/gtwistd/gtwistd/internal/certs"
)

// newCerts returns the certificate manager of the process.
func (r *runner) newCerts(identity *daemon.Identity) (*certs.Manager, error) {
	chroot, err := r.chroot()
	if err != nil {
		return nil, err
	}
	o := certs.Options{Dir: r.startDir, StateDir: r.paths.state, Chroot: chroot, Hosts: hostNames(r.addresses), Log: r.log}
	if identity != nil {
		o.Owner = &certs.Owner{UID: identity.UID, GID: identity.GID}
	}
	return certs.New(o), nil
}

// hostNames are what clients may call this host.
func hostNames(addresses []net.Addr) []string {
	var list []string
	if name, err := os.Hostname(); err == nil {
		list = append(list, name)
	}
	for _, a := range addresses {
		if ip, _, err := net.ParseCIDR(a.String()); err == nil && !ip.IsLinkLocalUnicast() {
			list = append(list, ip.String())
		}
	}
	return list
}

// defaultStateDir is where systems keep what a program must not lose. "" means that nobody says where that is.
func defaultStateDir(getenv func(string) string, root bool) string {
	if dirs := filepath.SplitList(getenv("STATE_DIRECTORY")); len(dirs) > 0 {
		return dirs[0] // from StateDirectory= of systemd
	}
	if root {
		return "/var/lib/gtwistd"
	}
	parent := getenv("XDG_STATE_HOME")
	if home := getenv("HOME"); parent == "" && home != "" {
		parent = filepath.Join(home, ".local", "state")
	}
	if runtime.GOOS == "windows" {
		parent = getenv("LocalAppData")
	}
	if !filepath.IsAbs(parent) { // the XDG specification says to ignore others
		return ""
	}
	return filepath.Join(parent, "gtwistd")
}
