//go:build !unix

package ftp

import "net"

// keepUrgent does nothing here: what clients send as urgent data is lost.
func keepUrgent(net.Conn) {}
