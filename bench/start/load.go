package main

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	messageBytes = 64
	bulkConns    = 4
	bulkBlock    = 256 << 10 // bytes; larger than the server's, so that the server is the one who works
)

// pingPong sends a short message over one connection and waits for it, again and again.
func pingPong(addr string, lasts time.Duration) (perSecond float64, err error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	message := make([]byte, messageBytes)
	begin := time.Now()
	_ = conn.SetDeadline(begin.Add(lasts))
	for count := 0; ; count++ {
		if _, err = conn.Write(message); err == nil {
			_, err = io.ReadFull(conn, message)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return float64(count) / time.Since(begin).Seconds(), nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// bulk sends over several connections as fast as the echo is taken, and counts what comes back.
func bulk(addr string, lasts time.Duration) (perSecond float64, err error) {
	var conns []net.Conn
	for range bulkConns {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	begin := time.Now()
	var received atomic.Int64
	var work sync.WaitGroup
	for _, conn := range conns {
		_ = conn.SetDeadline(begin.Add(lasts))
		work.Go(func() {
			block := make([]byte, bulkBlock)
			for {
				if _, err := conn.Write(block); err != nil {
					return
				}
			}
		})
		work.Go(func() {
			block := make([]byte, bulkBlock)
			for {
				n, err := conn.Read(block)
				received.Add(int64(n))
				if err != nil {
					return
				}
			}
		})
	}
	work.Wait()
	return float64(received.Load()) / time.Since(begin).Seconds(), nil
}
