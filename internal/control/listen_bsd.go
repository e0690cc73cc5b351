//go:build darwin || freebsd

package control

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// openDir are the flags of a descriptor that names are looked up in.
const openDir = os.O_RDONLY

// dialable returns path if it fits into a socket address; there is no way around the limit here.
func dialable(path string) (name string, done func(), err error) {
	if len(path) > maxPath {
		return "", nil, tooLong(path)
	}
	return path, func() {}, nil
}

// bindPrivate listens at name with mode 0600. The umask belongs to the whole process: for these few microseconds a file
// that another thread creates gets the narrower mode too, never a wider one.
func bindPrivate(name string) (*net.UnixListener, error) {
	before := unix.Umask(0o177)
	defer unix.Umask(before)
	return net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
}

// bindAs is not possible: a thread has no user of its own here.
func bindAs(Owner, string) (*net.UnixListener, error) { return nil, errors.ErrUnsupported }

// solLocal is SOL_LOCAL, the level of the options of unix sockets, 0 on both systems (unix(4)).
const solLocal = 0

func credentials(fd int) peer {
	cred, err := unix.GetsockoptXucred(fd, solLocal, unix.LOCAL_PEERCRED)
	if err != nil {
		return peer{err: err}
	}
	return peer{uid: int(cred.Uid)}
}
