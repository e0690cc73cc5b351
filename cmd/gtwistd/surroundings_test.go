//go:build unix

package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// manager is the command `manager SOCKET FILE ADDRESS`, a service manager: it writes each message of sd_notify(3) to FILE,
// and behind READY=1 whether ADDRESS accepts connections at that moment.
func manager() {
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: os.Args[1], Net: "unixgram"})
	exitOn(err)
	file, err := os.Create(os.Args[2])
	exitOn(err)
	for message := make([]byte, 4096); ; {
		n, err := c.Read(message)
		exitOn(err)
		text := strings.ReplaceAll(string(message[:n]), "\n", " ")
		if text == "READY=1" {
			text += bindState(os.Args[3])
		}
		_, err = fmt.Fprintln(file, text)
		exitOn(err)
	}
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

// jsonLines is the command `jsonlines FILE`: it prints each JSON object of a log as SERVICE LEVEL MESSAGE KEY=VALUE…, and
// fails if a line is none.
func jsonLines() {
	data, err := os.ReadFile(os.Args[1])
	exitOn(err)
	for line := range bytes.Lines(data) {
		var record map[string]any
		exitOn(json.Unmarshal(line, &record))
		_, err := time.Parse(time.RFC3339, fmt.Sprint(record["time"]))
		exitOn(err)
		text := fmt.Sprint(record["service"], " ", record["level"], " ", record["msg"])
		for _, known := range []string{"time", "service", "level", "msg"} {
			delete(record, known)
		}
		for _, key := range slices.Sorted(maps.Keys(record)) {
			text += fmt.Sprint(" ", key, "=", record[key])
		}
		fmt.Println(strings.ReplaceAll(text, "\n", `\n`))
	}
}
