package proxy_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// acceptKey is RFC 6455 section 4.2.2.
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// frame is a final binary frame of RFC 6455 section 5.2; a client's is masked.
func frame(payload []byte, masked bool) []byte {
	head := []byte{0x82, byte(len(payload))}
	if len(payload) > 125 {
		head[1] = 127
		head = binary.BigEndian.AppendUint64(head, uint64(len(payload)))
	}
	body := append([]byte(nil), payload...)
	if masked {
		head[1] |= 0x80
		mask := []byte{1, 2, 3, 4}
		head = append(head, mask...)
		for i := range body {
			body[i] ^= mask[i%4]
		}
	}
	return append(head, body...)
}

// readFrame returns the payload of a frame, unmasked.
func readFrame(in *bufio.Reader) ([]byte, error) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(in, head); err != nil {
		return nil, err
	}
	n := uint64(head[1] & 0x7f)
	if n == 127 {
		long := make([]byte, 8)
		if _, err := io.ReadFull(in, long); err != nil {
			return nil, err
		}
		n = binary.BigEndian.Uint64(long)
	}
	mask := make([]byte, 4)
	if head[1]&0x80 != 0 {
		if _, err := io.ReadFull(in, mask); err != nil {
			return nil, err
		}
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(in, payload); err != nil {
		return nil, err
	}
	for i := range payload {
		payload[i] ^= mask[i%4]
	}
	return payload, nil
}

// webSocketUpstream greets in the same write as its handshake, then echoes frames; ended gets what ended it.
func webSocketUpstream(t testing.TB) (url string, ended chan error) {
	t.Helper()
	ended = make(chan error, 1)
	return rawUpstream(t, func(conn net.Conn, in *bufio.Reader) {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n%s",
			acceptKey(req.Header.Get("Sec-WebSocket-Key")), frame([]byte("hello"), false))
		for {
			payload, err := readFrame(in)
			if err != nil {
				ended <- err
				return
			}
			if string(payload) == "bye" {
				ended <- nil
				return
			}
			if _, err := conn.Write(frame(payload, false)); err != nil {
				ended <- err
				return
			}
		}
	}), ended
}

const handshake = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// dialWebSocket does the handshake, with early bytes behind it.
func dialWebSocket(t testing.TB, addr string, early []byte) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.Write(append([]byte(handshake), early...)); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	head := readHead(in)
	for _, want := range []string{"HTTP/1.1 101 ", "\r\nConnection: Upgrade\r\n", "\r\nUpgrade: websocket\r\n", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="} {
		if !strings.Contains(head, want) {
			t.Fatalf("no %q in\n%s", want, head)
		}
	}
	if hello, err := readFrame(in); string(hello) != "hello" || err != nil {
		t.Fatalf("first frame = %q, %v", hello, err)
	}
	return conn, in
}

func TestWebSocket(t *testing.T) {
	up, ended := webSocketUpstream(t)
	f := serve(t, "", up, "read-timeout=20ms", "answer-timeout=1s")
	conn, in := dialWebSocket(t, f.addr(), frame([]byte("early"), true))
	if got, err := readFrame(in); string(got) != "early" || err != nil {
		t.Errorf("echo of what came with the handshake = %q, %v", got, err)
	}
	for _, size := range []int{0, 1, 125, 70000, 1 << 20} {
		want := strings.Repeat("x", size)
		if _, err := conn.Write(frame([]byte(want), true)); err != nil {
			t.Fatal(err)
		}
		if got, err := readFrame(in); string(got) != want || err != nil {
			t.Fatalf("echo of %d bytes = %d bytes, %v", size, len(got), err)
		}
	}
	if _, err := conn.Write(frame([]byte("bye"), true)); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("upstream ended with %v", err)
	}
	if rest, err := io.ReadAll(in); len(rest) > 0 || err != nil {
		t.Errorf("after the upstream's end = %q, %v, want the end", rest, err)
	}
	if log := f.host.Log(); log != "" {
		t.Errorf("logged:\n%s", log)
	}
}

// TestTunnelEnds says what ends a tunnel: the client, the request's context, Close.
func TestTunnelEnds(t *testing.T) {
	t.Run("client", func(t *testing.T) {
		up, ended := webSocketUpstream(t)
		f := serve(t, "", up)
		conn, _ := dialWebSocket(t, f.addr(), nil)
		_ = conn.Close()
		<-ended
	})
	t.Run("context", func(t *testing.T) {
		up, ended := webSocketUpstream(t)
		ctx, cancel := context.WithCancel(t.Context())
		f := serveAround(t, func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r.WithContext(ctx)) })
		}, "", up)
		_, in := dialWebSocket(t, f.addr(), nil)
		cancel()
		if rest, err := io.ReadAll(in); len(rest) > 0 {
			t.Errorf("after the context's end = %q, %v", rest, err)
		}
		<-ended
	})
	t.Run("close", func(t *testing.T) {
		up, ended := webSocketUpstream(t)
		f := serve(t, "", up)
		_, in := dialWebSocket(t, f.addr(), nil)
		if err := f.handler.Close(); err != nil {
			t.Error(err)
		}
		if rest, err := io.ReadAll(in); len(rest) > 0 {
			t.Errorf("after Close = %q, %v", rest, err)
		}
		<-ended
	})
}

// TestHalfClosedTunnel says that a client that has said all still hears. It waits until there is a tunnel: before, net/http
// takes the end of what a client sends for its leaving.
func TestHalfClosedTunnel(t *testing.T) {
	up := rawUpstream(t, func(conn net.Conn, in *bufio.Reader) {
		readHead(in)
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\nready\n")
		all, err := io.ReadAll(in)
		fmt.Fprintf(conn, "%s %v", all, err)
	})
	f := serve(t, "", up, "upgrade=tcp")
	conn, err := net.Dial("tcp", f.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nall")
	in := bufio.NewReader(conn)
	head := readHead(in)
	if ready, err := in.ReadString('\n'); ready != "ready\n" {
		t.Fatalf("answer = %q %q, %v", head, ready, err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(in); string(rest) != "all <nil>" || err != nil {
		t.Errorf("answer = %q %q, %v, want all", head, rest, err)
	}
}

func TestUpgradeRefused(t *testing.T) {
	up := rawUpstream(t, func(conn net.Conn, in *bufio.Reader) {
		if head := readHead(in); strings.Contains(head, "/other") {
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n")
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
	})
	f := serve(t, "", up)
	if res, body := send(t, f.addr(), handshake); res.StatusCode != 403 || body != "no" {
		t.Errorf("answer = %d %q, want 403 no", res.StatusCode, body)
	}
	if res, _ := send(t, f.addr(), strings.Replace(handshake, "/chat", "/other", 1)); res.StatusCode != 502 {
		t.Errorf("another protocol = %d, want 502", res.StatusCode)
	}
}
