package endpoint

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"strings"
)

// explainPair says which of two files is to blame if they make no key pair.
func explainPair(keyName, certName string, cert, key []byte, err error) error {
	f := fault{text: fmt.Sprintf("privateKey %q and certKey %q: %s", keyName, certName, strings.TrimPrefix(err.Error(), "tls: "))}
	keyType, certType := pemType(key, "PRIVATE KEY"), pemType(cert, "CERTIFICATE")
	switch {
	case certType == "":
		f.text = fmt.Sprintf("certKey %q: no certificate in it", certName)
		if keyName == certName {
			f.hint = "if the certificate is in another file, add certKey=FILE"
		}
	case keyType == "":
		f.text = fmt.Sprintf("privateKey %q: no private key in it", keyName)
	case encrypted(key):
		f.text = fmt.Sprintf("privateKey %q: the key is encrypted", keyName)
		f.hint = fmt.Sprintf("write it without a passphrase: openssl pkey -in %s -out plain.pem", keyName)
	case strings.Contains(err.Error(), "does not match"):
		f.text = fmt.Sprintf("privateKey %q does not belong to certKey %q", keyName, certName)
	}
	return &wrapped{fault: f, err: err}
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

func encrypted(key []byte) bool {
	return bytes.Contains(key, []byte("ENCRYPTED"))
}
