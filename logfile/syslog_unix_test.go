//go:build unix

package logfile

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestSyslog(t *testing.T) {
	dir, err := os.MkdirTemp("", "log") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	address := filepath.Join(dir, "s")
	if _, err := newSyslog("unixgram", address, "gtwistd", ObserverOptions{}); err == nil || !strings.HasPrefix(err.Error(), "system log: ") {
		t.Errorf("without a system log: %v", err)
	}
	conn, err := net.ListenPacket("unixgram", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	o, err := newSyslog("unixgram", address, "gtwistd", ObserverOptions{})
	if err != nil {
		t.Fatal(err)
	}
	l := o.Logger("web")
	l.Info("one\ntwo", "k", "v")
	l.Warn("three")
	l.Error("four")
	fmt.Fprintln(o.Writer("ftp", slog.LevelDebug+4), "five")
	l.Info(strings.Repeat("é", maxDatagram*3/4))
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`<14>.* gtwistd\[PID\]: \[web#info\] one`, `<14>.*: \[web#info\] \ttwo k=v`, `<12>.*: \[web#warn\] three`,
		`<11>.*: \[web#error\] four`, `<14>.*: \[ftp#info\] five`, `<14>.*: \[web#info\] é+`, `<14>.*: \[web#info\] \té+`,
	}
	b := make([]byte, 64<<10)
	for _, w := range want {
		n, _, err := conn.ReadFrom(b)
		if err != nil {
			t.Fatal(err)
		}
		if re := strings.ReplaceAll(w, "PID", fmt.Sprint(os.Getpid())); !regexp.MustCompile("^" + re + "\n?$").Match(b[:n]) {
			t.Errorf("message %q, want %s", b[:n], re)
		}
	}
	if s := o.Stats(); s.Written != 5 {
		t.Errorf("Stats = %+v, want 5 records", s)
	}
}
