package plugintest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"testing"

	"github.com/gtwistd/gtwistd/internal/certs"
	"github.com/gtwistd/gtwistd/internal/endpoint"
	"github.com/gtwistd/gtwistd/internal/secrets"
	"github.com/gtwistd/gtwistd/internal/terms"
	"github.com/gtwistd/gtwistd/plugins"
)

// Host is a runner in miniature: it gives a service its Env, owns the sockets as the runner does (package
// internal/endpoint), and keeps what was logged. Its methods are safe for concurrent use.
type Host struct {
	// Env is what the service gets.
	Env *plugins.Env

	log, access buffer
	occupy      int // which bind, from 1 on, meets an address in use; 0 is none

	set     *endpoint.Set
	certs   *certs.Manager
	secrets secrets.List

	mu    sync.Mutex
	addrs []net.Addr
}

// Env returns the environment of a new Host, for a test that needs no more.
func Env(t testing.TB, name string) *plugins.Env {
	t.Helper()
	return NewHost(t, name).Env
}

// NewHost returns a host for a service of that name. All its sockets are closed when the test ends.
func NewHost(t testing.TB, name string) *Host {
	t.Helper()
	h := &Host{}
	handler := slog.NewTextHandler(&h.log, &slog.HandlerOptions{Level: slog.LevelDebug})
	h.Env = &plugins.Env{
		Name:         name,
		Log:          slog.New(handler).With("service", name),
		Pool:         pool{},
		Listen:       h.listen,
		ListenPacket: h.listenPacket,
		TLS:          h.tls,
		ListenTLS:    h.listenTLS,
		AccessLog:    h.accessLog,
		Private:      func(path string) bool { return h.certs.Owns(path) || h.secrets.Has(path) },
		PrivateBelow: func(path string) string { return cmp.Or(h.secrets.Below(path), h.certs.Below(path)) },
		PrivateFile:  h.secrets.Is,
		Hide:         h.secrets.Add,
		Users:        h.users,
	}
	h.certs = certs.New(certs.Options{StateDir: filepath.Join(t.TempDir(), "state"), Log: h.Env.Log})
	h.set = endpoint.NewSet(endpoint.Options{Log: h.Env.Log, TLS: h.certs.Endpoint})
	t.Cleanup(h.closeAll)
	return h
}

// Log returns what the service has logged so far, at all levels, one record a line as slog.TextHandler writes it.
func (h *Host) Log() string { return h.log.String() }

// AccessLog returns the access records written so far to the program's own log (path ""), one a line.
func (h *Host) AccessLog() string { return h.access.String() }

// Addrs returns what the service has bound, in that order, in a form that a test can dial.
func (h *Host) Addrs() []net.Addr {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]net.Addr(nil), h.addrs...)
}

// CloseConns closes the connections that the service has accepted and not closed, as the runner does at the end of the
// grace period.
func (h *Host) CloseConns() { h.set.CloseConns() }

// open describes the listeners that the service has not closed.
func (h *Host) open() []string {
	var list []string
	for _, info := range h.set.Listeners("") {
		list = append(list, info.Spec)
	}
	return list
}

func (h *Host) closeAll() {
	_ = h.set.Close()
	h.certs.Close()
}

// accessLog keeps the records in memory for path "", and appends them to the file otherwise.
func (h *Host) accessLog(path string) (io.WriteCloser, error) {
	if path == "" {
		return records{&h.access, io.NopCloser(nil)}, nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("access log: %w", err)
	}
	return records{f, f}, nil
}

// users hashes in the pool of the environment as it is then, so that a test can replace it with one that is full.
func (h *Host) users(path string) (plugins.Users, error) {
	do := func(ctx context.Context, fn func() error) error { return h.Env.Pool.Do(ctx, fn) }
	return terms.Users(&h.secrets, path, do)
}

func (h *Host) tls(_ context.Context, o plugins.TLSOptions) (*plugins.TLS, error) {
	here, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	return terms.TLS(h.certs, &h.secrets, here, o)
}

// records ends each record with a newline.
type records struct {
	io.Writer
	io.Closer
}

func (r records) Write(p []byte) (int, error) {
	line := append(bytes.TrimSuffix(bytes.Clone(p), []byte("\n")), '\n')
	if _, err := r.Writer.Write(line); err != nil {
		return 0, err
	}
	return len(p), nil
}

// pool runs everything at once and never is full.
type pool struct{}

// Do implements plugins.Pool.
func (pool) Do(ctx context.Context, fn func() error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic in the pool: %v\n%s", r, debug.Stack())
		}
	}()
	return fn()
}

// buffer is a bytes.Buffer that is safe for concurrent use.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
