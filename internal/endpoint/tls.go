package endpoint

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
)

// tlsConfig is that of an ssl: description; for the other types it is nil.
func (s *Set) tlsConfig(sp Spec) (*tls.Config, error) {
	if sp.kind != "ssl" {
		return nil, nil
	}
	if s.opts.TLS == nil {
		return nil, faultf("there is no TLS here")
	}
	c, err := s.opts.TLS(sp.key, sp.cert, sp.chain)
	if err != nil {
		return nil, s.explainMissing(sp, err)
	}
	return c, nil
}

func withTLS(l net.Listener, c *tls.Config) net.Listener {
	if c == nil {
		return l
	}
	return tls.NewListener(l, c)
}

// explainMissing adds what to write to the report of a key file that nobody named.
func (s *Set) explainMissing(sp Spec, err error) error {
	if sp.key != defaultKey || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, statErr := os.Stat(s.path(sp.key)); statErr == nil {
		return err // another file is missing
	}
	return &wrapped{
		fault: fault{text: err.Error(), hint: fmt.Sprintf("name the files: ssl:%d:privateKey=key.pem:certKey=cert.pem", sp.port)},
		err:   err,
	}
}
