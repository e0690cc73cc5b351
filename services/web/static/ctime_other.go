//go:build !linux

package static

import "io/fs"

// changeTime is not to be had in the same way on all other systems.
func changeTime(fs.FileInfo) int64 { return 0 }
