//go:build !unix

package ftp

// nonblock is nothing where no FIFO has a name in the file system.
const nonblock = 0
