//go:build unix

package daemon_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"testing"

	"github.com/gtwistd/gtwistd/daemon"
)

func TestNotify(t *testing.T) {
	names := map[string]string{"path": filepath.Join(t.TempDir(), "notify")}
	if runtime.GOOS == "linux" {
		names["abstract"] = fmt.Sprintf("@gtwistd-test-%d", os.Getpid())
	}
	for name, socket := range names {
		t.Run(name, func(t *testing.T) {
			manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
			if err != nil {
				t.Fatal(err)
			}
			defer manager.Close()
			n, err := daemon.OpenNotifier(socket)
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			if err := n.Notify("READY=1", "STATUS=2 services"); err != nil {
				t.Fatal(err)
			}
			if err := n.Reloading(); err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"^READY=1\nSTATUS=2 services$", "^RELOADING=1\nMONOTONIC_USEC=[0-9]+$"} {
				buf := make([]byte, 100)
				n, err := manager.Read(buf)
				if err != nil || !regexp.MustCompile(want).Match(buf[:n]) {
					t.Errorf("the manager got %q, %v, want %s", buf[:n], err, want)
				}
			}
		})
	}
}

func TestNotifyNobody(t *testing.T) {
	n, err := daemon.OpenNotifier("")
	if n != nil || err != nil {
		t.Fatalf("OpenNotifier(\"\") = %v, %v", n, err)
	}
	if err := n.Notify("READY=1"); err != nil {
		t.Error(err)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	for _, socket := range []string{"vsock:2:1", filepath.Join(t.TempDir(), "absent")} {
		if _, err := daemon.OpenNotifier(socket); err == nil {
			t.Errorf("OpenNotifier(%q) found a service manager", socket)
		}
	}
}
