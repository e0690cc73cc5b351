package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gtwistd/gtwistd/bench/contest"
)

// firstByte asks for the file again and again, until the first byte of an answer is there.
func firstByte(ctx context.Context, addr string) error {
	deadline := time.Now().Add(contest.Patience)
	for ctx.Err() == nil && time.Now().Before(deadline) {
		if conn, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			_, _ = io.WriteString(conn, "GET /small.txt HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
			_, err = conn.Read(make([]byte, 1))
			conn.Close()
			if err == nil {
				return nil
			}
		}
		time.Sleep(200 * time.Microsecond)
	}
	return errors.Join(ctx.Err(), fmt.Errorf("nobody answers on %s", addr))
}

// readPID is the number in a pidfile.
func readPID(pidfile string) (int, error) {
	data, err := os.ReadFile(pidfile)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(data)))
}

// stopDetached ends a process that is not our child and waits until it is gone. Nobody may have collected it yet, so a
// zombie counts as gone.
func stopDetached(pid int) error {
	process, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	if err := process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	for deadline := time.Now().Add(contest.Patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return nil
		}
	}
	return fmt.Errorf("process %d does not end", pid)
}
