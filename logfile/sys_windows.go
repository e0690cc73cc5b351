package logfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

const (
	openFlags = 0
	// closeToRename says that an open file cannot be renamed: Go opens files without FILE_SHARE_DELETE.
	closeToRename = true
)

// openSafely: there is no root here.
func openSafely(name string, mode fs.FileMode, _ int) (*os.File, place, error) {
	return openPlainly(name, mode)
}

// belongs and reserved leave it to the system to refuse a new owner.
func belongs(fs.FileInfo, int, int) bool { return false }

func (place) reserved(fs.FileInfo, int) string { return "" }

func explain(_ string, err error) error { return err }

// mayWrite leaves it to the rotation to find out.
func mayWrite(string) error { return nil }

func brokenPipe(err error) bool { return errors.Is(err, syscall.ERROR_BROKEN_PIPE) }

// unlinked: a file that is open cannot be deleted.
func unlinked(*os.File) bool { return false }

func sameOwner(*os.File, fs.FileInfo) {}

// lock and unlock: only one process at a time can rename a file that others have closed.
func lock(*os.File) error { return nil }

func unlock(*os.File) {}
