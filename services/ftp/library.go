package ftp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"

	ftpserver "github.com/fclairamb/ftpserverlib"
)

// inlet is the listener that the library sees.
type inlet struct{ s *server }

// Accept implements net.Listener: it returns sessions.
func (i inlet) Accept() (net.Conn, error) {
	select {
	case c := <-i.s.inbox:
		return c, nil
	case <-i.s.closed:
		// The library knows a stop by this type and text.
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: net.ErrClosed}
	}
}

// Close implements net.Listener. The library's Stop, the only one to call it, is not used.
func (i inlet) Close() error { return nil }

// Addr implements net.Listener.
func (i inlet) Addr() net.Addr { return i.s.listeners[0].Addr() }

// library is what the library asks for.
type library struct{ s *server }

// never is a time that does not come, in seconds: sessions and data listeners have their own clocks.
const never = 1 << 30

// GetSettings implements ftpserver.MainDriver.
func (l *library) GetSettings() (*ftpserver.Settings, error) {
	return &ftpserver.Settings{
		Listener:            inlet{l.s},
		ListenAddr:          statAddr,
		Banner:              "gtwistd",
		IdleTimeout:         never,
		ConnectionTimeout:   never,
		DisableLISTArgs:     true, // a session removes them
		DisableSite:         true, // SITE CHOWN gives files to root, SITE RMDIR is recursive
		DisableActiveMode:   true, // data connections are ours
		EnableHASH:          true,
		DefaultTransferType: ftpserver.TransferTypeBinary,
		// A data listener knows whom it waits for.
		PasvConnectionsCheck: ftpserver.IPMatchDisabled,
		// PASV must not fail once there is a listener, as nobody would close it.
		PublicIPResolver: l.publicIP,
	}, nil
}

// publicIP always yields an address. What is sent to the client is decided by the session.
func (l *library) publicIP(ftpserver.ClientContext) (string, error) { return "0.0.0.0", nil }

// ClientConnected implements ftpserver.MainDriver.
func (l *library) ClientConnected(cc ftpserver.ClientContext) (string, error) {
	sessionOf(cc).context = cc
	return "gtwistd ready.", nil
}

// ClientDisconnected implements ftpserver.MainDriver.
func (l *library) ClientDisconnected(cc ftpserver.ClientContext) {
	c := sessionOf(cc)
	c.disconnected()
	c.release()
}

// GetTLSConfig implements ftpserver.MainDriver: TLS is not the library's business.
func (l *library) GetTLSConfig() (*tls.Config, error) { return nil, errNoTLS }

var errNoTLS = errors.New("no TLS here")

// AuthUser implements ftpserver.MainDriver.
func (l *library) AuthUser(cc ftpserver.ClientContext, name, password string) (ftpserver.ClientDriver, error) {
	c := sessionOf(cc)
	u, err := l.s.login(c.ctx, attempt{name: name, password: password, client: c.remote.Addr()})
	c.loggedIn(name, u, err)
	if err != nil {
		return nil, err
	}
	return &files{session: c, user: u}, nil
}

// PostAuthMessage implements ftpserver.MainDriverExtensionPostAuthMessage. The session knows better what to say of an error.
func (l *library) PostAuthMessage(_ ftpserver.ClientContext, _ string, err error) string {
	if err != nil {
		return "Login incorrect."
	}
	return "Welcome."
}

// WrapPassiveListener implements ftpserver.MainDriverExtensionPassiveWrapper.
func (l *library) WrapPassiveListener(listener net.Listener) (net.Listener, error) {
	tcp, ok := listener.(*net.TCPListener)
	if !ok {
		_ = listener.Close()
		return nil, fmt.Errorf("a passive listener of type %T", listener)
	}
	return l.s.newDataListener(tcp), nil
}

// sessionOf finds the session of the library's client: it is what the library takes for its address.
func sessionOf(cc ftpserver.ClientContext) *session { return cc.RemoteAddr().(*clientAddr).session }

// quiet passes on what the library logs, at level debug and without what clients sent, which may be a password. A panic that it
// has caught is an error.
type quiet struct{ slog.Handler }

// Enabled implements slog.Handler.
func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn || q.Handler.Enabled(ctx, slog.LevelDebug) // a panic is a warning of the library
}

// Handle implements slog.Handler.
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	level := slog.LevelDebug
	switch r.Message {
	case "Received line", "Sending answer":
		return nil
	case "Internal command handling error":
		level = slog.LevelError
	}
	if !q.Handler.Enabled(ctx, level) {
		return nil
	}
	out := slog.NewRecord(r.Time, level, "library: "+r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "line", "param":
		default:
			out.AddAttrs(a)
		}
		return true
	})
	return q.Handler.Handle(ctx, out)
}

// WithAttrs implements slog.Handler.
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }
