//go:build !unix

package lane

// canTryRead says that sockets here do not work like that: a connection that waits holds a buffer.
const canTryRead = false

func (c *conn) tryRead(uintptr) bool { return true }
