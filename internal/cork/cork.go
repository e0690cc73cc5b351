// Package cork has the system send nothing but full segments while a file is written. On a connection without Nagle's
// algorithm, as Go makes them, each sendfile(2) ends with what is left over as a segment of its own, and the receiver is woken
// for it; a cork saves a fifth of the processor time of both.
package cork

import "syscall"

// In puts the cork in, on Linux (TCP_CORK, man 7 tcp): what does not fill a segment waits for more, for 200 ms at most, or
// for Out or the end of the connection. Elsewhere, and on what is no TCP connection, it does nothing, which is only slower.
func In(conn syscall.RawConn) { set(conn, 1) }

// Out pulls the cork out, and what has waited is sent.
func Out(conn syscall.RawConn) { set(conn, 0) }
