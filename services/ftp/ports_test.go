package ftp_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

// TestPortsForCommandsAlone says that a range without a port for data is an error before anything is served.
func TestPortsForCommandsAlone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	_, err = makeService(t, plugintest.NewHost(t, "ftp"), "--listen", fmt.Sprintf("tcp:%d:interface=127.0.0.1", port), "--passive-ports", fmt.Sprint(port))
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("--passive-ports %d-%d: it is where clients come to for their commands", port, port)) {
		t.Errorf("Make() = %v", err)
	}
}

// TestNoPortIsNoted says that clients that get 425 leave a record, and a hundred of them one.
func TestNoPortIsNoted(t *testing.T) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", t.TempDir(), "--passive-ports", fmt.Sprint(port))
	c := anonymous(t, srv)
	for range 3 {
		c.do("PASV", "425 No port is free")
	}
	anonymous(t, srv).do("EPSV", "425 No port is free")
	if log := srv.Log(); strings.Count(log, "level=WARN") != 2 || !strings.Contains(log, "others have all of --passive-ports") ||
		!strings.Contains(log, "clients get 425: other programs have them") {
		t.Errorf("not one warning at the start and one later:\n%s", log)
	}
}

// TestSessionsHaveThePorts says that the record tells whose the ports are.
func TestSessionsHaveThePorts(t *testing.T) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", t.TempDir(), "--passive-ports", fmt.Sprint(port))
	anonymous(t, srv).do("EPSV", "229")
	late := anonymous(t, srv)
	late.do("EPSV", "425")
	late.do("NOOP", "200") // behind the record
	if log := srv.Log(); !strings.Contains(log, "clients get 425: sessions have them all") || strings.Contains(log, "others have all") {
		t.Errorf("no reason in %s", log)
	}
}

func TestPublicIPMistakes(t *testing.T) {
	for _, tt := range []struct {
		values []string
		want   string
	}{
		{[]string{"0.0.0.0"}, "no client can connect"},
		{[]string{"255.255.255.255"}, "no client can connect"},
		{[]string{"239.1.2.3"}, "no client can connect"},
		{[]string{"10.0.0.0/8"}, "as in 10.0.0.0/8=203.0.113.7"},
		{[]string{"1.2.3.4", "1.2.3.5"}, `there is "1.2.3.4" already`},
		{[]string{"10.0.0.0/8=1.2.3.4", "10.0.0.0/8=1.2.3.4"}, `there is "10.0.0.0/8=1.2.3.4" already for this network`},
		{[]string{"10.0.0.5/8=1.2.3.4"}, `"10.0.0.5/8": not the first address of a network: did you mean 10.0.0.0/8, or 10.0.0.5 alone?`},
	} {
		args := []string{"--listen", anyPort, "--root", t.TempDir()}
		for _, value := range tt.values {
			args = append(args, "--public-ip", value)
		}
		if _, err := makeService(t, plugintest.NewHost(t, "ftp"), args...); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %q in it", tt.values, err, tt.want)
		}
	}
	_, err := makeService(t, plugintest.NewHost(t, "ftp"), "--listen", anyPort, "--passive-ports", "21110-21105")
	if err == nil || !strings.Contains(err.Error(), "did you mean 21105-21110?") {
		t.Errorf("ports the wrong way round: %v", err)
	}
}
