package endpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"strings"
	"syscall"
)

// refused turns what the system said about a description into an error for the user.
func (s *Set) refused(sp Spec, err error) error {
	e := &Error{Spec: sp.String(), Err: err}
	var hinter interface{ Hint() string }
	k, _ := kindOf(sp.kind)
	switch {
	case errors.As(err, &hinter):
		e.hint = hinter.Hint()
	case errors.Is(err, syscall.EADDRINUSE) && k.inet():
		e.hint = s.holderHint(sp)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		e.Err = &wrapped{fault: fault{text: fmt.Sprintf("interface %s: not an address of this host", sp.host)}, err: err}
		e.hint = addressHint(net.InterfaceAddrs())
	case errors.Is(err, fs.ErrPermission) && sp.port > 0 && sp.port < 1024:
		e.hint = fmt.Sprintf("ports below 1024 are for root; start as root, or run `setcap cap_net_bind_service=+ep` on the program, or take port %d", unprivileged(sp.port))
	case errors.Is(err, fs.ErrNotExist) && sp.kind == "unix":
		e.hint = fmt.Sprintf("directory %s does not exist", filepath.Dir(s.path(sp.path)))
	case errors.Is(err, fs.ErrPermission) && sp.kind == "unix":
		e.hint = fmt.Sprintf("directory %s must be writable", filepath.Dir(s.path(sp.path)))
	}
	return e
}

// unprivileged is the port that people take instead of a privileged one.
func unprivileged(port int) int {
	if port < 100 {
		return 8000 + port
	}
	return 8000 + port%1000
}

// holderHint tells who has the port: one of our own services, or whom the system names.
func (s *Set) holderHint(sp Spec) string {
	for _, info := range s.Listeners("") {
		_, port, err := net.SplitHostPort(info.Addr.String())
		if err != nil || port != fmt.Sprint(sp.port) || !strings.HasPrefix(sp.network(), info.Network) {
			continue
		}
		hint := fmt.Sprintf("%s of this process listens there already (%s)", info.Owner, info.Spec)
		if sp.kind == "tcp6" || sp.host == "::" {
			hint += "; without an interface that covers IPv6 too"
		}
		return hint
	}
	who := holder(strings.TrimRight(sp.network(), "46"), sp.port)
	if who == "" {
		return ""
	}
	return fmt.Sprintf("port %d is held by %s", sp.port, who)
}

// addressHint lists what could have been meant.
func addressHint(addrs []net.Addr, err error) string {
	var list []string
	for _, ip := range usable(addrs) {
		list = append(list, ip.String())
	}
	if err != nil || len(list) == 0 {
		return ""
	}
	return "this host has " + strings.Join(list, ", ")
}
