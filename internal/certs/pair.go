package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/gtwistd/gtwistd/internal/regular"
)

const (
	// maxFile bounds what is read of one file, in bytes; the authorities of a whole system are a quarter of a MiB.
	maxFile = 4 << 20

	// fileKind is what each is said to be.
	fileKind = "certificate file"
)

func (p Pair) keyFile() string {
	if p.Key == "" {
		return p.Cert
	}
	return p.Key
}

// files are those of the pair, each once.
func (p Pair) files() []string {
	list := []string{p.keyFile()}
	for _, name := range []string{p.Cert, p.Chain} {
		if name != "" && !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}

// readPair loads a pair; at is where its files are.
func readPair(p Pair, w words, at func(string) string) (*tls.Certificate, error) {
	if p.Key == "" {
		w.key = w.cert
	}
	key, err := readPEM(w.key, p.keyFile(), at)
	if err != nil {
		return nil, err
	}
	cert := key
	if p.Cert != p.keyFile() {
		if cert, err = readPEM(w.cert, p.Cert, at); err != nil {
			return nil, err
		}
	}
	if p.Chain != "" {
		chain, err := readPEM(w.chain, p.Chain, at)
		if err != nil {
			return nil, err
		}
		cert = slices.Concat(cert, []byte("\n"), chain)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, explainPair(p, w, cert, key, err)
	}
	return &pair, nil
}

func readPEM(word, name string, at func(string) string) ([]byte, error) {
	data, err := readFile(at(name))
	if err == nil && cutShort(data) {
		err = errors.New("a PEM block in it has no end")
	}
	if err != nil {
		return nil, fileError(word, name, err)
	}
	return data, nil
}

// readFile reads what may be no file at all. Its error leaves the path out, or is one for fileError.
func readFile(path string) ([]byte, error) {
	data, err := regular.Read(path, maxFile, fileKind)
	if err == nil {
		return data, nil
	}
	if text, found := strings.CutPrefix(err.Error(), path+": "); found {
		err = errors.New(text)
	}
	return nil, err
}

// fileError leaves the path that was opened out of err, as the name is known to the person who gave it.
func fileError(word, name string, err error) *Error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return &Error{text: fmt.Sprintf("%s %q: %v", word, name, err), err: err}
}

// cutShort reports whether the end of a file has not been written yet.
func cutShort(data []byte) bool {
	begun := bytes.Count(data, []byte("-----BEGIN "))
	return begun > 0 && begun > bytes.Count(data, []byte("-----END "))
}

// explainPair says which of two files is to blame if they make no key pair.
func explainPair(p Pair, w words, cert, key []byte, err error) error {
	keyName := p.keyFile()
	e := &Error{err: err}
	e.text = fmt.Sprintf("%s %q and %s %q: %s", w.key, keyName, w.cert, p.Cert, strings.TrimPrefix(err.Error(), "tls: "))
	switch keyType, certType := pemType(key, "PRIVATE KEY"), pemType(cert, "CERTIFICATE"); {
	case certType == "":
		e.text = fmt.Sprintf("%s %q: no certificate in it", w.cert, p.Cert)
		if p.Key == p.Cert {
			e.hint = fmt.Sprintf("if the certificate is in another file, name it with %s", w.cert)
		}
	case keyType == "":
		e.text = fmt.Sprintf("%s %q: no private key in it", w.key, keyName)
		if p.Key == "" {
			e.hint = "if the key is in another file, name that too"
		}
	case bytes.Contains(key, []byte("ENCRYPTED")):
		e.text = fmt.Sprintf("%s %q: the key is encrypted", w.key, keyName)
		e.hint = fmt.Sprintf("write it without a passphrase: openssl pkey -in %s -out plain.pem", keyName)
	case strings.Contains(err.Error(), "does not match"):
		e.text = fmt.Sprintf("%s %q does not belong to %s %q", w.key, keyName, w.cert, p.Cert)
	}
	return e
}

// pemType returns the type of the first block whose type ends like that, or "".
func pemType(data []byte, suffix string) string {
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			return ""
		}
		if strings.HasSuffix(block.Type, suffix) {
			return block.Type
		}
		data = rest
	}
}

// readAuthorities loads the certificates that those of clients must come from.
func readAuthorities(word, name string, at func(string) string) (*x509.CertPool, error) {
	data, err := readPEM(word, name, at)
	if err != nil {
		return nil, err
	}
	pool, found := x509.NewCertPool(), false
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fileError(word, name, err)
		}
		pool.AddCert(cert)
		found = true
	}
	if !found {
		return nil, fileError(word, name, errors.New("no certificate in it"))
	}
	return pool, nil
}
