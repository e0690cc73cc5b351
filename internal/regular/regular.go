// Package regular reads files that somebody else has named, and that may therefore be something else: a FIFO, whose opening
// waits for its other end, or a file without end.
package regular

import (
	"fmt"
	"io"
	"os"
)

// Read returns what is in the regular file at path, if that is at most limit bytes, a multiple of 1 MiB. An error names the
// path; kind says in it what the file was to be, "password file".
func Read(path string, limit int, kind string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|Nonblock, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	if len(data) > limit {
		return nil, fmt.Errorf("%s: larger than %d MiB, not a %s", path, limit>>20, kind)
	}
	return data, nil
}
