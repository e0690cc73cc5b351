//go:build !unix

package regular

// Nonblock is nothing where no FIFO has a name in the file system.
const Nonblock = 0
