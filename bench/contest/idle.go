package contest

import (
	"fmt"
	"net"
	"time"
)

// HeldByEach tells what a server, the processes of pid, holds for each of n connections that stay, in KiB of the proportional
// set size. open opens one over TCP and says how to ask whether it is still there; the connections are closed at the end.
func HeldByEach(pid, n int, open func() (conn net.Conn, stays func() error, err error)) (each float64, err error) {
	var conns []net.Conn
	defer func() {
		for _, conn := range conns {
			_ = conn.(*net.TCPConn).SetLinger(0) // ports are free at once for the next turn
			conn.Close()
		}
	}()
	var before int64
	var stay []func() error
	for i := range n + 1 {
		conn, stays, err := open()
		if err != nil {
			return 0, err
		}
		conns, stay = append(conns, conn), append(stay, stays)
		if i == 0 { // what it needs to work at all is not counted
			if before, err = rested(pid); err != nil {
				return 0, err
			}
		}
	}
	after, err := rested(pid)
	if err != nil {
		return 0, err
	}
	for _, stays := range stay { // had the server closed some, there would be less to measure
		if err := stays(); err != nil {
			return 0, fmt.Errorf("a connection did not stay: %w", err)
		}
	}
	return float64(after-before) / float64(n), nil
}

// rested is what a server's processes hold after a second of rest, in KiB.
func rested(pid int) (int64, error) {
	time.Sleep(time.Second)
	return KiB(pid, "smaps_rollup", "Pss")
}
