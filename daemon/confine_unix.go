//go:build unix

package daemon

import (
	"crypto/x509"
	"errors"
	"fmt"
	"mime"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Confine changes the root directory, the working directory, the umask, the groups, the group and the user, in this order
// and in all threads, and makes sure that root cannot be regained. Errors name the step: "chroot /x: no such file or
// directory". After an error the process may be confined in part and should end. Descriptors that are open on
// directories outside lead out of a chroot, and so do the rights of root: it confines only together with an Identity.
func Confine(c Confinement) error {
	if c.Chroot != "" {
		preload()
		if err := unix.Chroot(c.Chroot); err != nil {
			return stepError(err, fmt.Sprintf("chroot %s", c.Chroot), "only root can change the root directory")
		}
		if err := os.Chdir("/"); err != nil {
			return fmt.Errorf("chroot %s: %w", c.Chroot, plain(err))
		}
	}
	if c.Dir != "" {
		if err := changeDir(c); err != nil {
			return err
		}
	}
	if c.Umask != nil {
		unix.Umask(*c.Umask)
	}
	if c.Identity != nil {
		return c.Identity.assume()
	}
	return nil
}

// preload reads what the standard library reads on first use from files that a chroot hides: the time zone, content types and
// certificates of authorities.
func preload() {
	_, _ = time.Now().Zone()
	_ = mime.TypeByExtension(".html")
	_, _ = x509.SystemCertPool()
}

func changeDir(c Confinement) error {
	if c.Chroot == "" {
		if err := os.Chdir(c.Dir); err != nil {
			return fmt.Errorf("rundir %s: %w", c.Dir, plain(err))
		}
		return nil
	}
	if err := os.Chdir(filepath.Join("/", c.Dir)); err != nil {
		return fmt.Errorf("rundir %s in chroot %s: %w", c.Dir, c.Chroot, plain(err))
	}
	return nil
}

// assume uses package syscall, whose functions act on all threads, where those of x/sys may act on one.
func (id *Identity) assume() error {
	if id.UID == unix.Getuid() && id.UID == unix.Geteuid() && id.GID == unix.Getgid() && id.GID == unix.Getegid() && id.UID != 0 {
		return id.verify() // nothing to give up, and setgroups would be refused
	}
	const hint = "only root can become another user"
	if err := syscall.Setgroups(id.Groups); err != nil {
		return stepError(err, fmt.Sprintf("setgroups %v", id.Groups), hint)
	}
	if err := syscall.Setgid(id.GID); err != nil {
		return stepError(err, fmt.Sprintf("setgid %d", id.GID), hint)
	}
	if err := syscall.Setuid(id.UID); err != nil {
		return stepError(err, fmt.Sprintf("setuid %d", id.UID), hint)
	}
	return id.verify()
}

func (id *Identity) verify() error {
	if unix.Getuid() != id.UID || unix.Geteuid() != id.UID || unix.Getgid() != id.GID || unix.Getegid() != id.GID {
		return fmt.Errorf("setuid %d: the system still says uid %d, gid %d", id.UID, unix.Geteuid(), unix.Getegid())
	}
	if id.UID == 0 {
		return nil
	}
	if syscall.Setuid(0) == nil || (id.GID != 0 && syscall.Setgid(0) == nil) {
		return fmt.Errorf("setuid %d: root could be regained", id.UID)
	}
	return nil
}

func stepError(err error, step, hint string) error {
	if !errors.Is(err, os.ErrPermission) {
		hint = ""
	}
	return failuref(err, hint, "%s: %v", step, err)
}

func currentUID() int { return unix.Getuid() }
