//go:build !unix

package ftp

import "os"

// isUnlinked is never true where a file that is open keeps its name.
func isUnlinked(*os.File) bool { return false }
