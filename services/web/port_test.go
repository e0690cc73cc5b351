package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/plugins/plugintest"
)

func loopbackPort(port int) string { return fmt.Sprintf("tcp:%d:interface=127.0.0.1", port) }

// takeTwo binds two ports that follow each other and returns the first.
func takeTwo(t *testing.T) int {
	t.Helper()
	for range 100 {
		one, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { one.Close() })
		port := one.Addr().(*net.TCPAddr).Port
		two, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+1))
		if err != nil {
			continue
		}
		t.Cleanup(func() { two.Close() })
		return port
	}
	t.Fatal("no two ports are free")
	return 0
}

func TestListenAuto(t *testing.T) {
	first := takeTwo(t)
	var log bytes.Buffer
	env := plugintest.NewHost(t, "web").Env
	env.Log = slog.New(slog.NewTextHandler(&log, nil))
	l, err := listenAuto(t.Context(), env, first, loopbackPort)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if port := l.Addr().(*net.TCPAddr).Port; port < first+2 {
		t.Errorf("port = %d, want one after %d", port, first+1)
	}
	for i := range 2 {
		want := fmt.Sprintf(`level=INFO msg="port in use, trying the next" port=%d holder=`, first+i)
		if runtime.GOOS == "linux" {
			want += fmt.Sprintf(`"port %d is held by this process"`, first+i)
		}
		if !strings.Contains(log.String(), want) {
			t.Errorf("log = %s\nwant %s", &log, want)
		}
	}
}

func TestListenAutoGivesUp(t *testing.T) {
	refusal := fmt.Errorf("listen: %w", syscall.EACCES)
	busy := fmt.Errorf("listen: %w", syscall.EADDRINUSE)
	tests := []struct {
		name   string
		answer error
		asked  int
		want   string
	}{
		{"another error", refusal, 1, refusal.Error()},
		{"all in use", busy, autoPorts, "--port auto: ports 8080 to 8179 are all in use, the last one: " + busy.Error()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			asked := 0
			env := &plugins.Env{
				Log:    slog.New(slog.DiscardHandler),
				Listen: func(context.Context, string) (net.Listener, error) { asked++; return nil, tt.answer },
			}
			l, err := listenAuto(t.Context(), env, firstAutoPort, loopbackPort)
			if l != nil || err == nil || err.Error() != tt.want || asked != tt.asked {
				t.Errorf("listenAuto() = %v, %v after %d ports, want %q after %d", l, err, asked, tt.want, tt.asked)
			}
		})
	}
}

func TestSuggestAuto(t *testing.T) {
	env := plugintest.NewHost(t, "web").Env
	port := takeTwo(t)
	_, err := env.Listen(t.Context(), loopbackPort(port))
	got := suggestAuto(err)
	if !errors.Is(got, syscall.EADDRINUSE) || got.Error() != err.Error() {
		t.Errorf("suggestAuto(%v) = %v, want the same error", err, got)
	}
	if want := "--port auto takes the next free one"; !strings.HasSuffix(hint(got), want) {
		t.Errorf("hint = %q, want %q at its end", hint(got), want)
	}
	if runtime.GOOS == "linux" && !strings.HasPrefix(hint(got), fmt.Sprintf("port %d is held by ", port)) {
		t.Errorf("hint = %q, want the holder", hint(got))
	}
	if other := errors.New("other"); suggestAuto(other) != other || suggestAuto(nil) != nil {
		t.Error("suggestAuto changes an error that has nothing to do with it")
	}
}
