// Package terms puts what leaves know into the words of package plugins, for the runner and for the runner in miniature that
// plugins are tested with.
package terms

import (
	"cmp"
	"errors"
	"path/filepath"

	"github.com/gtwistd/gtwistd/internal/certs"
	"github.com/gtwistd/gtwistd/internal/endpoint"
	"github.com/gtwistd/gtwistd/internal/secrets"
	"github.com/gtwistd/gtwistd/plugins"
)

// TLS is the TLS function of an environment whose certificates m manages. Their keys, of which relative names begin at dir,
// become secrets.
func TLS(m *certs.Manager, list *secrets.List, dir string, o plugins.TLSOptions) (*plugins.TLS, error) {
	c := certs.Config{
		ClientCA: o.ClientCA, ACME: o.ACME, Email: o.ACMEEmail, Directory: o.ACMEDirectory, NextProtos: o.NextProtos,
	}
	for _, p := range o.Certificates {
		c.Pairs = append(c.Pairs, certs.Pair{Cert: p.Cert, Key: p.Key})
		key := cmp.Or(p.Key, p.Cert)
		if !filepath.IsAbs(key) {
			key = filepath.Join(dir, key)
		}
		list.Add(key)
	}
	t, err := m.TLS(c)
	if err != nil {
		return nil, Usage(err)
	}
	return &plugins.TLS{Config: t.Config, Challenge: t.Challenge, Report: t.Report}, nil
}

// Usage makes a *plugins.UsageError of an error that says that an endpoint, or what is to be certified, was described in a wrong
// way. All others, nil too, are returned as they are.
func Usage(err error) error {
	if e, ok := errors.AsType[*endpoint.Error](err); ok && e.Malformed {
		return &plugins.UsageError{Reason: err.Error(), Suggestion: e.Hint()}
	}
	if e, ok := errors.AsType[*certs.Error](err); ok && e.Usage {
		return &plugins.UsageError{Reason: err.Error(), Suggestion: e.Hint()}
	}
	return err
}
