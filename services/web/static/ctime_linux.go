package static

import (
	"io/fs"
	"syscall"
)

// changeTime is st_ctime in ns (inode(7)), which no program can set back as it can the time of modification.
func changeTime(info fs.FileInfo) int64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Ctim.Nano()
	}
	return 0
}
