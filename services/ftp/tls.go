package ftp

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"strings"

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
	mode         choice
	reuse        choice
	implicit     []string
	certificates []string
	keys         []string
	clientCA     string

	acme                     []string
	acmeEmail, acmeDirectory string
}

func newTLSOptions() tlsOptions {
	return tlsOptions{
		mode:  choice{of: []string{tlsOff, tlsAllow, tlsRequire}},
		reuse: choice{value: reuseOff, of: []string{reuseOff, reuseWarn, tlsRequire}},
	}
}

func (t *tlsOptions) flags(fs *pflag.FlagSet) {
	fs.Var(&t.mode, "tls", "on ordinary ports, encrypt nothing, or what clients ask to be (AUTH TLS), or talk to nobody else, for commands and data (default off; allow with "+
		"--certificate or --acme; require with --client-ca)")
	fs.Var(&t.reuse, "tls-session-reuse", "want data connections to resume the TLS session of their control connection, so that nobody else can take them; warn writes of those that do not to the log")
	fs.StringArrayVarP(&t.certificates, "certificate", "c", nil,
		"PEM `FILE` with the certificate and its chain; read again when it changes; repeatable (default a self-made one, kept in --state-dir)")
	fs.StringArrayVarP(&t.keys, "privkey", "k", nil, "PEM `FILE` with the private key; one for each --certificate, in the same order (default the certificate's file)")
	fs.StringVar(&t.clientCA, "client-ca", "", "let only clients in with a certificate from an authority in this PEM `FILE`")
	fs.StringArrayVar(&t.acme, "acme", nil, "get a certificate for `DOMAIN` from Let's Encrypt and renew it; repeatable. Another service must answer on port 443 or 80")
	fs.StringVar(&t.acmeEmail, "acme-email", "", "`ADDRESS` at which the authority may reach you")
	fs.StringVar(&t.acmeDirectory, "acme-directory", "", "`URL` of an authority other than Let's Encrypt (RFC 8555)")
}

// named says whether an option speaks of certificates.
func (t *tlsOptions) named() bool {
	return len(t.certificates) > 0 || len(t.keys) > 0 || t.clientCA != "" || len(t.acme) > 0
}

// explicit is the mode of ordinary ports.
func (t *tlsOptions) explicit() string {
	switch {
	case t.mode.value != "":
		return t.mode.value
	case t.clientCA != "": // who stays in clear shows no certificate
		return tlsRequire
	case t.named():
		return tlsAllow
	}
	return tlsOff
}

func (t *tlsOptions) check() error {
	on := t.explicit() != tlsOff || len(t.implicit) > 0
	switch {
	case t.clientCA != "" && t.explicit() != tlsRequire:
		return &plugins.UsageError{Reason: "--client-ca: with --tls " + t.explicit() + ", who stays in clear needs no certificate", Suggestion: "leave --tls out, or say --tls require"}
	case t.named() && !on:
		return &plugins.UsageError{Reason: "--tls off: there is no use for a certificate", Suggestion: "leave --tls out, or say --tls require"}
	case t.reuse.value != reuseOff && !on:
		return &plugins.UsageError{Reason: fmt.Sprintf("--tls-session-reuse %s: there is no TLS here", t.reuse.value), Suggestion: "add --tls require"}
	case len(t.keys) > len(t.certificates):
		return &plugins.UsageError{Reason: fmt.Sprintf("--privkey %q: there is no --certificate for it", t.keys[len(t.certificates)]), Suggestion: "give one --certificate for each --privkey"}
	case len(t.keys) > 0 && len(t.keys) < len(t.certificates):
		return &plugins.UsageError{Reason: fmt.Sprintf("--certificate %q: there is no --privkey for it", t.certificates[len(t.keys)]), Suggestion: "give one --privkey for each --certificate, or none if the files hold both"}
	}
	return nil
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
	o := plugins.TLSOptions{ClientCA: t.clientCA, ACME: t.acme, ACMEEmail: t.acmeEmail, ACMEDirectory: t.acmeDirectory}
	for i, cert := range t.certificates {
		pair := plugins.KeyPair{Cert: cert}
		if len(t.keys) > 0 {
			pair.Key = t.keys[i]
		}
		o.Certificates = append(o.Certificates, pair)
	}
	return env.TLS(ctx, o)
}
