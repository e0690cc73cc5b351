package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"net/url"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gtwistd/gtwistd/bench/contest"
)

// target is where a session logs in and what it asks for there, in the words of an address: ftp://USER:PASSWORD@HOST:PORT/PATH,
// with ftps for TLS on both kinds of connections after AUTH TLS.
type target struct {
	*url.URL
	name string // of the file or directory
}

func parse(address string) (target, error) {
	where, err := url.Parse(address)
	if err != nil {
		return target{}, err
	}
	return target{where, strings.TrimPrefix(where.Path, "/")}, nil
}

// session is a client that has logged in. It is for one goroutine.
type session struct {
	host     string
	conn     net.Conn
	replies  *textproto.Reader
	tls      *tls.Config // of data connections, too; nil: plain
	passive  string      // the command for the next data connection
	deadline time.Time
	scratch  []byte
}

// open logs in. All has to be done by the deadline, if there is one. Close the session or its conn.
func open(where target, deadline time.Time) (*session, error) {
	conn, err := net.DialTimeout("tcp", where.Host, contest.Patience)
	if err != nil {
		return nil, err
	}
	s := &session{host: where.Hostname(), conn: conn, passive: "EPSV", deadline: deadline, scratch: make([]byte, 64<<10)}
	s.replies = textproto.NewReader(newReader(conn))
	err = conn.SetDeadline(deadline)
	if err == nil {
		err = s.enter(where)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

func (s *session) enter(where target) error {
	if _, _, err := s.replies.ReadResponse(220); err != nil {
		return err
	}
	if where.Scheme == "ftps" {
		if err := s.encrypt(); err != nil {
			return err
		}
	}
	password, _ := where.User.Password()
	if err := s.ask(331, "USER "+where.User.Username()); err != nil {
		return err
	}
	return s.ask(230, "PASS "+password)
}

// prepare is what comes between the login and the first transfer.
func (s *session) prepare() error {
	if s.tls != nil {
		if err := s.ask(200, "PBSZ 0"); err != nil {
			return err
		}
		if err := s.ask(200, "PROT P"); err != nil {
			return err
		}
	}
	return s.ask(200, "TYPE I")
}

// encrypt changes the control connection over to TLS. Data connections resume its session, as some servers insist on.
func (s *session) encrypt() error {
	if err := s.ask(234, "AUTH TLS"); err != nil {
		return err
	}
	s.tls = &tls.Config{
		InsecureSkipVerify: true, // our own, minutes old
		ServerName:         s.host,
		ClientSessionCache: tls.NewLRUClientSessionCache(1),
	}
	conn := tls.Client(s.conn, s.tls)
	if err := conn.Handshake(); err != nil {
		return err
	}
	if state := conn.ConnectionState(); state.CipherSuite != tls.TLS_AES_128_GCM_SHA256 {
		return fmt.Errorf("%s with %s", tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite))
	}
	s.conn = conn
	s.replies = textproto.NewReader(newReader(conn))
	return nil
}

// ask sends a command and wants one kind of reply to it.
func (s *session) ask(want int, command string) error {
	_, err := s.reply(want, command)
	return err
}

func (s *session) reply(want int, command string) (text string, err error) {
	if _, err := io.WriteString(s.conn, command+"\r\n"); err != nil {
		return "", err
	}
	if _, text, err = s.replies.ReadResponse(want); err != nil {
		return "", fmt.Errorf("%s: %w", command, err)
	}
	return text, nil
}

// dial opens a data connection. A server that does not know EPSV is asked with PASV from then on.
func (s *session) dial() (*net.TCPConn, error) {
	port, err := s.port()
	if refused, ok := errors.AsType[*textproto.Error](err); ok && refused.Code >= 500 && s.passive == "EPSV" {
		s.passive = "PASV"
		port, err = s.port()
	}
	if err != nil {
		return nil, err
	}
	conn, err := net.DialTCP("tcp", nil, &net.TCPAddr{IP: net.ParseIP(s.host), Port: port})
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(s.deadline)
}

// port asks for a port to connect to: RFC 2428 section 3, RFC 959 section 4.1.2.
func (s *session) port() (port int, err error) {
	if s.passive == "EPSV" {
		text, err := s.reply(229, "EPSV")
		if err != nil {
			return 0, err
		}
		_, err = fmt.Sscanf(text[strings.LastIndexByte(text, '(')+1:], "|||%d|", &port)
		return port, err
	}
	text, err := s.reply(227, "PASV")
	if err != nil {
		return 0, err
	}
	digits := strings.Split(strings.TrimRight(text[strings.LastIndexByte(text, '(')+1:], ")."), ",")
	var high, low int
	if len(digits) == 6 {
		_, err = fmt.Sscan(digits[4]+" "+digits[5], &high, &low)
	} else {
		err = fmt.Errorf("PASV: %q", text)
	}
	return high<<8 | low, err
}

// transfer lets move work on a data connection that belongs to a command, and waits for the word that all is done.
func (s *session) transfer(command string, move func(*net.TCPConn) error) error {
	conn, err := s.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(s.conn, command+"\r\n"); err != nil {
		return err
	}
	if _, _, err := s.replies.ReadResponse(1); err != nil { // 125 or 150
		return fmt.Errorf("%s: %w", command, err)
	}
	if err := move(conn); err != nil {
		return err
	}
	_ = conn.SetLinger(0) // who waits for the server's end first leaves no port behind
	conn.Close()
	_, _, err = s.replies.ReadResponse(2) // 226 or 250
	return err
}

// throw takes what comes for a file and throws it away where it arrives, still encrypted if it is: the server shall be the
// one who works.
func (s *session) throw(name string, least int64, received *atomic.Int64) error {
	before := received.Load()
	err := s.transfer("RETR "+name, func(conn *net.TCPConn) error {
		if s.tls == nil {
			return contest.Discard(conn, received)
		}
		arriving := &records{Conn: conn, in: bufio.NewReaderSize(conn, 256<<10), received: received}
		stream := tls.Client(arriving, s.tls)
		if err := stream.Handshake(); err != nil {
			return err
		}
		if err := arriving.discard(); err != nil {
			return err
		}
		// Some wait for the client's word that it has understood, some are gone: either may be.
		_ = stream.CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
		return nil
	})
	if n := received.Load() - before; err == nil && n < least {
		err = fmt.Errorf("%s: only %d bytes came", name, n)
	}
	return err
}

// read takes what comes for a command, a block at a time.
func (s *session) read(command string, block func([]byte)) error {
	return s.transfer(command, func(conn *net.TCPConn) error {
		for {
			n, err := conn.Read(s.scratch)
			block(s.scratch[:n])
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
		}
	})
}

// store sends a file.
func (s *session) store(name string, content source, sent *atomic.Int64) error {
	return s.transfer("STOR "+name, func(conn *net.TCPConn) error {
		if s.tls == nil {
			if err := content.send(conn, sent); err != nil {
				return err
			}
			return finish(conn)
		}
		stream := tls.Client(conn, s.tls)
		if err := content.encrypt(stream, sent); err != nil {
			return err
		}
		if err := stream.CloseWrite(); err != nil {
			return err
		}
		return finish(conn)
	})
}

// finish ends what is sent and waits until the server has seen that: a connection that is cut would end the transfer.
func finish(conn *net.TCPConn) error {
	if err := conn.CloseWrite(); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, conn)
	return err
}

// close says good-bye.
func (s *session) close() error {
	err := s.ask(221, "QUIT")
	return errors.Join(err, s.conn.Close())
}

// fresh is the name of an upload that was not there before.
func fresh(dir string, client, count int) string {
	return path.Join(dir, fmt.Sprintf("upload-%d-%d.bin", client, count))
}
