// Package splice moves the content of large files between a disk and a connection without a way through the process, by pipes of
// its own: megabytes at a time, where sendfile(2) moves 64 KiB.
package splice

import "errors"

// Step is the size that Linux gives a user without privileges for one pipe (pipe-max-size, man 7 pipe). A Pipe for more is
// several.
const Step = 1 << 20

// ErrUnsupported says that a file or connection has to be read in another way.
var ErrUnsupported = errors.New("splice: not to be had for this")
