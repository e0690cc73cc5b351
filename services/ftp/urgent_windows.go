package ftp

import "syscall"

func setInline(fd uintptr) {
	const inline = 0x100 // SO_OOBINLINE in winsock2.h
	_ = syscall.SetsockoptInt(syscall.Handle(fd), syscall.SOL_SOCKET, inline, 1)
}
