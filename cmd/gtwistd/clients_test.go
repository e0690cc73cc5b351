//go:build unix

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// httpClient is the command `http URL`: it writes the body to stdout, and protocol and status to stderr.
func httpClient() {
	slow := flag.String("slow", "", "create `FILE` after the first bytes, go on when it is removed")
	retry := flag.Bool("retry", false, "try again until there is a listener")
	ca := flag.String("ca", "", "trust the certificate in `FILE` and no other")
	socket := flag.String("unix", "", "connect to the unix socket at `PATH`")
	proxied := flag.String("proxied", "", "say by the PROXY protocol that the connection comes from `IP`")
	flag.Parse()
	client := http.Client{Transport: &http.Transport{
		ForceAttemptHTTP2: true,
		TLSClientConfig:   trust(*ca),
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if *socket != "" {
				network, address = "unix", *socket
			}
			c, err := new(net.Dialer).DialContext(ctx, network, address)
			if err == nil && *proxied != "" {
				_, err = fmt.Fprintf(c, "PROXY TCP4 %s 127.0.0.1 4711 80\r\n", *proxied)
			}
			return c, err
		},
	}}
	response, err := client.Get(flag.Arg(0))
	for end := time.Now().Add(patience); *retry && err != nil && time.Now().Before(end); response, err = client.Get(flag.Arg(0)) {
		time.Sleep(10 * time.Millisecond)
	}
	exitOn(err)
	defer response.Body.Close()
	fmt.Fprintln(os.Stderr, response.Proto, response.Status)
	if *slow != "" {
		io.CopyN(io.Discard, response.Body, 1000)
		holdFile(*slow)
		n, err := io.Copy(io.Discard, response.Body)
		fmt.Println(n+1000, "bytes, error:", err)
		return
	}
	_, err = io.Copy(os.Stdout, response.Body)
	exitOn(err)
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func trust(file string) *tls.Config {
	if file == "" {
		return nil
	}
	pem, err := os.ReadFile(file)
	exitOn(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: pool}
}

// holdFile creates path and waits until somebody removes it.
func holdFile(path string) {
	exitOn(os.WriteFile(path, nil, 0o600))
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if _, err := os.Lstat(path); err != nil {
			return
		}
	}
}

// sendClient is the command `send NETWORK:ADDRESS TEXT`: it sends a line and prints what comes back. With -ca FILE it speaks TLS.
func sendClient() {
	ca := flag.String("ca", "", "speak TLS, trust the certificate in `FILE` and no other")
	flag.Parse()
	network, address, _ := strings.Cut(flag.Arg(0), ":")
	c, err := net.Dial(network, address)
	exitOn(err)
	defer c.Close()
	if *ca != "" {
		config := trust(*ca)
		config.ServerName = "127.0.0.1"
		c = tls.Client(c, config)
	}
	c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintln(c, flag.Arg(1))
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
		_, err := io.Copy(os.Stdout, c)
		exitOn(err)
		return
	}
	answer := make([]byte, 64<<10)
	n, err := c.Read(answer)
	exitOn(err)
	os.Stdout.Write(answer[:n])
}
