package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// manager SOCKET FILE ADDRESS is a service manager: it writes each message of sd_notify(3) to FILE, and behind READY=1
// whether ADDRESS accepts connections at that moment.
func managerCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: manager SOCKET FILE ADDRESS")
	}
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: ts.MkAbs(args[0]), Net: "unixgram"})
	ts.Check(err)
	file, err := os.Create(ts.MkAbs(args[1]))
	ts.Check(err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		message := make([]byte, 4096)
		for {
			n, err := c.Read(message)
			if err != nil {
				return
			}
			text := strings.ReplaceAll(string(message[:n]), "\n", " ")
			if text == "READY=1" {
				text += bindState(args[2])
			}
			file.WriteString(text + "\n")
		}
	}()
	ts.Defer(func() {
		c.Close()
		<-done
		file.Close()
	})
}

func bindState(address string) string {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return " refused"
	}
	c.Close()
	return " accepted"
}

// keypair KEY CERTIFICATE makes a certificate for 127.0.0.1 that signs itself.
func keypairCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: keypair KEY CERTIFICATE")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ts.Check(err)
	for i, block := range []*pem.Block{{Type: "PRIVATE KEY", Bytes: secret}, {Type: "CERTIFICATE", Bytes: certificate}} {
		ts.Check(os.WriteFile(ts.MkAbs(args[i]), pem.EncodeToMemory(block), 0o600))
	}
}
