package endpoint

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
)

// tlsConfig loads the certificate of an ssl: description; for the other types it is nil.
func (s *Set) tlsConfig(sp Spec) (*tls.Config, error) {
	if sp.kind != "ssl" {
		return nil, nil
	}
	cert, err := s.certificate(sp)
	if err != nil {
		return nil, err
	}
	web := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}}
	return &tls.Config{
		Certificates: web.Certificates,
		// With protocols of its own a server refuses clients that name others, such as FTP clients: RFC 7301, section 3.2.
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			for _, p := range hello.SupportedProtos {
				if slices.Contains(web.NextProtos, p) {
					return web, nil
				}
			}
			return nil, nil
		},
	}, nil
}

func withTLS(l net.Listener, c *tls.Config) net.Listener {
	if c == nil {
		return l
	}
	return tls.NewListener(l, c)
}

func (s *Set) certificate(sp Spec) (tls.Certificate, error) {
	key, err := s.readPEM("privateKey", sp.key)
	if err != nil {
		return tls.Certificate{}, sp.explainMissing(err)
	}
	cert, name := key, sp.key
	if sp.cert != "" {
		name = sp.cert
		if cert, err = s.readPEM("certKey", sp.cert); err != nil {
			return tls.Certificate{}, err
		}
	}
	if sp.chain != "" {
		chain, err := s.readPEM("extraCertChain", sp.chain)
		if err != nil {
			return tls.Certificate{}, err
		}
		cert = slices.Concat(cert, []byte("\n"), chain)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return tls.Certificate{}, explainPair(sp.key, name, cert, key, err)
	}
	return pair, nil
}

func (s *Set) readPEM(option, name string) ([]byte, error) {
	data, err := os.ReadFile(s.path(name))
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", option, name, err)
	}
	return data, nil
}

// explainMissing adds what to write to the report of a key file that nobody named.
func (sp Spec) explainMissing(err error) error {
	if sp.key != defaultKey || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return &wrapped{
		fault: fault{text: err.Error(), hint: fmt.Sprintf("name the files: ssl:%d:privateKey=key.pem:certKey=cert.pem", sp.port)},
		err:   err,
	}
}
