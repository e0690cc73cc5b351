//go:build !linux

package daemon

// monotonicMicroseconds is 0: only Linux has the service manager that asks for it.
func monotonicMicroseconds() int64 { return 0 }
