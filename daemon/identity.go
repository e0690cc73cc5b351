package daemon

import (
	"fmt"
	"strconv"
)

// Identity is an account that the process can become.
type Identity struct {
	UID, GID int
	Groups   []int  // all groups, GID among them
	Name     string // of the user; its number if the system does not know a name
}

// ParseUmask reads an octal number from 0 to 777, such as "022".
func ParseUmask(s string) (int, error) {
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n > 0o777 {
		return 0, fmt.Errorf("umask %q: not an octal number from 0 to 777", s)
	}
	return int(n), nil
}

// Confinement is what a process gives up once its sockets are bound. The zero value gives up nothing.
type Confinement struct {
	Chroot   string    // new root directory; empty means none
	Dir      string    // working directory, inside Chroot if there is one; empty means "/" with Chroot and no change without
	Umask    *int      // nil means no change
	Identity *Identity // nil means no change
}

func isNumber(s string) bool {
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}
