package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/bench/contest"
)

const fewBytes = 3_000_000 // of the large file

// server answers as much FTP as the loads speak, with files of the sizes that they want.
type server struct {
	tls    *tls.Config
	local  string // where uploads go
	legacy bool   // does not know EPSV
	short  bool   // of one byte in all files
}

func (s server) start(t *testing.T, scheme string) (address string) {
	t.Helper()
	certFile, keyFile := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	if err := contest.Certificate(certFile, keyFile, time.Now()); err != nil {
		t.Fatal(err)
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	s.tls = &tls.Config{Certificates: []tls.Certificate{cert}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // the end of the test
			}
			go s.talk(conn)
		}
	}()
	return scheme + "://anonymous:x@" + listener.Addr().String()
}

// talk serves one session until the client goes.
func (s server) talk(conn net.Conn) {
	defer conn.Close()
	say := func(format string, args ...any) { fmt.Fprintf(conn, format+"\r\n", args...) }
	lines := bufio.NewReader(conn)
	say("220-several\r\n220 lines")
	var data net.Listener
	for protected := false; ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		verb, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch verb {
		case "AUTH":
			say("234 go on")
			conn = tls.Server(conn, s.tls)
			lines = bufio.NewReader(conn)
		case "USER":
			say("331 password")
		case "PASS":
			say("230 welcome")
		case "PROT":
			protected = true
			say("200 protected")
		case "QUIT":
			say("221 bye")
			return
		case "EPSV", "PASV":
			if s.legacy && verb == "EPSV" {
				say("502 what?")
				continue
			}
			data, err = net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return
			}
			port := data.Addr().(*net.TCPAddr).Port
			if verb == "EPSV" {
				say("229 here (|||%d|)", port)
				continue
			}
			say("227 here (127,0,0,1,%d,%d).", port>>8, port&255)
		case "RETR", "STOR", "LIST":
			say("150 now")
			if err := s.move(data, verb, name, protected); err != nil {
				say("426 %v", err)
				continue
			}
			say("226 done")
		default:
			say("200 fine")
		}
	}
}

func (s server) move(data net.Listener, verb, name string, protected bool) error {
	conn, err := data.Accept()
	if err != nil {
		return err
	}
	data.Close()
	if protected {
		conn = tls.Server(conn, s.tls)
	}
	defer conn.Close()
	size := map[string]int{"large.bin": fewBytes, "small.bin": smallBytes}[name]
	switch {
	case verb == "LIST":
		_, err = io.WriteString(conn, strings.Repeat("-rw-r--r-- a file\r\n", entries))
	case verb == "RETR" && s.short:
		_, err = io.WriteString(conn, "x")
	case verb == "RETR":
		_, err = conn.Write(make([]byte, size))
	default:
		var file *os.File
		if file, err = os.Create(filepath.Join(s.local, filepath.Base(name))); err != nil {
			return err
		}
		defer file.Close()
		_, err = io.Copy(file, conn)
	}
	return err
}

func TestLoads(t *testing.T) {
	dir := t.TempDir()
	local := filepath.Join(dir, "upload")
	if err := os.Mkdir(local, 0o755); err != nil {
		t.Fatal(err)
	}
	large, err := os.Create(filepath.Join(dir, "large.bin"))
	if err != nil {
		t.Fatal(err)
	}
	defer large.Close()
	if err := large.Truncate(fewBytes); err != nil {
		t.Fatal(err)
	}
	c := crowd{large: fewBytes}
	for _, test := range []struct {
		name, scheme, path string
		server             server
		load               func(string, time.Duration) (float64, error)
		least              float64
	}{
		{"retr", "ftp", "/large.bin", server{}, c.retr, 1},
		{"retr over TLS", "ftps", "/large.bin", server{}, c.retr, 1},
		{"stor", "ftp", "/upload?local=" + local, server{local: local}, c.stor, 1},
		{"stor over TLS", "ftps", "/upload?local=" + local, server{local: local}, c.stor, 1},
		{"small", "ftp", "/small.bin", server{}, c.small, 0},
		{"small with PASV", "ftp", "/small.bin", server{legacy: true}, c.small, 0},
		{"list", "ftp", "/many", server{}, c.list, 0},
		{"list of what changes", "ftp", "/many?local=" + local, server{}, c.list, 0},
		{"login", "ftp", "", server{}, login, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			rate, err := test.load(test.server.start(t, test.scheme)+test.path, time.Millisecond)
			if err != nil || rate <= test.least {
				t.Errorf("rate %v, error %v", rate, err)
			}
		})
	}
	left, err := os.ReadDir(local)
	if err != nil || len(left) > 0 {
		t.Errorf("left of uploads: %v, %v", left, err)
	}
	for _, s := range c.sessions {
		s.conn.Close()
	}
}

func TestShortFilesAreErrors(t *testing.T) {
	where, err := parse(server{short: true}.start(t, "ftp"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := open(where, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	var received atomic.Int64
	if err := s.throw("large.bin", fewBytes, &received); err == nil {
		t.Error("a file of one byte is no error")
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
}
