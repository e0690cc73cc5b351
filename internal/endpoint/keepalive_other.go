//go:build !linux

package endpoint

import "net"

// tcpConfig leaves the keep-alive probes to package net.
func tcpConfig() net.ListenConfig { return net.ListenConfig{} }
