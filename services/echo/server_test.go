package echo

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// broken is a listener that fails once fail is closed.
type broken struct {
	net.Listener
	fail chan struct{}
}

var errBroken = errors.New("the network is gone")

func (b broken) Accept() (net.Conn, error) {
	<-b.fail
	return nil, errBroken
}

// TestSocketFails says that a listener that fails is a failure of the service, and that its clients are sent away.
func TestSocketFails(t *testing.T) {
	bad, good := broken{listen(t), make(chan struct{})}, listen(t)
	s := &server{log: slog.New(slog.DiscardHandler), streams: []net.Listener{bad, good}}
	result := make(chan error)
	go func() { result <- s.Serve(t.Context()) }()

	conn, err := net.Dial("tcp", good.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	close(bad.fail)
	if err := <-result; !errors.Is(err, errBroken) {
		t.Errorf("Serve() = %v, want %v", err, errBroken)
	}
	if n, err := conn.Read(make([]byte, 1)); err == nil {
		t.Errorf("Read() = %d bytes from a service that failed", n)
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

// TestIdleTimerRestarts says that the idle timeout counts from the last byte, not from the connection's start.
func TestIdleTimerRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{log: slog.New(slog.DiscardHandler), idleTimeout: time.Minute}
		client, conn := net.Pipe()
		result := make(chan error)
		go func() { result <- s.echo(conn) }()
		for range 10 {
			time.Sleep(59 * time.Second)
			if _, err := client.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(client, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		last := time.Now()
		err := <-result
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(last) != time.Minute {
			t.Errorf("echo() = %v after %v, want a timeout after a minute", err, time.Since(last))
		}
	})
}
