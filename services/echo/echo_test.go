package echo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/echo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const anyPort = "tcp:0:interface=127.0.0.1"

func TestContract(t *testing.T) {
	plugintest.Run(t, echo.Plugin(), plugintest.Config{
		Args: []string{"--listen", anyPort, "--listen", "udp:0:interface=127.0.0.1", "--idle-timeout", "1h"},
		BadArgs: [][]string{
			{"--idle-timeout", "soon"},
			{"--idle-timeout=-1s"},
			{"--listen="},
			{"--port", "7"},
		},
		Dial: func(t testing.TB, addrs []net.Addr) net.Conn {
			conn := dial(t, addrs[0])
			exchange(t, conn, "accepted?")
			return conn
		},
	})
}

func TestDefaultIsOneTCPPort(t *testing.T) {
	env, got := plugintest.Env(t, "echo"), []string(nil)
	env.Listen, env.ListenPacket = func(_ context.Context, spec string) (net.Listener, error) {
		got = append(got, spec)
		return nil, errors.New("stop here")
	}, nil
	_, _ = echo.Plugin().New().Make(t.Context(), env)
	if fmt.Sprint(got) != "[tcp:7007]" {
		t.Errorf("without --listen it binds %v, want tcp:7007", got)
	}
}

// TestHalfClose says that all that was sent comes back after the client's FIN, and then the server's.
func TestHalfClose(t *testing.T) {
	srv := plugintest.Start(t, echo.Plugin(), "--listen", anyPort)
	conn := dial(t, srv.Addrs()[0]).(*net.TCPConn)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)

	var sender sync.WaitGroup
	defer sender.Wait()
	sender.Go(func() {
		if _, err := conn.Write(sent); err != nil {
			t.Error(err)
		}
		if err := conn.CloseWrite(); err != nil {
			t.Error(err)
		}
	})
	got, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("ReadAll = %d bytes, %v, want the %d bytes that were sent", len(got), err, len(sent))
	}
}

// TestBackPressure says that a client that does not read can soon write no more: if the server kept what it cannot send,
// writing would never block.
func TestBackPressure(t *testing.T) {
	const tooMuch = 64 << 20 // well above what two pairs of kernel buffers hold
	srv := plugintest.Start(t, echo.Plugin(), "--listen", anyPort)
	conn := dial(t, srv.Addrs()[0]).(*net.TCPConn)
	_ = conn.SetReadBuffer(64 << 10)
	_ = conn.SetWriteBuffer(64 << 10)

	written, block := 0, make([]byte, 1<<20)
	for written < tooMuch {
		_ = conn.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		n, err := conn.Write(block)
		written += n
		if errors.Is(err, os.ErrDeadlineExceeded) && n == 0 {
			break
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
	}
	if written >= tooMuch {
		t.Fatalf("the server took %d bytes and nobody reads them", written)
	}
	if _, err := io.CopyN(io.Discard, conn, int64(written)); err != nil {
		t.Errorf("after the pause: %v, want all %d bytes back", err, written)
	}
}

func TestIdleClientIsClosed(t *testing.T) {
	srv := plugintest.Start(t, echo.Plugin(), "--listen", anyPort, "--idle-timeout", "50ms")
	conn := dial(t, srv.Addrs()[0])
	if n, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("Read = %d, %v, want the server to hang up", n, err)
	}
}

func TestClientThatDoesNotReadIsClosed(t *testing.T) {
	srv := plugintest.Start(t, echo.Plugin(), "--listen", anyPort, "--idle-timeout", "50ms")
	conn := dial(t, srv.Addrs()[0])
	var err error
	for block := make([]byte, 1<<20); err == nil; {
		_, err = conn.Write(block)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the server still waits for a client that does not read")
	}
}

