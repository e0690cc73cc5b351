package ftp

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// powerless runs fn in a thread, which ends with it, that may no more than anybody.
func powerless(t *testing.T, fn func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		fn()
		return
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked
		err := unix.Setfsuid(65534)
		if err == nil {
			var nothing [2]unix.CapUserData
			err = unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &nothing[0])
		}
		if err == nil {
			fn()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestWritable(t *testing.T) {
	for mode, can := range map[os.FileMode]bool{0o555: false, 0o755: os.Geteuid() != 0, 0o777: true} {
		dir := t.TempDir()
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		powerless(t, func() { err = writable(root) })
		if (err == nil) != can || err != nil && !errors.Is(err, fs.ErrPermission) {
			t.Errorf("writable() of mode %o = %v, want %v", mode, err, can)
		}
		_ = root.Close()
	}
}

func TestPortsOfRoot(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil || strings.TrimSpace(string(text)) != "1024" {
		t.Skip("ports below 1024 are free for all here")
	}
	var all, none error
	powerless(t, func() {
		_, none = (&portRange{100, 110}).check(nil)
		_, all = (&portRange{1000, 65535}).check(nil)
	})
	var hinting interface{ Hint() string }
	if all != nil || !errors.As(none, &hinting) || !strings.Contains(none.Error(), "--passive-ports 100-110: port 110: permission denied") ||
		!strings.Contains(hinting.Hint(), "CAP_NET_BIND_SERVICE") {
		t.Errorf("check() = %v, and %v for some that can be had", none, all)
	}
}

func TestPortsThatAreTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	tests := []struct {
		name  string
		ports portRange
		taken []int
		ok    bool
	}{
		{"any", portRange{}, []int{port}, true},
		{"one for commands", portRange{port, port}, []int{port}, false},
		{"two for commands", portRange{20, 21}, []int{21, 990, 20}, false},
		{"taken by another", portRange{port, port}, nil, true},
		{"others besides", portRange{port, 65535}, []int{port}, true},
	}
	for _, tt := range tests {
		if _, err := tt.ports.check(tt.taken); (err == nil) != tt.ok {
			t.Errorf("%s: check(%v) of %v = %v", tt.name, tt.taken, tt.ports, err)
		}
	}
}
