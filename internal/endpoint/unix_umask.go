//go:build unix && !linux

package endpoint

import (
	"context"
	"fmt"
	"io/fs"
	"net"

	"golang.org/x/sys/unix"
)

// listenWithMode listens at path. The umask is all that decides about the permissions of the file. It belongs to the whole
// process: for these few microseconds it counts for a file that another thread creates, too.
func listenWithMode(_ context.Context, path string, mode fs.FileMode) (*net.UnixListener, error) {
	before := unix.Umask(0o777 &^ int(mode))
	defer unix.Umask(before)
	return net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
}

// changeMode is for file systems without permissions; to change those of a name might be to change another file's.
func changeMode(_ string, mode fs.FileMode) error {
	return fmt.Errorf("the file system does not make sockets with mode %o", mode)
}
