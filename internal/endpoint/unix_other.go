//go:build !unix

package endpoint

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"runtime"
)

// Windows has no permission bits for sockets: the directory's access list protects them.
func listenWithMode(_ context.Context, path string, _ fs.FileMode) (*net.UnixListener, error) {
	return net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
}

func changeMode(string, fs.FileMode) error { return nil }

func lockDir(context.Context, string) (unlock func(), err error) { return func() {}, nil }

func setBacklog(_ any, backlog int) error {
	if backlog == 0 {
		return nil
	}
	return faultf("backlog is not supported on %s", runtime.GOOS).suggest("leave it out")
}

func listening(*os.File) error {
	return errors.New("inherited descriptors are not supported on " + runtime.GOOS)
}
