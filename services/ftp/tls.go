package ftp

import (
	"context"
	"fmt"

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
		"--certificate, --client-ca or --acme)")
	fs.Var(plugins.Choice(&t.reuse, reuseOff, reuseWarn, tlsRequire), "tls-session-reuse", "on data connections, want the TLS session of the control connection, so that nobody else can take them")
	t.Flags(fs, "Another service must answer on port 443 or 80")
}

// explicit is the mode of ordinary ports.
func (t *tlsOptions) explicit() string {
	switch {
	case t.mode != "":
		return t.mode
	case t.Named():
		return tlsAllow
	}
	return tlsOff
}

func (t *tlsOptions) check() error {
	on := t.explicit() != tlsOff || len(t.implicit) > 0
	switch {
	case t.Named() && !on:
		return &plugins.UsageError{Reason: "--tls off: there is no use for a certificate", Suggestion: "leave --tls out, or say --tls require"}
	case t.reuse != reuseOff && !on:
		return &plugins.UsageError{Reason: fmt.Sprintf("--tls-session-reuse %s: there is no TLS here", t.reuse), Suggestion: "add --tls require"}
	}
	return t.Check()
}

// make returns nil if there is no TLS.
func (t *tlsOptions) make(ctx context.Context, env *plugins.Env) (*plugins.TLS, error) {
	if t.explicit() == tlsOff && len(t.implicit) == 0 {
		return nil, nil
	}
	return env.TLS(ctx, t.Options())
}