func TestManyClients(t *testing.T) {
	path := filepath.Join(t.TempDir(), "echo")
	srv := plugintest.Start(t, echo.Plugin(), "--listen", anyPort, "--listen", "unix:"+path)
	var clients sync.WaitGroup
	for i := range 100 {
		conn := dial(t, srv.Addrs()[i%2])
		clients.Go(func() {
			for j := range 20 {
				exchange(t, conn, strings.Repeat(fmt.Sprintf("client %d, line %d\n", i, j), 1+i*j))
			}
		})
	}
	clients.Wait()
}

// TestDrain says that a stop takes no new clients, and lets those that are there finish.
func TestDrain(t *testing.T) {
	srv := plugintest.Start(t, echo.Plugin(), "--listen", anyPort)
	conn := dial(t, srv.Addrs()[0])
	exchange(t, conn, "before")
	srv.Drain()
	for {
		late, err := net.Dial("tcp", srv.Addrs()[0].String())
		if err != nil {
			break
		}
		_ = late.Close()
	}
	exchange(t, conn, "while draining")
	_ = conn.Close()
	if err := srv.Wait(); err != nil {
		t.Errorf("Serve() = %v, want nil", err)
	}
}

func TestDatagrams(t *testing.T) {
	srv := plugintest.Start(t, echo.Plugin(), "--listen", "udp:0:interface=127.0.0.1")
	conn := dial(t, srv.Addrs()[0])
	for _, size := range []int{0, 1, 1472, 65507} {
		sent := bytes.Repeat([]byte{'x'}, size)
		if _, err := conn.Write(sent); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 1<<16)
		n, err := conn.Read(got)
		if err != nil || !bytes.Equal(got[:n], sent) {
			t.Errorf("echo of %d bytes = %d bytes, %v", size, n, err)
		}
	}
}

// TestForgedDatagram sends as another echo server on the same port number would, and is not answered.
func TestForgedDatagram(t *testing.T) {
	srv := plugintest.Start(t, echo.Plugin(), "--listen", "UDP:0:interface=127.0.0.1")
	addr := srv.Addrs()[0].(*net.UDPAddr)
	twin, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2), Port: addr.Port}, addr)
	if err != nil {
		t.Skipf("this system has no second loopback address: %v", err)
	}
	defer twin.Close()
	if _, err := twin.Write([]byte("to be repeated for ever")); err != nil {
		t.Fatal(err)
	}
	exchange(t, dial(t, addr), "an honest client behind it in the queue")
	report := fmt.Sprint(srv.Service.(plugins.Reporter).Report())
	if want := "[unanswered-datagrams=1]"; report != want {
		t.Errorf("Report() = %v, want %v", report, want)
	}
}

// TestOwnSocketsDoNotTalk sends, as a forged datagram would, from the address of one socket of the service to the other.
func TestOwnSocketsDoNotTalk(t *testing.T) {
	srv := plugintest.Start(t, echo.Plugin(), "--listen", "udp:0:interface=127.0.0.1", "--listen", "udp:0:interface=127.0.0.1")
	one, two := srv.Addrs()[0].(*net.UDPAddr), srv.Addrs()[1].(*net.UDPAddr)
	forged, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2), Port: two.Port}, one)
	if err != nil {
		t.Skipf("this system has no second loopback address: %v", err)
	}
	defer forged.Close()
	if _, err := forged.Write([]byte("to be repeated for ever")); err != nil {
		t.Fatal(err)
	}
	exchange(t, dial(t, one), "an honest client behind it in the queue")
	if report := fmt.Sprint(srv.Service.(plugins.Reporter).Report()); report != "[unanswered-datagrams=1]" {
		t.Errorf("Report() = %v, want one datagram that was not answered", report)
	}
}

// dial connects for as long as the test runs, and lets a hang become an error.
func dial(t testing.TB, addr net.Addr) net.Conn {
	t.Helper()
	conn, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// exchange sends a text and wants it back.
func exchange(t testing.TB, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Error(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != text {
		t.Errorf("echo of %q = %q, %v", text, got, err)
	}
}
