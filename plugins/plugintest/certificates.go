package plugintest

import (
	"context"
	"errors"

	"github.com/gtwistd/gtwistd/internal/certs"
	"github.com/gtwistd/gtwistd/plugins"
)

// ReloadCertificates reads certificate files anew, as the runner does before it calls Reload of the services.
func (h *Host) ReloadCertificates(ctx context.Context) error { return h.certs.Reload(ctx) }

func (h *Host) tls(_ context.Context, o plugins.TLSOptions) (*plugins.TLS, error) {
	c := certs.Config{
		ClientCA: o.ClientCA, ACME: o.ACME, Email: o.ACMEEmail, Directory: o.ACMEDirectory, NextProtos: o.NextProtos,
	}
	for _, p := range o.Certificates {
		c.Pairs = append(c.Pairs, certs.Pair{Cert: p.Cert, Key: p.Key})
	}
	t, err := h.certs.TLS(c)
	if wrong, ok := errors.AsType[*certs.Error](err); ok && wrong.Usage {
		return nil, &plugins.UsageError{Reason: wrong.Error(), Suggestion: wrong.Hint()}
	}
	if err != nil {
		return nil, err
	}
	return &plugins.TLS{Config: t.Config, Challenge: t.Challenge, Report: t.Report}, nil
}
