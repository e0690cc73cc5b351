// Command ftp measures gtwistd ftp beside vsftpd, Pure-FTPd, ProFTPD, pyftpdlib and twistd in one run and prints a table of
// medians: large files both ways, plain and over TLS, small files, logins, a long listing, and what a session costs that
// waits. It measures on Linux with two cores, the server on one and the load on the other, every server in a new process each
// time, with a configuration that this program writes into a temporary directory. The packages of the peers that are not
// installed are fetched and unpacked there, for they do not suffer each other on one system; the peers in C need root. A peer
// that is not to be had is named and left out.
//
//	make bench-ftp
//	go run ./bench/ftp -gtwistd ./gtwistd -only stor -rounds 20
package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/gtwistd/gtwistd/bench/contest"
)

const (
	largeBytes = 100_000_000
	smallBytes = 1 << 10
	entries    = 10_000 // of the directory that is listed
	idlers     = 1000   // sessions that wait
)

type bench struct {
	contest.Run
	site  string              // what is served, in memory
	peers map[string][]string // how the program of each one that is to be had is called
}

func main() {
	b := &bench{Run: contest.Run{Rounds: 5, Seconds: 2}}
	c := crowd{large: largeBytes}
	b.Main(contest.Loads{"retr": c.retr, "stor": c.stor, "small": c.small, "login": login, "list": c.list}, b.prepare)
}

func (b *bench) prepare(ctx context.Context) ([]contest.Group, error) {
	groups := []contest.Group{
		{Name: "retr", Measure: b.retr},
		{Name: "stor", Measure: b.stor},
		{Name: "tls", Measure: b.encrypted},
		{Name: "small", Measure: b.small},
		{Name: "login", Measure: b.login},
		{Name: "list", Measure: b.list},
		{Name: "idle", Measure: b.idle},
	}
	for _, dir := range []contest.Dir{b.Dir, b.Memory} {
		if err := os.Chmod(string(dir), 0o755); err != nil { // peers go there as a user who owns nothing
			return nil, err
		}
	}
	if err := contest.Certificate(b.File("cert.pem"), b.File("key.pem"), time.Now()); err != nil {
		return nil, err
	}
	if err := os.Mkdir(b.File("log"), 0o755); err != nil {
		return nil, err
	}
	if err := b.writeCiphers(); err != nil {
		return nil, err
	}
	b.find(ctx)
	return groups, b.writeSite()
}

// writeSite makes what is asked for, a small file, a large one, and many in a directory, and a directory for uploads.
func (b *bench) writeSite() error {
	b.site = b.Memory.File("site")
	for _, dir := range []string{"many", "upload"} {
		if err := os.MkdirAll(filepath.Join(b.site, dir), 0o755); err != nil {
			return err
		}
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(b.uploads(), userID, userID); err != nil {
			return err
		}
	}
	for i := range entries {
		name := filepath.Join(b.site, "many", fmt.Sprintf("an entry among others, number %05d.txt", i))
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			return err
		}
	}
	noise := make([]byte, largeBytes)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise) // never fails
	if err := os.WriteFile(filepath.Join(b.site, "small.bin"), noise[:smallBytes], 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.site, "large.bin"), noise, 0o644)
}

func (b *bench) uploads() string { return filepath.Join(b.site, "upload") }
