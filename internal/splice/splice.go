// Package splice moves the content of large files between a disk and a connection without a way through the process, by pipes of
// its own: a megabyte or two at a time, where sendfile(2) moves 64 KiB.
package splice

// Step is the size that Linux gives a user without privileges for one pipe (pipe-max-size, man 7 pipe). A Pipe for more is
// several.
const Step = 1 << 20
