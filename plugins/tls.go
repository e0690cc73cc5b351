package plugins

import (
	"fmt"

	"github.com/spf13/pflag"
)

// TLSFlags are the options about certificates that every service that speaks TLS has: --certificate, --privkey, --client-ca,
// --acme, --acme-email and --acme-directory. The zero value is a self-made certificate.
type TLSFlags struct {
	// ClientCA is what --client-ca says, "" if nobody needs a certificate to be a client.
	ClientCA string

	certificates, keys       []string
	acme                     []string
	acmeEmail, acmeDirectory string
}

// Flags binds the options. reach ends the usage text of --acme: what an authority needs to reach the service.
func (t *TLSFlags) Flags(fs *pflag.FlagSet, reach string) {
	fs.StringArrayVarP(&t.certificates, "certificate", "c", nil,
		"PEM `FILE` with the certificate and its chain; read again when it changes; repeatable, clients get the one for the name they ask for "+
			"(default a self-made one, kept in --state-dir)")
	fs.StringArrayVarP(&t.keys, "privkey", "k", nil, "PEM `FILE` with the private key; one for each --certificate, in the same order (default the certificate's file)")
	fs.StringVar(&t.ClientCA, "client-ca", "", "admit only clients with a certificate from an authority in this PEM `FILE`")
	fs.StringArrayVar(&t.acme, "acme", nil, "get a certificate for `DOMAIN` from Let's Encrypt and renew it; repeatable. "+reach)
	fs.StringVar(&t.acmeEmail, "acme-email", "", "`ADDRESS` at which the authority may reach you")
	fs.StringVar(&t.acmeDirectory, "acme-directory", "", "`URL` of an authority other than Let's Encrypt (RFC 8555)")
}

// Named says whether an option asks for TLS by naming a certificate, a key, an authority or a domain.
func (t *TLSFlags) Named() bool {
	return len(t.certificates) > 0 || len(t.keys) > 0 || t.ClientCA != "" || len(t.acme) > 0
}

// Check finds options that do not go together. The error is a *UsageError.
func (t *TLSFlags) Check() error {
	switch {
	case t.acmeEmail != "" && len(t.acme) == 0:
		return &UsageError{Reason: fmt.Sprintf("--acme-email %q: no certificate is asked for", t.acmeEmail), Suggestion: "add --acme DOMAIN"}
	case t.acmeDirectory != "" && len(t.acme) == 0:
		return &UsageError{Reason: fmt.Sprintf("--acme-directory %q: no certificate is asked for", t.acmeDirectory), Suggestion: "add --acme DOMAIN"}
	case len(t.keys) > len(t.certificates):
		return &UsageError{Reason: fmt.Sprintf("--privkey %q: there is no --certificate for it", t.keys[len(t.certificates)]), Suggestion: "give one --certificate for each --privkey"}
	case len(t.keys) > 0 && len(t.keys) < len(t.certificates):
		return &UsageError{Reason: fmt.Sprintf("--certificate %q: there is no --privkey for it", t.certificates[len(t.keys)]), Suggestion: "give one --privkey for each --certificate, or none if the files hold both"}
	}
	return nil
}

// Options returns what Env.TLS needs, after Check. nextProtos are the names of the service's protocols, as in TLSOptions.
func (t *TLSFlags) Options(nextProtos ...string) TLSOptions {
	o := TLSOptions{ClientCA: t.ClientCA, ACME: t.acme, ACMEEmail: t.acmeEmail, ACMEDirectory: t.acmeDirectory, NextProtos: nextProtos}
	for i, cert := range t.certificates {
		pair := KeyPair{Cert: cert}
		if i < len(t.keys) {
			pair.Key = t.keys[i]
		}
		o.Certificates = append(o.Certificates, pair)
	}
	return o
}
