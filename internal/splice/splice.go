// Package splice moves the content of large files between a disk and a connection without a way through the process, by a pipe
// of its own: 2 MiB at a time, where sendfile(2) moves 64 KiB.
package splice

// Size is how many bytes a Pipe takes at once.
const Size = 2 << 20
