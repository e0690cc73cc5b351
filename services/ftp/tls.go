package ftp

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
)

const (
	tlsOff     = "off"
	tlsAllow   = "allow"
	tlsRequire = "require"

	reuseOff  = "off"
	reuseWarn = "warn"
)

// tlsOptions say whether and how connections are encrypted.
type tlsOptions struct {
	plugins.TLSFlags
	mode     string // "" if not said
	reuse    string
	implicit []string
}

func (t *tlsOptions) flags(fs *pflag.FlagSet) {
	fs.Var(plugins.Choice(&t.mode, tlsOff, tlsAllow, tlsRequire), "tls", "on ordinary ports, encrypt nothing, or what clients ask to be (AUTH TLS), or talk to nobody else, for commands and data (default off; allow with "+
		"--certificate or --acme; require with --client-ca)")
	fs.Var(plugins.Choice(&t.reuse, reuseOff, reuseWarn, tlsRequire), "tls-session-reuse", "want data connections to resume the TLS session of their control connection, so that nobody else can take them; warn writes of those that do not to the log")
	t.Flags(fs, "Another service must answer on port 443 or 80")
}

// explicit is the mode of ordinary ports.
func (t *tlsOptions) explicit() string {
	switch {
	case t.mode != "":
		return t.mode
	case t.ClientCA != "": // who stays in clear shows no certificate
		return tlsRequire
	case t.Named():
		return tlsAllow
	}
	return tlsOff
}

func (t *tlsOptions) check() error {
	on := t.explicit() != tlsOff || len(t.implicit) > 0
	switch {
	case t.ClientCA != "" && t.explicit() != tlsRequire:
		return &plugins.UsageError{Reason: "--client-ca: with --tls " + t.explicit() + ", who stays in clear needs no certificate", Suggestion: "leave --tls out, or say --tls require"}
	case t.Named() && !on:
		return &plugins.UsageError{Reason: "--tls off: there is no use for a certificate", Suggestion: "leave --tls out, or say --tls require"}
	case t.reuse != reuseOff && !on:
		return &plugins.UsageError{Reason: fmt.Sprintf("--tls-session-reuse %s: there is no TLS here", t.reuse), Suggestion: "add --tls require"}
	}
	return t.Check()
}

// checkEndpoint refuses those that bring a certificate of their own, which data connections could not have.
func checkEndpoint(option, spec string) error {
	kind := strings.TrimPrefix(strings.ToLower(strings.ReplaceAll(spec, `\`, "")), "haproxy:")
	if !strings.HasPrefix(kind, "ssl:") {
		return nil
	}
	return &plugins.UsageError{
		Reason:     fmt.Sprintf("%s %q: the certificate is needed for data connections, too", option, spec),
		Suggestion: "use --implicit-port PORT, with --certificate FILE and --privkey FILE",
	}
}

// sessionTLS returns the configuration for the connections of one session. If it matters whose TLS session a data connection
// resumes, each session has a key of its own for tickets: those of others cannot even be read (RFC 5077 section 4, RFC 8446
// section 4.6.1), and a control connection resumes none. All else is as in the shared one, whose functions know the certificates
// of the moment.
func (s *server) sessionTLS() *tls.Config {
	if s.reuse == reuseOff {
		return s.tls.Config
	}
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails
	own := s.tls.Config.Clone()
	own.SetSessionTicketKeys([][32]byte{key})
	return own
}

// make returns nil if there is no TLS.
func (t *tlsOptions) make(ctx context.Context, env *plugins.Env) (*plugins.TLS, error) {
	if t.explicit() == tlsOff && len(t.implicit) == 0 {
		return nil, nil
	}
	return env.TLS(ctx, t.Options())
}

// shakeHands completes a TLS handshake, once.
func (c *session) shakeHands(stream net.Conn) error {
	conn, ok := stream.(*tls.Conn)
	c.mu.Lock()
	done := c.shaken
	c.mu.Unlock()
	if !ok || done {
		return nil
	}
	_ = c.raw.SetDeadline(time.Now().Add(min(c.srv.handshake, time.Duration(c.srv.limits.login))))
	if err := conn.HandshakeContext(c.ctx); err != nil {
		c.log.Info("TLS handshake failed", "error", err)
		return err
	}
	c.mu.Lock()
	c.shaken = true
	c.mu.Unlock()
	return errors.Join(c.limitSilence(), c.raw.SetWriteDeadline(time.Time{}))
}

// startTLS is called when the client has its leave to begin. The handshake comes with the next Read.
func (c *session) startTLS() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.beginTLS()
}

// beginTLS is called with mu, or before anybody else knows of the session.
func (c *session) beginTLS() {
	c.tls = c.srv.sessionTLS()
	c.stream, c.shaken, c.secure = tls.Server(c.raw, c.tls), false, true
}
