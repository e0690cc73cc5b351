package main

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// crowd are clients that take one byte a second from a large file, and come again when the server throws them out. Its stop
// must be called.
type crowd struct {
	cancel context.CancelFunc
	work   sync.WaitGroup
	thrown atomic.Int64 // out
}

// gather returns when each of the clients has the first byte of an answer, or ctx ends.
func gather(ctx context.Context, addr, path string, count int) *crowd {
	ctx, cancel := context.WithCancel(ctx)
	c := &crowd{cancel: cancel}
	var ready sync.WaitGroup
	ready.Add(count)
	for range count {
		c.work.Go(func() {
			first := sync.OnceFunc(ready.Done)
			defer first()
			for ctx.Err() == nil {
				linger(ctx, addr, path, first)
				if ctx.Err() == nil {
					c.thrown.Add(1)
					pause(ctx)
				}
			}
		})
	}
	ready.Wait()
	return c
}

// stop ends the clients and tells how many were thrown out.
func (c *crowd) stop() int64 {
	c.cancel()
	c.work.Wait()
	return c.thrown.Load()
}

// linger is one of them, until it is thrown out or ctx ends.
func linger(ctx context.Context, addr, path string, first func()) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		return
	}
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: bench\r\n\r\n"); err != nil {
		return
	}
	for {
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			return
		}
		first()
		pause(ctx)
	}
}

func pause(ctx context.Context) {
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
}
