//go:build unix

package static

import (
	"os"

	"golang.org/x/sys/unix"
)

// writable says whether files can be made in a directory. It makes a blocking call.
func writable(dir *os.File) bool {
	conn, err := dir.SyscallConn()
	if err != nil {
		return false
	}
	may := false
	err = conn.Control(func(fd uintptr) {
		may = unix.Faccessat(int(fd), ".", unix.W_OK|unix.X_OK, unix.AT_EACCESS) == nil
	})
	return err == nil && may
}
