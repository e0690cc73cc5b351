package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gtwistd/gtwistd/bench/contest"
)

// Clients at the same time.
const (
	largeClients = 4
	smallClients = 8
	loginClients = 8
)

func newReader(r io.Reader) *bufio.Reader { return bufio.NewReaderSize(r, 4<<10) }

// worker does its work once and adds up what it did.
type worker func(done *atomic.Int64) error

// together lets workers work again and again until the time is up: what they did in a second. What is begun by then is
// finished, and counts with the time that it takes.
func together(workers []worker, lasts time.Duration) (perSecond float64, err error) {
	done := make([]atomic.Int64, len(workers))
	failures := make([]error, len(workers))
	begin := time.Now()
	var work sync.WaitGroup
	for i, do := range workers {
		work.Go(func() {
			for {
				if failures[i] = do(&done[i]); failures[i] != nil || time.Since(begin) >= lasts {
					return
				}
			}
		})
	}
	work.Wait()
	var sum int64
	for i := range done {
		sum += done[i].Load()
	}
	return float64(sum) / time.Since(begin).Seconds(), errors.Join(failures...)
}

// crowd are the clients of one load. Their sessions stay open until the process ends.
type crowd struct {
	large    int64 // the size of the large file
	sessions []*session
}

// work lets clients work who have logged in before the time begins.
func (c *crowd) work(clients int, address string, lasts time.Duration, begin func(s *session, client int, name string) worker) (perSecond float64, err error) {
	where, err := parse(address)
	if err != nil {
		return 0, err
	}
	var workers []worker
	for i := range clients {
		s, err := open(where, time.Now().Add(lasts+contest.Patience))
		if err != nil {
			return 0, err
		}
		c.sessions = append(c.sessions, s)
		if err := s.prepare(); err != nil {
			return 0, err
		}
		workers = append(workers, begin(s, i, where.name))
	}
	return together(workers, lasts)
}

// retr takes a large file again and again: bytes per second.
func (c *crowd) retr(address string, lasts time.Duration) (perSecond float64, err error) {
	return c.work(largeClients, address, lasts, func(s *session, _ int, name string) worker {
		return func(received *atomic.Int64) error { return s.throw(name, c.large, received) }
	})
}

// small takes a small file again and again: files per second.
func (c *crowd) small(address string, lasts time.Duration) (perSecond float64, err error) {
	return c.work(smallClients, address, lasts, func(s *session, _ int, name string) worker {
		return func(files *atomic.Int64) error {
			size := 0
			err := s.read("RETR "+name, func(block []byte) { size += len(block) })
			if err == nil && size != smallBytes {
				err = fmt.Errorf("%s: %d bytes came, want %d", name, size, smallBytes)
			}
			return count(files, err)
		}
	})
}

// list asks for a long listing again and again: listings per second. If the address ends with ?local=DIR, that is the
// directory on this machine, and a file comes or goes there before each listing, which none of another moment is like.
func (c *crowd) list(address string, lasts time.Duration) (perSecond float64, err error) {
	where, err := parse(address)
	if err != nil {
		return 0, err
	}
	local := where.Query().Get("local")
	if local != "" {
		defer os.Remove(filepath.Join(local, passing))
	}
	return c.work(1, address, lasts, func(s *session, _ int, name string) worker {
		return func(listings *atomic.Int64) error {
			if local != "" {
				if err := change(local); err != nil {
					return err
				}
			}
			lines := 0
			err := s.read("LIST "+name, func(block []byte) { lines += bytes.Count(block, []byte("\n")) })
			if err == nil && (lines < entries || lines > entries+4) { // one comes and goes; some have the directory itself or a total, too
				err = fmt.Errorf("%s: %d lines came, want %d", name, lines, entries)
			}
			return count(listings, err)
		}
	})
}

const passing = "passing.txt"

// change lets a file come to a directory, or go.
func change(dir string) error {
	file := filepath.Join(dir, passing)
	if err := os.Remove(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.WriteFile(file, nil, 0o644)
}

// login logs in and out again and again: logins per second.
func login(address string, lasts time.Duration) (perSecond float64, err error) {
	where, err := parse(address)
	if err != nil {
		return 0, err
	}
	once := func(logins *atomic.Int64) error {
		s, err := open(where, time.Now().Add(contest.Patience))
		if err != nil {
			return err
		}
		return count(logins, s.close())
	}
	workers := make([]worker, loginClients)
	for i := range workers {
		workers[i] = once
	}
	return together(workers, lasts)
}

func count(done *atomic.Int64, err error) error {
	if err == nil {
		done.Add(1)
	}
	return err
}

// source is a large file that is sent: from the page cache without a copy, or from memory if it has to be encrypted.
type source struct {
	file    string
	content []byte
}

const chunk = 1 << 20 // what is sent between two looks at the sum

func (c source) send(conn *net.TCPConn, sent *atomic.Int64) error {
	file, err := os.Open(c.file)
	if err != nil {
		return err
	}
	defer file.Close()
	for {
		n, err := io.CopyN(conn, file, chunk)
		sent.Add(n)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (c source) encrypt(stream *tls.Conn, sent *atomic.Int64) error {
	for rest := c.content; len(rest) > 0; {
		n, err := stream.Write(rest[:min(chunk, len(rest))])
		sent.Add(int64(n))
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// stor sends a large file again and again: bytes per second. The address ends with ?local=DIR, where the directory is on this
// machine. What has arrived is looked at and removed there, which few servers let everybody do.
func (c *crowd) stor(address string, lasts time.Duration) (perSecond float64, err error) {
	where, err := parse(address)
	if err != nil {
		return 0, err
	}
	local := where.Query().Get("local")
	content := source{file: filepath.Join(filepath.Dir(local), "large.bin")}
	if where.Scheme == "ftps" {
		if content.content, err = os.ReadFile(content.file); err != nil {
			return 0, err
		}
	}
	return c.work(largeClients, address, lasts, func(s *session, client int, dir string) worker {
		n := 0
		return func(sent *atomic.Int64) error {
			n++
			name := fresh(dir, client, n)
			if err := s.store(name, content, sent); err != nil {
				return err
			}
			return arrived(filepath.Join(local, filepath.Base(name)), c.large)
		}
	})
}

// arrived says whether a file is there and whole, and removes it.
func arrived(file string, size int64) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if info.Size() != size {
		return fmt.Errorf("%s: %d bytes arrived", file, info.Size())
	}
	return os.Remove(file)
}
