package endpoint_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/gtwistd/gtwistd/internal/endpoint"
	"golang.org/x/sys/unix"
)

func TestAbstractSocket(t *testing.T) {
	name := "@" + filepath.Base(t.TempDir()) + t.Name()
	s := newSet(t, endpoint.Options{Dir: t.TempDir()})
	pair(t, listen(t, s, "x", "unix:"+name))
	if got := s.Listeners("")[0].Path; got != name {
		t.Errorf("Path = %q, want %q", got, name)
	}
}

// The length of a listener's queue stands where connections have their selective acknowledgements (tcp(7)).
func TestBacklog(t *testing.T) {
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	most := queueLength(t, l)
	l.Close()
	for _, tt := range []struct {
		spec string
		want uint32
	}{{anyPort, most}, {anyPort + ":backlog=7", 7}} {
		s := newSet(t, endpoint.Options{})
		l := listen(t, s, "x", tt.spec)
		if n := queueLength(t, descriptorOf(t, l)); n != tt.want {
			t.Errorf("%s: queue of %d, want %d", tt.spec, n, tt.want)
		}
	}
}

// A connection has the keep-alive probes that package net gives it elsewhere.
func TestKeepAlive(t *testing.T) {
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	want := keepAliveOf(t, plain)
	plain.Close()
	if want[0] == 0 {
		t.Fatal("package net sets none")
	}
	s := newSet(t, endpoint.Options{})
	if got := keepAliveOf(t, listen(t, s, "x", anyPort)); got != want {
		t.Errorf("SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT = %v, want %v", got, want)
	}
}

// keepAliveOf asks for the options of a connection to l, as the server has it.
func keepAliveOf(t *testing.T, l net.Listener) (values [4]int) {
	t.Helper()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	raw, err := far.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		for i, option := range [][2]int{
			{unix.SOL_SOCKET, unix.SO_KEEPALIVE}, {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE}, {unix.IPPROTO_TCP, unix.TCP_KEEPINTVL}, {unix.IPPROTO_TCP, unix.TCP_KEEPCNT},
		} {
			var err error
			if values[i], err = unix.GetsockoptInt(int(fd), option[0], option[1]); err != nil {
				t.Errorf("getsockopt(%v): %v", option, err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// descriptorOf finds the socket among those of this process by its address, since the set keeps it to itself.
func descriptorOf(t *testing.T, l net.Listener) net.Listener {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		link, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err != nil || !strings.HasPrefix(link, "socket:") {
			continue
		}
		fd, _ := strconv.Atoi(e.Name())
		dup, err := syscall.Dup(fd)
		if err != nil {
			continue
		}
		file := os.NewFile(uintptr(dup), "")
		found, err := net.FileListener(file)
		file.Close()
		if err != nil {
			continue
		}
		t.Cleanup(func() { found.Close() })
		if found.Addr().String() == l.Addr().String() {
			return found
		}
	}
	t.Fatalf("no descriptor of %v", l.Addr())
	return nil
}

func queueLength(t *testing.T, l net.Listener) uint32 {
	t.Helper()
	raw, err := l.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var info *unix.TCPInfo
	raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
	if err != nil {
		t.Fatal(err)
	}
	return info.Sacked
}

// handlerFunc is a log that calls a function.
type handlerFunc func(slog.Record)

func (h handlerFunc) Enabled(context.Context, slog.Level) bool { return true }
func (h handlerFunc) Handle(_ context.Context, r slog.Record) error {
	h(r)
	return nil
}
func (h handlerFunc) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h handlerFunc) WithGroup(string) slog.Handler      { return h }

// Out of descriptors, Accept waits until there are some: the log record is the sign for the test to give them back.
func TestAcceptOutlivesDescriptorShortage(t *testing.T) {
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old)
	notes := 0
	s := newSet(t, endpoint.Options{Log: slog.New(handlerFunc(func(r slog.Record) {
		notes++
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old)
	}))})
	l := listen(t, s, "web", anyPort)
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	free, err := syscall.Open("/dev/null", syscall.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	syscall.Close(free)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: uint64(free), Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatalf("Accept = %v", err)
	}
	c.Close()
	if notes != 1 {
		t.Errorf("%d notes, want 1", notes)
	}
}

func TestPrivilegedPort(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to become somebody else")
	}
	first, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil || strings.TrimSpace(string(first)) != "1024" {
		t.Skipf("this host gives low ports to everybody: %s", first)
	}
	s := newSet(t, endpoint.Options{})
	result := make(chan error)
	go func() {
		// Only this thread becomes another user; it ends with the goroutine, as it is not unlocked.
		runtime.LockOSThread()
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, 65534, 65534, 65534); errno != 0 {
			result <- errno
			return
		}
		_, err := s.Listen(context.Background(), "web", "tcp:127.0.0.1:81")
		result <- err
	}()
	err = <-result
	if err == nil || err.Error() != "listen tcp:81:interface=127.0.0.1: permission denied" || !strings.Contains(hint(err), "or take port 8081") {
		t.Errorf("Listen = %v, hint %q", err, hint(err))
	}
}
