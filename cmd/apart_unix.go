//go:build unix

package cmd

import "syscall"

// apart is for a process that neither a key of our terminal stops nor writes to it.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
