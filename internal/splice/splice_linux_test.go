package splice_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/internal/splice"
)

// TestThrough sends a file over a connection into another file. The first reader takes nothing for a while, so that the writer
// comes to its deadline, more than once, in the middle of a pipe.
func TestThrough(t *testing.T) {
	dir := t.TempDir()
	content := noise(3*2*splice.Step + 12345)
	from := create(t, dir, "from")
	if _, err := from.WriteAt(content, 0); err != nil {
		t.Fatal(err)
	}
	near, far := connect(t)
	waited := make(chan struct{})
	sent := make(chan error, 1)
	go func() { sent <- send(from, near, waited) }()

	select {
	case <-waited:
	case err := <-sent:
		t.Fatalf("before anything was received: %v", err)
	}
	to := create(t, dir, "to")
	if err := receive(to, far); err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(to.Name())
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes came, %v, want the %d that were sent", len(got), err, len(content))
	}
}

// send sends a file to its end, and closes waited when it has come to a deadline.
func send(f *os.File, conn *net.TCPConn, waited chan struct{}) error {
	p, err := splice.New(2 * splice.Step)
	if err != nil {
		return err
	}
	defer p.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	_ = conn.SetWriteBuffer(64 << 10)
	for most := int64(math.MaxInt64); ; {
		_ = conn.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		n, err := p.Send(raw, f, most, nil)
		most -= n
		switch {
		case err == io.EOF:
			return conn.Close()
		case err == nil: // it has waited
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("Send: %w", err)
		case waited != nil:
			close(waited)
			waited = nil
		}
	}
}

// receive writes what comes to a file, in pieces that are no pipe's size.
func receive(f *os.File, conn *net.TCPConn) error {
	p, err := splice.New(2 * splice.Step)
	if err != nil {
		return err
	}
	defer p.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	for {
		left, err := p.ReadConn(raw, 2*splice.Step)
		if err == io.EOF {
			return nil
		}
		for left > 0 && err == nil {
			var n int
			n, err = p.WriteFile(f, 100_000)
			left -= n
		}
		if err != nil {
			return err
		}
	}
}

// TestErrors says what a pipe answers for files and connections that take or give nothing.
func TestErrors(t *testing.T) {
	p, err := splice.New(2 * splice.Step)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	f := create(t, t.TempDir(), "f")
	near, far := connect(t)
	raw, err := near.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := p.Send(raw, f, 1, nil); n != 0 || err != io.EOF {
		t.Errorf("end of a file: %d, %v", n, err)
	}
	busy := errors.New("busy")
	if n, err := p.Send(raw, f, 1, func(func() error) error { return busy }); n != 0 || err != busy {
		t.Errorf("busy disk: %d, %v", n, err)
	}
	if err := os.WriteFile(f.Name(), []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := far.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	far.Close()
	if n, err := p.ReadConn(raw, 1); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reading from a reset connection: %d, %v", n, err)
	}
	if n, err := p.Send(raw, f, 10, nil); n != 0 || !errors.Is(err, syscall.EPIPE) {
		t.Errorf("sending to a reset connection: %d, %v", n, err)
	}
	readOnly, err := os.Open(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer readOnly.Close()
	if n, err := p.WriteFile(readOnly, 10); n != 0 || !errors.Is(err, syscall.EBADF) {
		t.Errorf("file that cannot be written: %d, %v", n, err)
	}
	near.Close()
	if n, err := p.ReadConn(raw, 1); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("reading from a closed connection: %d, %v", n, err)
	}
	if n, err := p.Send(raw, f, 1, nil); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("sending to a closed connection: %d, %v", n, err)
	}
	f.Close()
	if n, err := p.Send(raw, f, 1, nil); n != 0 || err == nil {
		t.Errorf("closed file: %d, %v", n, err)
	}
}

// TestPool says that pipes are bounded and used again, but for those that have something in them.
func TestPool(t *testing.T) {
	near, far := connect(t)
	raw, err := near.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := far.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	far.Close()
	f := create(t, t.TempDir(), "f")
	if _, err := f.WriteString("abc"); err != nil {
		t.Fatal(err)
	}
	var lent []*splice.Pipe
	for p := splice.Get(); p != nil; p = splice.Get() {
		lent = append(lent, p)
	}
	if len(lent) == 0 || len(lent) > 100 {
		t.Fatalf("%d pipes", len(lent))
	}
	splice.Put(lent[0])
	if p := splice.Get(); p != lent[0] {
		t.Errorf("Get = %p, want %p again", p, lent[0])
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	_, _ = near.Read(make([]byte, 1)) // the reset has come
	if n, err := lent[0].Send(raw, f, 3, nil); n != 0 || err == nil {
		t.Errorf("Send = %d, %v", n, err)
	}
	splice.Put(lent[0])
	if p := splice.Get(); p == nil || p == lent[0] {
		t.Errorf("Get = %p, want another than the used %p", p, lent[0])
	} else {
		lent[0] = p
	}
	splice.Put(nil)
	if p := splice.Get(); p != nil {
		t.Error("there is one more than at first")
	}
	for _, p := range lent {
		splice.Put(p)
	}
}

// TestUrgent says that splicing ends at a byte that was sent as urgent, which only read(2) passes.
func TestUrgent(t *testing.T) {
	near, far := connect(t)
	raw, err := near.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(control(near, func(fd int) error {
		return syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_OOBINLINE, 1)
	}), control(far, func(fd int) error { return syscall.Sendto(fd, []byte("abU"), syscall.MSG_OOB, nil) }))
	if err != nil {
		t.Fatal(err)
	}
	p, err := splice.New(2 * splice.Step)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	f := create(t, t.TempDir(), "f")
	if n, err := p.ReadConn(raw, 10); n != 2 || err != nil {
		t.Errorf("before the urgent byte: %d, %v", n, err)
	}
	if n, err := p.WriteFile(f, 10); n != 2 || err != nil {
		t.Errorf("into the file: %d, %v", n, err)
	}
	if n, err := p.ReadConn(raw, 10); n != 0 || err != io.EOF {
		t.Errorf("at the urgent byte: %d, %v", n, err)
	}
	b := make([]byte, 10)
	if n, err := near.Read(b); string(b[:n]) != "U" || err != nil {
		t.Errorf("read the urgent byte: %q, %v", b[:n], err)
	}
}

func control(conn *net.TCPConn, do func(fd int) error) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failure error
	err = raw.Control(func(fd uintptr) { failure = do(int(fd)) })
	return errors.Join(err, failure)
}

func noise(n int) []byte {
	b := make([]byte, n)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(b)
	return b
}

func create(t *testing.T, dir, name string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func connect(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	far = conn.(*net.TCPConn)
	if near, err = l.AcceptTCP(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close() })
	return near, far
}
