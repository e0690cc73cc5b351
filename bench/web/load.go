package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gtwistd/gtwistd/bench/contest"
)

const downloads = 4 // at the same time

// download asks for a file again and again, over several connections, until the time is up: bytes per second.
func download(target string, lasts time.Duration) (perSecond float64, err error) {
	var received atomic.Int64
	var work sync.WaitGroup
	failures := make([]error, downloads)
	begin := time.Now()
	for i := range downloads {
		work.Go(func() {
			for failures[i] == nil {
				failures[i] = fetch(target, begin.Add(lasts), &received)
			}
			if late, ok := errors.AsType[net.Error](failures[i]); ok && late.Timeout() {
				failures[i] = nil
			}
		})
	}
	work.Wait()
	if received.Load() == 0 && errors.Join(failures...) == nil {
		return 0, fmt.Errorf("%s: nothing came", target)
	}
	return float64(received.Load()) / time.Since(begin).Seconds(), errors.Join(failures...)
}

// fetch asks for a file and takes what comes until the server closes the connection. The body is thrown away where it
// arrives, still encrypted if it is: the server shall be the one who works.
func fetch(target string, deadline time.Time, received *atomic.Int64) error {
	where, err := url.Parse(target)
	if err != nil {
		return err
	}
	conn, err := net.DialTimeout("tcp", where.Host, time.Until(deadline))
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	var stream io.ReadWriter = counted{conn, received}
	if where.Scheme == "https" {
		stream = tls.Client(counted{conn, received}, &tls.Config{InsecureSkipVerify: true}) // our own, minutes old
	}
	if _, err := fmt.Fprintf(stream, "GET %s HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n", where.Path); err != nil {
		return err
	}
	status := make([]byte, len("HTTP/1.1 200"))
	if _, err := io.ReadFull(stream, status); err != nil {
		return err
	}
	if string(status) != "HTTP/1.1 200" {
		return fmt.Errorf("%s: %q", target, status)
	}
	return contest.Discard(conn.(*net.TCPConn), received)
}

// counted adds up what is read.
type counted struct {
	net.Conn
	received *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.received.Add(int64(n))
	return n, err
}

// sequence asks for a page again and again over one connection: requests per second. The last answer is waited for and counts.
func sequence(target string, lasts time.Duration) (perSecond float64, err error) {
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	begin := time.Now()
	for count := 1; ; count++ {
		res, err := client.Get(target)
		if err != nil {
			return 0, err
		}
		_, err = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if err == nil && res.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", target, res.Status)
		}
		if err != nil {
			return 0, err
		}
		if took := time.Since(begin); took >= lasts {
			return float64(count) / took.Seconds(), nil
		}
	}
}
