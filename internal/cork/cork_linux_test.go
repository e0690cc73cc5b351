package cork

import (
	"net"
	"syscall"
	"testing"
)

func TestInOut(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	option := func() (value int) {
		t.Helper()
		var getErr error
		if err := raw.Control(func(fd uintptr) {
			value, getErr = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_CORK)
		}); err != nil || getErr != nil {
			t.Fatal(err, getErr)
		}
		return value
	}
	In(raw)
	if got := option(); got != 1 {
		t.Errorf("TCP_CORK = %d behind In, want 1", got)
	}
	Out(raw)
	if got := option(); got != 0 {
		t.Errorf("TCP_CORK = %d behind Out, want 0", got)
	}
	conn.Close()
	In(raw) // must not panic
}
