package main

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"github.com/gtwistd/gtwistd/bench/contest"
)

// setup is what a server is asked to do: the zero value is to serve files without TLS.
type setup struct {
	tls  bool
	many bool // sessions from one address
}

// place is a server's answer to a setup while it runs.
type place struct {
	url url.URL // of its root, with the name to log in with
	pid int
}

// at is the address of a file or directory there.
func (p place) at(name string) string { return p.url.JoinPath(name).String() }

// turn starts a server for a setup, lets visit see it at work, stops it and removes its logs and what was uploaded. If there
// were transfers, it is an error that there is no record of them.
func (b *bench) turn(ctx context.Context, name string, s setup, transfers bool, visit func(place) (contest.Result, error)) (r contest.Result, err error) {
	addr, port, err := contest.FreeAddr()
	if err != nil {
		return r, err
	}
	args, err := b.command(name, s, port)
	if err != nil {
		return r, err
	}
	defer b.clean()
	where := url.URL{Scheme: "ftp", User: url.UserPassword("anonymous", "bench@example.org"), Host: addr}
	if s.tls {
		where.Scheme = "ftps"
	}
	if name == "pure-ftpd" {
		where.User = url.UserPassword(virtual, virtual)
	}
	r, err = b.Under(ctx, addr, args, func(pid int) (contest.Result, error) { return visit(place{where, pid}) })
	if err == nil && transfers {
		err = b.recorded(name)
	}
	return r, err
}

// clean leaves no logs and no uploads, temporary ones included.
func (b *bench) clean() {
	for _, dir := range []string{b.File("log"), b.uploads()} {
		names, _ := filepath.Glob(filepath.Join(dir, "*"))
		hidden, _ := filepath.Glob(filepath.Join(dir, ".*"))
		for _, name := range append(names, hidden...) {
			_ = os.RemoveAll(name) // is seen by who finds it full
		}
	}
}

// recorded says whether there is a record of transfers: in the format of xferlog, but for the servers that only have a log.
func (b *bench) recorded(name string) error {
	file := b.xferlog()
	switch name {
	case "pyftpdlib":
		file = b.File("output")
	case "twistd":
		return nil
	}
	data, err := os.ReadFile(file)
	if err == nil && !bytes.Contains(data, []byte(".bin")) {
		err = fmt.Errorf("%s has no record of a transfer", file)
	}
	return err
}

func (b *bench) xferlog() string { return b.File("log/xferlog") }
func (b *bench) ownLog() string  { return b.File("log/own.log") }

// command is the command line of a server, after its configuration is written.
func (b *bench) command(name string, s setup, port string) ([]string, error) {
	program := slices.Clip(b.peers[name]) // what is appended is for one turn
	switch name {
	case "vsftpd":
		return b.vsftpd(program, s, port)
	case "pure-ftpd":
		return b.pureFTPd(program, s, port), nil
	case "proftpd":
		return b.proFTPD(program, s, port)
	case "pyftpdlib":
		return append(program, "--interface", "127.0.0.1", "--port", port, "--directory", b.site, "--write"), nil
	case "twistd":
		return append(program, "-n", "--pidfile=", "--logfile", b.ownLog(), "ftp", "--port", port, "--root", b.site), nil
	}
	args := []string{b.Gtwistd, "-n", "--pidfile=", "--logfile", b.ownLog(), "ftp",
		"--listen", "tcp:" + port + ":interface=127.0.0.1", "--root", b.site, "--writable", "--xferlog", b.xferlog()}
	if s.tls {
		args = append(args, "--tls", "allow", "--certificate", b.File("cert.pem"), "--privkey", b.File("key.pem"))
	}
	if s.many {
		args = append(args, "--max-clients", "2000", "--max-clients-per-ip", "2000")
	}
	if name == direct {
		args = append(args, "--upload", "direct")
	}
	return args, nil
}
